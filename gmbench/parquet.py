"""Write tables as Parquet, whole or not at all."""

import io
from pathlib import Path
from typing import Any

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from gmbench.store import write_atomically


def write_table(table: pa.Table, path: Path, **options: Any) -> None:
    """Write a table; the same table gives the same bytes.

    Args:
        table: with the metadata that readers need.
        path: of the file; its folder is made.
        options: of ``pyarrow.parquet.write_table``.

    Raises:
        StoreError: disk full, no permission, or another failure to write.
    """
    buffer = io.BytesIO()
    pq.write_table(table, buffer, **options)
    write_atomically(path, buffer.getvalue())


def write_frame(frame: pd.DataFrame, path: Path) -> None:
    """Write a data frame without its index, as ``DataFrame.to_parquet`` does; errors as above."""
    write_table(pa.Table.from_pandas(frame, preserve_index=False), path)
