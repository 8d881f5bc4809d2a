"""Per-frame data of many clips in one file per speaker, which never is in memory as a whole."""

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from gmbench import shards
from gmbench.errors import InputError


def _clips(lengths):
    for number, length in enumerate(lengths):
        points = np.full((length, 3, 2), number, np.float32)
        yield f"clip{number}", {"points": points, "png": [b"%d" % t for t in range(length)]}


def test_pieces_give_the_bytes_of_one_table(tmp_path):
    lengths = (3000, 2000, 9000, 1, 50)
    shards.write(tmp_path, "A", _clips(lengths))
    whole = pa.concat_tables([shards._table(name, columns) for name, columns in _clips(lengths)])
    pq.write_table(whole, tmp_path / "whole.parquet", row_group_size=shards.ROW_GROUP)
    assert shards.shard_path(tmp_path, "A").read_bytes() == (tmp_path / "whole.parquet").read_bytes()
    assert len(shards.read(tmp_path, "A", "clip2")["points"]) == 9000
    assert shards.read(tmp_path, "A", "clip3")["png"].tolist() == [b"0"]


def test_memory_does_not_grow_with_the_clips(tmp_path):
    held = []

    def clips():
        before = pa.total_allocated_bytes()
        for number in range(40):
            yield str(number), {"points": np.full((500, 500), number, np.float32)}  # 1 MB
            held.append(pa.total_allocated_bytes() - before)

    shards.write(tmp_path, "A", clips())
    assert max(held[20:]) < 1.2 * max(held[:20]), held
    assert pq.ParquetFile(shards.shard_path(tmp_path, "A")).metadata.num_rows == 20_000


def test_without_clips_there_is_no_shard(tmp_path):
    shards.write(tmp_path, "A", iter(()))
    with pytest.raises(InputError, match="no such shard"):
        shards.read(tmp_path, "A", "x")
