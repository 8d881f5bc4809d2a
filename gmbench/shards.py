"""Per-frame data in Parquet: one file per speaker, one row per frame, instead of thousands of small files."""

import itertools
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray

from gmbench.errors import InputError
from gmbench.names import flat
from gmbench.parquet import write_tables

ROW_GROUP = 4096
"""Frames that are written at once."""
Columns = Mapping[str, Any]
"""Arrays (T, ...) or lists of T strings or byte strings, by name."""


def write(folder: Path, speaker: str, clips: Iterable[tuple[str, Columns]]) -> None:
    """Write one speaker's shard: (clip_id, columns) in order, as much of them in memory at a time as a row group."""
    folder.mkdir(parents=True, exist_ok=True)
    groups = _row_groups(_table(clip_id, columns) for clip_id, columns in clips)
    first = next(groups, None)
    if first is not None:
        write_tables(itertools.chain([first], groups), shard_path(folder, speaker))


def read(folder: Path, speaker: str, clip_id: str, names: Sequence[str] | None = None) -> dict[str, Any]:
    """Columns of one clip as arrays (T, ...); strings and bytes as object arrays.

    Raises:
        InputError: no such shard or clip.
    """
    for name, columns in clips(folder, speaker, names, only=clip_id):
        if name == clip_id:
            return columns
    raise InputError(f"{shard_path(folder, speaker)}: no clip {clip_id}")


def clips(
    folder: Path, speaker: str, names: Sequence[str] | None = None, only: str | None = None
) -> Iterator[tuple[str, dict[str, Any]]]:
    """All clips of a speaker's shard in order, each with its columns; raises InputError where there is no shard."""
    path = shard_path(folder, speaker)
    if not path.exists():
        raise InputError(f"{path}: no such shard; run the stage that makes {folder.name}")
    shapes = _shapes(path)
    columns = ["clip_id", *(names if names is not None else shapes)]
    filters = [("clip_id", "=", only)] if only is not None else None
    table = pq.read_table(path, columns=columns, filters=filters)
    owners = table["clip_id"].to_numpy()
    starts = np.flatnonzero(np.r_[True, owners[1:] != owners[:-1]]) if len(owners) else np.zeros(0, int)
    for start, stop in zip(starts, [*starts[1:], len(owners)], strict=True):
        part = table.slice(start, stop - start)
        yield str(owners[start]), {name: _values(part[name], shapes[name]) for name in columns[1:]}


def shard_path(folder: Path, speaker: str) -> Path:
    """The file of a speaker."""
    return folder / f"{flat(speaker)}.parquet"


def _row_groups(tables: Iterable[pa.Table]) -> Iterator[pa.Table]:
    """The rows of many tables in tables of :data:`ROW_GROUP`."""
    waiting: list[pa.Table] = []
    for table in tables:
        waiting.append(table)
        while sum(len(part) for part in waiting) >= ROW_GROUP:
            joined = pa.concat_tables(waiting)
            yield joined.slice(0, ROW_GROUP)
            waiting = [joined.slice(ROW_GROUP)] if len(joined) > ROW_GROUP else []
    if waiting:
        yield pa.concat_tables(waiting)


def _table(clip_id: str, columns: Columns) -> pa.Table:
    count = len(next(iter(columns.values())))
    arrays: dict[str, Any] = {"clip_id": pa.array([clip_id] * count)}
    shapes = {}
    for name, values in columns.items():
        if len(values) != count:
            raise ValueError(f"{clip_id}: column {name} has {len(values)} rows, expected {count}")
        if isinstance(values, np.ndarray) and values.ndim > 1:
            shapes[name] = "x".join(map(str, values.shape[1:]))
            width = int(np.prod(values.shape[1:]))
            arrays[name] = pa.FixedSizeListArray.from_arrays(pa.array(np.ascontiguousarray(values).ravel()), width)
        else:
            shapes[name] = ""
            arrays[name] = pa.array(values)
    metadata = {f"shape:{name}": shape for name, shape in shapes.items()}
    return pa.table(arrays).replace_schema_metadata(metadata)


def _shapes(path: Path) -> dict[str, str]:
    metadata = pq.read_schema(path).metadata or {}
    return {k.decode().removeprefix("shape:"): v.decode() for k, v in metadata.items() if k.startswith(b"shape:")}


def _values(column: pa.ChunkedArray, shape: str) -> NDArray[Any]:
    array = column.combine_chunks()
    if not shape:
        return array.to_numpy(zero_copy_only=False)
    return array.flatten().to_numpy().reshape(len(array), *(int(n) for n in shape.split("x")))
