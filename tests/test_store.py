import multiprocessing

import numpy as np
import pytest

from gmbench.errors import StoreError
from gmbench.store import Store, digest, file_digest


def test_features_come_back_exactly(tmp_path, rng):
    store = Store(tmp_path)
    arrays = {"points": rng.normal(0, 1, (5, 68, 2)), "faces": np.arange(5), "empty": np.empty(0)}
    arrays["points"][2] = np.nan
    store.put(digest("a"), arrays, {"codec": "h264", "rate": 22.13})
    found = store.get(digest("a"))
    assert found.meta == {"codec": "h264", "rate": 22.13}
    for name, value in arrays.items():
        assert np.array_equal(found.arrays[name], value, equal_nan=value.dtype.kind == "f")
        assert found.arrays[name].dtype == value.dtype
    assert store.get(digest("b")) is None


def test_equal_features_are_equal_files(tmp_path):
    for name in "xy":
        Store(tmp_path / name).put(digest(1), {"b": np.ones(3), "a": np.zeros(2)}, {"z": 1, "a": [1.5, None]})
    assert Store(tmp_path / "x").path(digest(1)).read_bytes() == Store(tmp_path / "y").path(digest(1)).read_bytes()


def test_a_damaged_file_is_removed(tmp_path):
    store = Store(tmp_path)
    store.put(digest("a"), {"x": np.ones(100)})
    path = store.path(digest("a"))
    path.write_bytes(path.read_bytes()[:-10])
    assert not store.has(digest("a"))
    assert not path.exists()


def test_arrays_that_are_not_contiguous(tmp_path, rng):
    value = rng.normal(0, 1, (6, 8))[::2, ::-1]
    Store(tmp_path).put(digest("a"), {"x": value})
    assert np.array_equal(Store(tmp_path).get(digest("a")).arrays["x"], value)


def test_unwritable_folder_names_the_remedy(tmp_path):
    (tmp_path / "file").write_text("x")
    with pytest.raises(StoreError, match=str(tmp_path / "file")):
        Store(tmp_path / "file").put(digest("a"), {"x": np.ones(1)})


def test_digests_depend_on_content_only(tmp_path):
    (tmp_path / "a").mkdir()
    (tmp_path / "b").mkdir()
    for folder in "ab":
        for n in (2, 1):
            (tmp_path / folder / f"{n}.png").write_bytes(bytes([n]))
    assert file_digest(tmp_path / "a") == file_digest(tmp_path / "b")
    (tmp_path / "b" / "1.png").write_bytes(b"x")
    assert file_digest(tmp_path / "a") != file_digest(tmp_path / "b")
    assert digest({"b": 1, "a": 2}) == digest({"a": 2, "b": 1})
    assert digest("ab", "c") != digest("a", "bc")


def _write_many(root):
    for n in range(50):
        Store(root).put(digest(n), {"x": np.full(1000, n)})


def test_processes_share_a_store(tmp_path):
    context = multiprocessing.get_context("spawn")
    workers = [context.Process(target=_write_many, args=(tmp_path,)) for _ in range(2)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    assert [worker.exitcode for worker in workers] == [0, 0]
    assert all((Store(tmp_path).get(digest(n)).arrays["x"] == n).all() for n in range(50))
    assert not list(tmp_path.rglob("*.part"))
