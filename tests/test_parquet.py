"""Tables as Parquet: the bytes of pandas, whole or not at all."""

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from gmbench.errors import StoreError
from gmbench.parquet import write_frame, write_table


def test_a_frame_has_the_bytes_that_pandas_writes(tmp_path):
    frame = pd.DataFrame({"name": ["a", "b"], "value": [0.5, np.nan], "list": [[1, 2], [3]]})
    frame.to_parquet(tmp_path / "pandas.parquet", index=False)
    write_frame(frame, tmp_path / "new folder" / "ours.parquet")
    assert (tmp_path / "new folder" / "ours.parquet").read_bytes() == (tmp_path / "pandas.parquet").read_bytes()
    assert [path.name for path in (tmp_path / "new folder").iterdir()] == ["ours.parquet"]


def test_a_table_that_cannot_be_written_leaves_the_old_one(tmp_path):
    write_frame(pd.DataFrame({"value": [1]}), tmp_path / "table.parquet")
    before = (tmp_path / "table.parquet").read_bytes()
    with pytest.raises(Exception, match="object"):
        write_frame(pd.DataFrame({"value": [object()]}), tmp_path / "table.parquet")
    assert (tmp_path / "table.parquet").read_bytes() == before
    with pytest.raises(StoreError, match=r"below\.parquet: cannot be written"):
        write_frame(pd.DataFrame({"value": [1]}), tmp_path / "table.parquet" / "below.parquet")


def test_a_table_has_row_groups_of_the_size_asked_for(tmp_path):
    table = pa.table({"x": list(range(10))})
    pq.write_table(table, tmp_path / "pyarrow.parquet", row_group_size=4)
    write_table(table, tmp_path / "ours.parquet", row_group_size=4)
    assert (tmp_path / "ours.parquet").read_bytes() == (tmp_path / "pyarrow.parquet").read_bytes()
    assert pq.ParquetFile(tmp_path / "ours.parquet").num_row_groups == 3
