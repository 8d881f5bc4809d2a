"""Records: one row per (method, clip, metric), Parquet, long form. All tables derive from them."""

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

from gmbench.errors import InputError, MixedColumnError
from gmbench.parquet import write_table

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
LATER = {"reference_value"}
"""Columns that records of an earlier version may lack: empty then."""
GROUP = ["method", "dataset", "protocol_hash", "metric"]
"""Columns of what is aggregated to one number."""
COMPARABLE = ["backend", "weights_sha256", "metric_version"]
"""Columns in which the records of one metric and protocol must agree."""
ORDER = ["dataset", "protocol_hash", "method", "clip", "metric"]


def frame(records: Iterable[Record]) -> pd.DataFrame:
    """Records as a table in canonical order.

    They are taken one by one, equal texts are one object in all rows and a number until all are there, and columns are
    sorted one after another: of a million records no second copy is ever in memory.
    """
    kinds: dict[Any, str] = {str: "i", float: "d", int: "q"}
    columns = {field.name: array(kinds[field.type]) for field in fields(Record)}
    numbers: dict[str, int] = {}
    for record in records:
        for name, column in columns.items():
            value = getattr(record, name)
            column.append(numbers.setdefault(value, len(numbers)) if column.typecode == "i" else value)
    texts = np.array(list(numbers), object)
    places = np.argsort(np.argsort(texts, kind="stable"))
    order = np.lexsort([places[np.asarray(columns[name])] for name in reversed(ORDER)])
    series: dict[str, pd.Series] = {}
    for name in SCHEMA.names:
        column = columns.pop(name)
        values = np.asarray(column)[order]
        values = texts[values] if column.typecode == "i" else values
        series[name] = pd.Series(values, dtype=values.dtype, copy=False)
    return pd.DataFrame(series, copy=False)


def concatenate(tables: Iterable[pd.DataFrame]) -> pd.DataFrame:
    """All records of several tables, in canonical order."""
    found = list(tables)
    found = [table for table in found if not table.empty] or found
    return _sorted(found[0] if len(found) == 1 else pd.concat(found))


def _sorted(table: pd.DataFrame) -> pd.DataFrame:
    return table.sort_values(ORDER, kind="stable", ignore_index=True)


def where(records: pd.DataFrame, chosen: pd.Series) -> pd.DataFrame:
    """The chosen records; the table itself, and no copy, where these are all."""
    return records if chosen.all() else records[chosen]


def groups(records: pd.DataFrame, columns: Sequence[str]) -> Iterator[tuple[tuple[str, ...], pd.DataFrame]]:
    """The records of each combination of values in some columns, in their order; one group is in memory at a time.

    Unlike pandas' ``groupby``, which first makes a sorted copy of the whole table.
    """
    if records.empty:
        return
    numbers = records[list(columns)].groupby(list(columns), sort=True).ngroup().to_numpy()
    order = np.argsort(numbers, kind="stable")
    for rows in np.split(order, np.flatnonzero(np.diff(numbers[order])) + 1):
        key = tuple(str(records[column].iloc[rows[0]]) for column in columns)
        yield key, records if len(rows) == len(records) else records.iloc[rows]


def write(path: Path, records: pd.DataFrame) -> None:
    """Write a table of records; the same records give the same bytes."""
    columns = [_encoded(records[field.name], field.type) for field in SCHEMA]
    write_table(pa.Table.from_arrays(columns, SCHEMA.names), path, compression="zstd", store_schema=False)


def _encoded(column: pd.Series, kind: pa.DataType) -> pa.Array:
    """A column; of text every value once, which is what the file holds, so that memory does not either."""
    if not pa.types.is_string(kind):
        return pa.array(column, kind)
    codes, values = pd.factorize(column)
    codes = codes.astype(np.min_scalar_type(-len(values) - 1))
    return pa.DictionaryArray.from_arrays(pa.array(codes, mask=codes < 0), pa.array(values, kind))


def read(path: Path) -> pd.DataFrame:
    """Records of a file, or of a folder that holds ``records.parquet``.

    Raises:
        InputError: no such file, or not a file of records.
    """
    if path.is_dir():
        path = path / FILE
    try:
        table = pq.read_table(path)
    except FileNotFoundError:
        raise InputError(f"{path}: no records; run 'gmbench eval --out {path.parent}' first") from None
    except (OSError, pa.ArrowInvalid) as error:
        raise InputError(f"{path}: not a file of records ({error})") from error
    lacking = set(SCHEMA.names) - set(table.column_names) - LATER
    if lacking:
        raise InputError(f"{path}: not a file of records, column {', '.join(sorted(lacking))} is missing")
    present = [name for name in SCHEMA.names if name in table.column_names]
    read = pd.DataFrame(table.select(present).to_pandas(strings_to_categorical=True))  # equal texts are one object
    texts = {name: object for name in present if pa.types.is_string(SCHEMA.field(name).type)}
    return read.astype(texts).reindex(columns=SCHEMA.names)


def check_columns(records: pd.DataFrame) -> None:
    """Refuse to put values of different extractors, protocols, weights or versions under one key.

    Raises:
        MixedColumnError: names the metric and what differs.
    """
    columns = [*COMPARABLE, "protocol_hash"]
    for (metric,), group in groups(records[["metric", *columns]], ["metric"]):
        kinds = group[columns].drop_duplicates()
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
