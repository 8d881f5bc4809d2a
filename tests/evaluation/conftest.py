import pytest

from gmbench.corpus.sketch import write_sketches
from tests.evaluation import extractor_files
from tests.evaluation.fake_extractor import World


@pytest.fixture
def world(tmp_path, monkeypatch):
    """Clips with chosen answers of every feature extractor."""
    return World(tmp_path, monkeypatch)


@pytest.fixture(scope="session")
def heads(tmp_path_factory):
    """Two short sketched clips, a neutral and an angry one, with their labels."""
    folder = tmp_path_factory.mktemp("heads")
    write_sketches(folder, speakers=2, clips=1, seconds=0.8, size=96)
    (folder / "labels.csv").write_text("clip,speaker,emotion\nS000/000,S000,neutral\nS001/000,S001,Anger\n")
    return folder


@pytest.fixture
def files(tmp_path_factory, monkeypatch):
    """Files of the published networks with random weights."""
    folder = tmp_path_factory.getbasetemp() / "extractors"
    if not folder.exists():
        extractor_files.write_all(folder)
    extractor_files.expect(monkeypatch)
    monkeypatch.setenv("GMBENCH_WEIGHTS", str(folder))
    return folder
