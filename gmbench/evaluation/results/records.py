"""Records: one row for (method, clip, metric), Parquet, long form. All tables derive from them."""

import io
import math
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from gmbench.errors import InputError, MixedColumnError
from gmbench.store import write_atomically

FILE = "records.parquet"

SCHEMA = pa.schema(
    [
        ("method", pa.string()),
        ("dataset", pa.string()),
        ("clip", pa.string()),
        ("speaker", pa.string()),
        ("emotion", pa.string()),
        ("metric", pa.string()),
        ("value", pa.float64()),
        ("status", pa.string()),  # ok, missing, failed, undefined
        ("reason", pa.string()),
        ("flags", pa.string()),  # separated by spaces
        ("frames_used", pa.int64()),
        ("frames_expected", pa.int64()),
        ("clips_used", pa.int64()),  # 1 with a value and 0 without; more for a number of the whole set
        ("clips_expected", pa.int64()),  # 0 where a clip's emotion does not count for the metric
        ("protocol", pa.string()),
        ("protocol_hash", pa.string()),
        ("backend", pa.string()),
        ("weights_sha256", pa.string()),
        ("metric_name", pa.string()),  # without the suffix of a fallback extractor
        ("metric_version", pa.int64()),
        ("generated_sha256", pa.string()),
        ("reference_sha256", pa.string()),
        ("generated_size", pa.string()),  # width x height of the decoded frames
        ("reference_size", pa.string()),
    ]
)
WHOLE_SET = "*"
"""Stands for the clip in records of set-level metrics."""
ORDER = ["dataset", "protocol_hash", "method", "clip", "metric"]


def frame(rows: Iterable[dict[Any, Any]]) -> pd.DataFrame:
    """Rows as a table in canonical order."""
    table = pd.DataFrame(list(rows), columns=SCHEMA.names)
    return table.sort_values(ORDER, kind="stable", ignore_index=True)


def merge(old: pd.DataFrame | None, new: pd.DataFrame) -> pd.DataFrame:
    """Old records with those replaced that the new ones repeat (same method, dataset, protocol, metric)."""
    if old is None or old.empty:
        return new
    columns = ["method", "dataset", "protocol_hash", "metric"]
    fresh = set(new[columns].drop_duplicates().itertuples(index=False, name=None))
    keep = [row not in fresh for row in old[columns].itertuples(index=False, name=None)]
    return frame(pd.concat([old[keep], new]).to_dict("records"))


def write(path: Path, records: pd.DataFrame) -> None:
    """Write a table of records; the same records give the same bytes."""
    buffer = io.BytesIO()
    table = pa.Table.from_pandas(records, schema=SCHEMA, preserve_index=False).replace_schema_metadata(None)
    pq.write_table(table, buffer, compression="zstd")
    write_atomically(path, buffer.getvalue())


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
    lacking = set(SCHEMA.names) - set(table.column_names)
    if lacking:
        raise InputError(f"{path}: not a file of records, column {', '.join(sorted(lacking))} is missing")
    return pd.DataFrame(table.select(SCHEMA.names).to_pandas())


def check_columns(records: pd.DataFrame) -> None:
    """Refuse to put values of different judges, protocols, weights or versions under one key.

    Raises:
        MixedColumnError: names the metric and what differs.
    """
    columns = ["backend", "protocol_hash", "weights_sha256", "metric_version"]
    for metric, group in records.groupby("metric"):
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
