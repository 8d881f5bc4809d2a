import errno
import multiprocessing
import os

import numpy as np
import pytest

from gmbench.errors import StoreError
from gmbench.job_cache import Job, run_jobs
from gmbench.store import Store, digest, file_digest, whole_file


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


def _full(argument=None):
    raise OSError(errno.ENOSPC, "No space left on device")


def test_a_full_disk_leaves_what_was_there_and_stops_the_jobs(tmp_path):
    (tmp_path / "a").write_bytes(b"old")
    with pytest.raises(StoreError, match="disk full; free some space"), whole_file(tmp_path / "a") as file:
        _full(file.write(b"new"))
    assert [(path.name, path.read_bytes()) for path in tmp_path.iterdir()] == [("a", b"old")]
    with pytest.raises(StoreError, match="clip 1: disk full; free some space and run again, what is finished is kept"):
        run_jobs(_full, [Job("clip 1", "ab", None)], Store(tmp_path))


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


def _files(folder):
    return sorted(path.name for path in folder.rglob("*.safetensors"))


def key(feature):
    return f"{digest('clip')}/{digest(feature)}"


def test_features_of_a_clip_that_are_put_together_are_one_file_and_later_ones_another(tmp_path):
    store = Store(tmp_path)
    with store.together():
        store.put(key("a"), {"x": np.arange(3)}, {"codec": "h264"})
        store.put(key("b"), {"x": np.ones(2), "y.z": np.zeros((2, 2))})
        store.put(f"{digest('other')}/{digest('a')}", {"x": np.ones(1)})
        assert store.has(key("a"))
        assert not _files(tmp_path)
    assert len(_files(tmp_path)) == 2
    assert not store.has(key("c"))
    store.put(key("c"), {})
    store.put(key("c"), {})  # is there
    name = digest("clip")[2:]
    assert [path for path in _files(tmp_path) if name in path] == [f"{name}.1.safetensors", f"{name}.safetensors"]
    other = Store(tmp_path)
    assert other.get(key("a")).meta == {"codec": "h264"}
    assert other.get(key("a")).arrays["x"].tolist() == [0, 1, 2]
    assert other.get(key("b")).arrays["y.z"].shape == (2, 2)
    assert other.get(key("c")).arrays == {}
    assert other.get(key("d")) is None
    assert not list(tmp_path.rglob("*.part"))


@pytest.mark.parametrize("links", [True, False])
def test_without_hard_links_files_are_placed_too(tmp_path, monkeypatch, links):
    def refused(*paths):
        raise PermissionError

    if not links:
        monkeypatch.setattr(os, "link", refused)
    for name in "ab":
        Store(tmp_path).put(key(name), {"x": np.ones(1)})
    assert all(Store(tmp_path).has(key(name)) for name in "ab")
    assert len(_files(tmp_path)) == 2


def test_a_clip_whose_bytes_changed_is_removed_and_named(tmp_path, caplog):
    Store(tmp_path).put(key("a"), {"x": np.zeros(100)})
    Store(tmp_path).put(key("b"), {"x": np.zeros(100)})
    path = Store(tmp_path).path(key("a"))
    data = path.read_bytes()
    path.write_bytes(data[:-3] + b"1" + data[-2:])
    store = Store(tmp_path)
    assert store.has(key("a"))
    assert store.get(key("a")) is None
    assert str(path) in caplog.text
    assert not store.has(key("a"))
    store.put(key("a"), {"x": np.zeros(100)})
    assert store.has(key("a"))
    assert store.has(key("b"))


def test_a_file_of_a_later_layout_is_refused(tmp_path, monkeypatch):
    monkeypatch.setattr("gmbench.store.LAYOUT", 3)
    Store(tmp_path).put(key("a"), {"x": np.ones(1)})
    monkeypatch.undo()
    with pytest.raises(StoreError, match="later gmbench"):
        Store(tmp_path).has(key("a"))


def test_many_clips_are_read_through_few_open_files(tmp_path):
    store = Store(tmp_path)
    keys = [f"{digest(n)}/{digest('a')}" for n in range(100)]
    with store.together():
        for n, each in enumerate(keys):
            store.put(each, {"x": np.full(10, n)})
    open_before = len(os.listdir("/proc/self/fd"))
    assert [int(store.get(each).arrays["x"][0]) for each in keys] == list(range(100))
    assert len(os.listdir("/proc/self/fd")) <= open_before + 40
