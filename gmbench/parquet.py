"""Write tables as Parquet, whole or not at all."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from gmbench.store import whole_file


def write_table(table: pa.Table, path: Path, **options: Any) -> None:
    """Write a table; the same table gives the same bytes.

    Args:
        table: with the metadata that readers need.
        path: of the file; its folder is made.
        options: of ``pyarrow.parquet.write_table``.

    Raises:
        StoreError: disk full, no permission, or another failure to write.
    """
    write_tables(iter([table]), path, **options)


def write_tables(tables: Iterator[pa.Table], path: Path, row_group_size: int | None = None, **options: Any) -> None:
    """Write the pieces of a table, at least one, as row groups; one of them is in memory at a time.

    Args:
        row_group_size: most rows of a group; a piece is one group by default.
    """
    table = next(tables)
    with whole_file(path) as file, pq.ParquetWriter(file, table.schema, **options) as writer:
        while table is not None:
            writer.write_table(table, row_group_size)
            table = None  # goes before the next one is made
            table = next(tables, None)


def write_frame(frame: pd.DataFrame, path: Path) -> None:
    """Write a data frame without its index, as ``DataFrame.to_parquet`` does; errors as above."""
    write_table(pa.Table.from_pandas(frame, preserve_index=False), path)
