"""A drawn person's video, of which nothing else is known, to a generated video and a page: the smallest there is."""

import json

import av
import numpy as np
import pytest
import yaml

from gmbench.api.generation import generate
from gmbench.api.person import add_person, train_person
from gmbench.config import FILE
from gmbench.corpus.make import make
from gmbench.corpus.takes import CorpusSettings
from gmbench.media import SAMPLES_PER_FRAME, Video, read_audio, write_audio, write_video
from gmbench.store import Store

pytestmark = pytest.mark.slow
FEW = {"steps": 2, "batch": 2}


def _video(folder):
    """21 s of one person: a take of 7 s three times."""
    settings = CorpusSettings(
        seed=3, speakers=1, emotions=("neutral",), levels=(1,), sentences=1, frames=175, size=96,
        pretraining_speakers=0, pretraining_clips=0,
    )  # fmt: skip
    make(folder / "corpus", settings, Store(folder / "store"))
    (film,) = (folder / "corpus").glob("*/video/front/*/*/*.mp4")
    (voice,) = (folder / "corpus").glob("*/audio/*/*/*.m4a")
    sound = np.resize(read_audio(voice)[: 175 * SAMPLES_PER_FRAME], 525 * SAMPLES_PER_FRAME)
    write_video(folder / "anna.mp4", (frame for _ in range(3) for frame in Video(film)), sound)
    return folder / "anna.mp4"


@pytest.fixture(scope="module")
def project(tmp_path_factory):
    """The project after its training."""
    folder = tmp_path_factory.mktemp("person")
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        patch.setenv("GMBENCH_WEIGHTS", str(folder / "weights"))
        add_person("anna", [_video(folder)], size=64, landmarks="corpus")
        params = yaml.safe_load((folder / "anna" / FILE).read_text())
        params |= {"workers": 1, "methods": ["gmtalker"]}
        params["fit"] |= {"refine": "none", "id_frames": 4, "steps": 3}
        system = params["systems"]["gmtalker"]
        system |= {"start": {"source": "drawn", "people": 1, "train": FEW}, "most_frames": 20}
        system["gmeg"] |= {"train": FEW}
        system["nfmg"] |= {"pretrain_people": 2, "pretrain": FEW, "finetune": FEW}
        system["head"] |= {"train": FEW}
        (folder / "anna" / FILE).write_text(yaml.safe_dump(params))
        lines = []
        used = train_person("anna", say=lines.append)
        yield folder / "anna", used, lines


def test_everything_is_made_and_the_share_that_is_used_is_said(project):
    folder, used, lines = project
    assert used.startswith("100.0% of")
    assert [line.partition(":")[0] for line in lines] == [
        "face model", "ingest", "crop", "landmarks", "fit", "audio", "render", "mattes", "train", "generate", "extract",
        "score", "report",
    ]  # fmt: skip
    mattes = json.loads((folder / "work/anna/mattes.json").read_text())
    assert (mattes["source"], mattes["failed"]) == ("still", {})
    assert 0.3 < mattes["share"] < 0.8
    card = json.loads((folder / "models/anna/gmtalker/card.json").read_text())
    assert {"start", "pretrained", "gmeg", "nfmg-anna", "head-anna"} == set(card["parts"])
    page = (folder / "reports/index.html").read_text()
    assert "What the numbers of anna can say" in page
    assert "mean nothing of real faces" in page


def test_the_portrait_speaks_and_its_file_says_that_it_is_generated(project, monkeypatch):
    folder, _, _ = project
    monkeypatch.chdir(folder)
    write_audio(folder / "x.wav", (np.sin(np.arange(16_000) / 7) * 3000).astype(np.int16))
    video = generate(folder / "x.wav", folder / "x.mp4", speaker="anna")
    assert Video(video).info.frames == 25
    results = sorted((folder / "results/anna/videos/gmtalker").glob("*.mp4"))
    for path in (video, *results):
        with av.open(str(path)) as container:
            assert "not a recording of a person" in container.metadata["comment"]
    assert results


def test_what_is_missing_is_said_before_anything_trains(project, monkeypatch):
    folder, _, _ = project
    monkeypatch.chdir(folder)
    params = yaml.safe_load((folder / FILE).read_text())
    params["datasets"]["anna"]["mattes"] = "own"
    params["systems"]["gmtalker"]["start"]["source"] = "nowhere"
    before = (folder / FILE).read_text()
    (folder / FILE).write_text(yaml.safe_dump(params))
    try:
        with pytest.raises(Exception, match=r"start.source: nowhere/gmeg.safetensors: no such file"):
            train_person("anna")
        params["systems"]["gmtalker"]["start"]["source"] = "drawn"
        (folder / FILE).write_text(yaml.safe_dump(params))
        with pytest.raises(Exception, match=r"mattes/.*no matte of the person here, and none found for \d clips"):
            train_person("anna")
    finally:
        (folder / FILE).write_text(before)
