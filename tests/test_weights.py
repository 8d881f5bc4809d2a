import json

import pytest

from gmbench.errors import WeightsError
from gmbench.weights import files, manifest


@pytest.fixture
def folder(tmp_path, monkeypatch):
    monkeypatch.setenv("GMBENCH_WEIGHTS", str(tmp_path))
    return tmp_path


def test_every_entry_says_where_it_comes_from_and_under_which_licence():
    for entry in manifest().values():
        assert entry.file
        assert entry.origin
        assert entry.licence
        assert entry.used_by
        assert entry.sha256 is None or len(entry.sha256) == 64


def test_missing_file_says_which_file_to_put_where(folder):
    with pytest.raises(WeightsError, match=f"face_landmarker.task is missing.*put it into {folder}"):
        files.load_path("face_landmarker")
    with pytest.raises(WeightsError, match=r"syncnet_v2\.model is missing: put it into"):
        files.load_path("syncnet")


def test_a_file_with_another_hash_is_refused(folder):
    (folder / "face_landmarker.task").write_bytes(b"something else")
    with pytest.raises(WeightsError, match="delete it and get it again"):
        files.load_path("face_landmarker")
    assert files.status("face_landmarker")["status"] == "damaged"
    (folder / "alexnet-owt-7be5be79.pth").write_bytes(b"not the one of that name")
    with pytest.raises(WeightsError, match="7be5be79"):
        files.load_path("alexnet")


def test_a_file_without_a_known_hash_is_pinned_at_first_use(folder):
    path = folder / "syncnet_v2.model"
    path.write_bytes(b"first")
    _, first = files.load_path("syncnet")
    assert json.loads((folder / files.RECORDED).read_text()) == {"syncnet_v2.model": first}
    path.write_bytes(b"second, of another length")
    with pytest.raises(WeightsError, match="was expected"):
        files.load_path("syncnet")


def test_fetching_without_a_network_says_what_to_do_by_hand(folder, monkeypatch):
    import pooch

    def refuse(*arguments, **options):
        raise OSError("Network is unreachable")

    monkeypatch.setattr(pooch, "retrieve", refuse)
    with pytest.raises(WeightsError, match=r"Network is unreachable.*get face_landmarker\.task from MediaPipe"):
        files.fetch("face_landmarker")
    with pytest.raises(WeightsError, match=r"not for gmbench to fetch.*syncnet_v2\.model from .*robots\.ox\.ac\.uk"):
        files.fetch("syncnet")


def test_fetching_downloads_and_verifies(folder, monkeypatch):
    import pooch

    content = b"weights"

    def deliver(url, known_hash, fname, path):
        assert url.startswith("https://")
        assert known_hash.startswith("sha256:")
        target = path / fname
        target.write_bytes(content)
        return str(target)

    monkeypatch.setattr(pooch, "retrieve", deliver)
    with pytest.raises(WeightsError, match="was expected"):  # the content is not the genuine one
        files.fetch("face_landmarker")


def test_former_names_are_refused_with_the_present_ones(folder, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("GMBENCH_EXTRACTORS", str(tmp_path / "empty"))
    with pytest.raises(WeightsError, match="dvc repro train_extractors"):
        files.load_path("corpus_emotion")
    monkeypatch.delenv("GMBENCH_EXTRACTORS")
    (tmp_path / "models" / "evaluators").mkdir(parents=True)
    with pytest.raises(WeightsError, match="models/evaluators is now called models/extractors"):
        files.load_path("corpus_emotion")
    monkeypatch.setenv("GMBENCH_EVALUATORS", str(tmp_path))
    with pytest.raises(WeightsError, match="GMBENCH_EVALUATORS is now called GMBENCH_EXTRACTORS"):
        files.load_path("corpus_emotion")
