"""Records: one row per (method, clip, metric), Parquet, long form. All tables derive from them."""

import itertools
import math
from array import array
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray

from gmbench.errors import InputError, MixedColumnError
from gmbench.parquet import write_tables

FILE = "records.parquet"

WHOLE_SET = "*"
"""Stands for the clip in records of set-level metrics."""


@dataclass(frozen=True, kw_only=True)
class Record:
    """One number, what it may be compared with, and the files behind it; the fields are the columns in their order.

    Attributes:
        clip: name, or :data:`WHOLE_SET`.
        emotion: the label as it was given.
        metric: the text of a :class:`~gmbench.metrics.key.MetricKey`; metric_name: without the fallback.
        value: NaN unless the status is ``ok``.
        status: ``ok``, ``missing`` (no clip), ``failed`` (clip or extractor), ``undefined`` (no value by definition).
        reason: in words, empty for ``ok``.
        flags: remarks, separated by spaces.
        frames_used, frames_expected: frames behind the value, and those that there could have been.
        clips_used: 1 with a value and 0 without; more for a number of the whole set.
        clips_expected: 0 where a clip's emotion does not count for the metric.
        backend: ``official`` or ``fallback:<extractor>``.
        weights_sha256: hashes of all weight files behind the value, joined by ``+``.
        generated_sha256: of the file.
        reference_sha256: of the reference's files that the metric reads, joined by ``+``, the picture first; of all
            references for a number of the whole set.
        generated_size, reference_size: width x height of the decoded frames.
        reference_value: the reference's own value under a metric whose best value that is; else NaN.
    """

    method: str
    dataset: str
    clip: str = WHOLE_SET
    speaker: str = ""
    emotion: str = ""
    metric: str
    value: float = math.nan
    status: str = "ok"
    reason: str = ""
    flags: str = ""
    frames_used: int = 0
    frames_expected: int = 0
    clips_used: int = 0
    clips_expected: int = 1
    protocol: str
    protocol_hash: str
    backend: str
    weights_sha256: str
    metric_name: str
    metric_version: int
    generated_sha256: str = ""
    reference_sha256: str = ""
    generated_size: str = ""
    reference_size: str = ""
    reference_value: float = math.nan


SCHEMA = pa.schema(
    [(field.name, {str: pa.string(), float: pa.float64(), int: pa.int64()}[field.type]) for field in fields(Record)]  # type: ignore[index]
)
TEXTS = [field.name for field in SCHEMA if pa.types.is_string(field.type)]
LATER = {"reference_value"}
"""Columns that records of an earlier version may lack: empty then."""
GROUP = ["method", "dataset", "protocol_hash", "metric"]
"""Columns of what is aggregated to one number."""
COMPARABLE = ["backend", "weights_sha256", "metric_version"]
"""Columns in which the records of one metric and protocol must agree."""
ORDER = ["dataset", "protocol_hash", "method", "clip", "metric"]
_PIECE, _ROW_GROUP = 2**14, 2**17
"""Rows that are looked at together, and that are together in a file."""


def frame(records: Iterable[Record]) -> pd.DataFrame:
    """Records as a table in canonical order.

    They are taken one by one, and columns are sorted one after another: of a million records no second copy is ever in
    memory. A text stands once, in the categories of its columns.
    """
    columns = {field.name: array("d" if field.type is float else "i") for field in fields(Record)}
    texts, numbers = frozenset(TEXTS), dict[str, int]()
    for record in records:
        for name, column in columns.items():
            value = getattr(record, name)
            column.append(numbers.setdefault(value, len(numbers)) if name in texts else value)
    known = np.array(list(numbers), object)
    table: dict[str, Any] = {}
    for name in SCHEMA.names:
        gathered = np.asarray(columns.pop(name))
        table[name] = categories(known[gathered]) if name in texts else gathered
    order = np.lexsort([table[name].codes for name in reversed(ORDER)])
    series: dict[str, pd.Series] = {}
    for field in SCHEMA:
        values = table.pop(field.name)[order]
        values = values.astype(np.int64) if pa.types.is_integer(field.type) else values
        series[field.name] = pd.Series(values, copy=False)
    return pd.DataFrame(series, copy=False)


def concatenate(tables: Iterable[pd.DataFrame]) -> pd.DataFrame:
    """All records of several tables, in canonical order."""
    found = list(tables)
    found = [table for table in found if not table.empty] or found
    table = found[0] if len(found) == 1 else _stacked(found)
    if all(row <= after for row, after in itertools.pairwise(zip(*(table[name] for name in ORDER), strict=True))):
        return table.reset_index(drop=True)  # without a copy
    return table.sort_values(ORDER, kind="stable", ignore_index=True)


def _stacked(tables: Sequence[pd.DataFrame]) -> pd.DataFrame:
    """Tables under each other; categories stay sorted, so that sorting by them sorts texts."""
    columns: dict[str, Any] = {}
    for name in SCHEMA.names:
        column = np.concatenate([table[name] for table in tables])
        columns[name] = categories(column) if name in TEXTS else column
    return pd.DataFrame(columns, copy=False)


def categories(texts: Sequence[str] | NDArray[np.object_]) -> pd.Categorical:
    """A column of texts as records hold it: numbers of sorted categories."""
    codes, known = pd.factorize(np.asarray(texts, object), sort=True)
    return pd.Categorical.from_codes(codes, pd.Index(known, dtype=object))


def plain(records: pd.DataFrame) -> pd.DataFrame:
    """A copy with texts as objects, which can be compared with each other and added."""
    return records.astype({name: object for name in TEXTS if name in records})


def where(records: pd.DataFrame, chosen: pd.Series) -> pd.DataFrame:
    """The chosen records; the table itself, and no copy, where these are all."""
    return records if chosen.all() else records[chosen]


def groups(records: pd.DataFrame, columns: Sequence[str]) -> Iterator[tuple[tuple[str, ...], pd.DataFrame]]:
    """The records of each combination of values in some columns, in their order; one group is in memory at a time.

    Unlike pandas' ``groupby``, which first makes a sorted copy of the whole table.
    """
    for key, rows in group_rows(records, columns):
        yield key, records if len(rows) == len(records) else records.iloc[rows]


def group_rows(records: pd.DataFrame, columns: Sequence[str]) -> list[tuple[tuple[str, ...], NDArray[np.intp]]]:
    """Each combination of values in some columns, in their order, with the numbers of its rows."""
    if records.empty:
        return []
    numbers = np.zeros(len(records), np.int64)
    for column in columns:
        places, known = pd.factorize(records[column])
        numbers *= len(known)
        numbers += places
    numbers = numbers.astype(np.min_scalar_type(numbers.max()))
    order = np.argsort(numbers, kind="stable")
    parts = np.split(order, np.flatnonzero(np.diff(numbers[order])) + 1)
    keyed = [(tuple(str(records[column].iloc[rows[0]]) for column in columns), rows) for rows in parts]
    return sorted(keyed, key=lambda item: item[0])


def distinct(records: pd.DataFrame, columns: Sequence[str]) -> pd.DataFrame:
    """Some columns, every combination of values once, the first: as pandas' ``drop_duplicates``.

    Piece by piece: of the records of one clip few differ, and no whole column is copied.
    """
    chosen = records[list(columns)]
    pieces = [chosen.iloc[n : n + _PIECE].drop_duplicates() for n in range(0, max(1, len(chosen)), _PIECE)]
    return pd.concat(pieces).drop_duplicates()


def write(path: Path, records: pd.DataFrame) -> None:
    """Write a table of records, piece by piece; the same records give the same bytes."""
    pieces = (_encoded(records.iloc[n : n + _ROW_GROUP]) for n in range(0, max(1, len(records)), _ROW_GROUP))
    write_tables(pieces, path, compression="zstd", store_schema=False)


def _encoded(records: pd.DataFrame) -> pa.Table:
    """Records as the file holds them: of text every value once, so that memory does not hold more either."""
    return pa.Table.from_arrays([_column(records[field.name], field.type) for field in SCHEMA], SCHEMA.names)


def _column(column: pd.Series, kind: pa.DataType) -> pa.Array:
    if not pa.types.is_string(kind):
        return pa.array(column, kind)
    codes, values = pd.factorize(column)
    codes = codes.astype(np.min_scalar_type(-len(values) - 1))
    return pa.DictionaryArray.from_arrays(pa.array(codes, mask=codes < 0), pa.array(np.asarray(values, object), kind))


def read(path: Path) -> pd.DataFrame:
    """Records of a file, or of a folder that holds ``records.parquet``.

    Raises:
        InputError: no such file, or not a file of records.
    """
    if path.is_dir():
        path = path / FILE
    try:
        file = pq.ParquetFile(path, read_dictionary=TEXTS)  # else every text is in memory once a row
        present = [name for name in SCHEMA.names if name in file.schema_arrow.names]
        columns = {name: _series(file.read([name], use_threads=False)[name]) for name in present}
    except FileNotFoundError:
        raise InputError(f"{path}: no records; run 'gmbench eval --out {path.parent}' first") from None
    except (OSError, pa.ArrowInvalid) as error:
        raise InputError(f"{path}: not a file of records ({error})") from error
    lacking = set(SCHEMA.names) - set(present) - LATER
    if lacking:
        raise InputError(f"{path}: not a file of records, column {', '.join(sorted(lacking))} is missing")
    return pd.DataFrame(columns, copy=False).reindex(columns=SCHEMA.names)


def _series(column: pa.ChunkedArray) -> pd.Series:
    """A column of a file, texts as :func:`frame` has them."""
    values = column.to_pandas(strings_to_categorical=True)
    if isinstance(values.dtype, pd.CategoricalDtype):
        return values.cat.set_categories(pd.Index(sorted(values.cat.categories), dtype=object))
    return values


def check_columns(records: pd.DataFrame) -> None:
    """Refuse to put values of different extractors, protocols, weights or versions under one key.

    Raises:
        MixedColumnError: names the metric and what differs.
    """
    columns = [*COMPARABLE, "protocol_hash"]
    for (metric,), group in groups(distinct(records, ["metric", *columns]), ["metric"]):
        kinds = group[columns]
        if len(kinds) > 1:
            differing = [column for column in columns if kinds[column].nunique() > 1]
            raise MixedColumnError(
                f"metric {metric} would mix different {', '.join(differing)} in one column; "
                "choose one with --protocol, or evaluate all methods in one run"
            )


def json_number(value: float) -> float | str | None:
    """A float as JSON holds it: ``"inf"`` for infinity, null for NaN."""
    if math.isnan(value):
        return None
    return float(value) if math.isfinite(value) else ("inf" if value > 0 else "-inf")
