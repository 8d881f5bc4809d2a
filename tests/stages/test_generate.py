"""The stage ``generate`` with a method that is made here: what fails is a reason, and leaves no old video."""

import json
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import pytest
import yaml

from gmbench import config, plugins, shards
from gmbench.datasets import manifest
from gmbench.datasets.manifest import ClipRow
from gmbench.errors import InputError
from gmbench.media import Video, write_video
from gmbench.methods.card import MethodCard
from gmbench.methods.interface import GenRequest, GenResult, NotSupported
from gmbench.morphable import coefficient_io
from gmbench.stages import generate as stage
from gmbench.stages import render_videos
from gmbench.stages.evaluation_plan import evaluation_inputs
from gmbench.stages.paths import DatasetPaths
from gmbench.stages.pipeline_run import ModelSource, PipelineRun, write_json
from gmbench.stages.qualitative_figures import _ranking_system
from gmbench.stages.train import train
from gmbench.store import Store

CARD = MethodCard("grey", "Grey", "trainable", ("none",), "none", "none", "none", "none", identity_mode="one_shot")


@dataclass
class Grey:
    """Grey frames as its file says; fails in chosen ways."""

    card: MethodCard = CARD
    speakers: tuple[str, ...] = ()
    emotions: tuple[str, ...] = ()
    shade: int = 0
    seen: list[GenRequest] = field(default_factory=list)

    def settings(self, given, ablations=()):
        return dict(given)

    def fit(self, *arguments):
        raise AssertionError("nothing is trained here")

    def load(self, folder):
        self.shade = int((folder / "shade.txt").read_text())

    def generate(self, request):
        if self.shade == 1:
            raise NotSupported(f"{request.clip_id}: no such thing")
        if self.shade == 2:
            [][request.frames]
        frames = request.frames - (self.shade == 3)
        return GenResult(iter([np.full((32, 32, 3), self.shade, np.uint8)] * frames))


@pytest.fixture
def run(tmp_path, monkeypatch):
    """A project of one test clip, and a method that another package registers."""
    monkeypatch.chdir(tmp_path)
    ours = plugins.Plugins({"grey": plugins.Plugin("grey", "other 1.0", Grey)}, {})
    monkeypatch.setattr(plugins, "load", lambda group: ours if group == plugins.METHODS else plugins.Plugins({}, {}))
    given = config.load(config_file(tmp_path))
    rows = [ClipRow("d/A/happy/3/1", "d", "A", "happy", 3, "1", "a.mp4", "", 0, 10, "test")]
    run = PipelineRun(given, DatasetPaths("d"), Store(tmp_path / "store"), quiet=True)
    manifest.write(rows, run.paths.cropped)
    write_video(run.paths.crops / "a.mp4", np.full((10, 32, 32, 3), 200, np.uint8), np.zeros(6400, np.int16))
    return run


def config_file(folder):
    """The smoke profile with one dataset of plain folders."""
    given = yaml.safe_load(config.profiles()["smoke"])
    given |= {"datasets": {"d": {"kind": "folder", "root": "raw"}}, "evaluate": ["d"], "pretrain_on": "d"}
    path = folder / "params.yaml"
    path.write_text(yaml.safe_dump(given))
    return path


def trained(run, shade):
    folder = run.paths.work.parent.parent / "models" / run.paths.dataset / "grey"
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "shade.txt").write_text(str(shade))
    write_json(folder / "card.json", {"system": "grey", "checkpoints": {"shade.txt": ""}})


def generate(run, name="grey"):
    stage.generate(run, run.params.datasets[run.paths.dataset], name)
    folder = run.paths.videos(name)
    return folder / "a.mp4", json.loads((folder / "generate.json").read_text())["failed"]


def test_videos_follow_the_checkpoints_whatever_their_type(run):
    trained(run, 100)
    video, failed = generate(run)
    assert failed == {}
    assert abs(next(iter(Video(video))).mean() - 100) < 3
    trained(run, 50)
    generate(run)
    assert abs(next(iter(Video(video))).mean() - 50) < 3


@pytest.mark.parametrize(
    ("shade", "reason"),
    [
        (1, "no such thing"), (2, r"Grey failed: IndexError: .*\(test_generate.py:\d+\)"),
        (3, "gave 9 frames, expected 10"),
    ],
)  # fmt: skip
def test_what_fails_is_a_reason_and_leaves_no_old_video(run, shade, reason):
    trained(run, 100)
    video, _ = generate(run)
    assert video.exists()
    trained(run, shade)
    video, failed = generate(run)
    assert not video.exists()
    with pytest.raises(AssertionError, match=reason):
        raise AssertionError(failed["d/A/happy/3/1"])
    (pair,) = evaluation_inputs(run, ["grey"]).methods["grey"]
    assert pair.generated is None
    assert pair.reason == failed["d/A/happy/3/1"]


def test_a_drive_that_the_card_lacks_is_a_reason(run):
    trained(run, 100)
    _, failed = generate(run, "grey-pose")
    assert failed == {"d/A/happy/3/1": "grey-pose: Grey has no drive 'pose'; it has none"}


def test_an_untrained_system_and_a_folder_of_its_name_are_errors(run):
    with pytest.raises(InputError, match="grey is not trained; run the stage train"):
        generate(run)
    (run.paths.work.parent.parent / "dropin" / "grey").mkdir(parents=True)
    with pytest.raises(InputError, match="grey is trained here too; rename the folder, for example grey_official"):
        generate(run)


class TestStrangers:
    @pytest.fixture
    def strangers(self, run):
        section = run.params.datasets["d"]
        datasets = {"d": section, "s": section.model_copy(update={"models_of": "d"})}
        trained(run, 100)
        other = PipelineRun(
            run.params.model_copy(update={"datasets": datasets}), DatasetPaths("s"), run.store, quiet=True
        )
        manifest.write(manifest.read(run.paths.cropped), other.paths.cropped)
        write_video(other.paths.crops / "a.mp4", np.full((10, 32, 32, 3), 200, np.uint8), np.zeros(6400, np.int16))
        return other

    def test_nothing_is_trained_and_the_other_datasets_checkpoints_are_used(self, strangers):
        train(strangers, strangers.params.datasets["s"], "grey")
        card = json.loads((strangers.paths.work.parent.parent / "models" / "s" / "grey" / "card.json").read_text())
        assert card == {"system": "grey", "models_of": "d"}
        video, failed = generate(strangers)
        assert failed == {}
        assert video.exists()

    def test_a_person_specific_system_is_not_asked(self, strangers):
        _, failed = generate(strangers, "gmtalker")
        assert failed == {"d/A/happy/3/1": "GMTalker shows only the people of d, whom it was trained on"}


def test_a_project_that_evaluates_only_drop_ins_has_no_ranking_system():
    assert _ranking_system(["render", "refit"]) == ""
    assert _ranking_system(["render", "gmtalker", "gmtalker-pose"]) == "gmtalker-pose"


def test_other_coefficients_of_the_same_person_are_drawn_anew(run, monkeypatch):
    keys = []
    monkeypatch.setattr(PipelineRun, "face_model", lambda run: ModelSource(Path("model.npz"), "model"))
    monkeypatch.setattr(PipelineRun, "run_jobs", lambda run, work, jobs: keys.append(jobs[0].key) or {"d": "stopped"})
    monkeypatch.setattr(render_videos, "write_videos", lambda *_: None)
    coefficient_io.write_speakers(run.paths.coefficients, [{"speaker": "A", "shape": np.zeros(150)}])
    for value in (0.0, 0.0, 1.0):
        shards.write(run.paths.coefficients, "A", [("d/A/happy/3/1", {"beta": np.full((10, 169), value)})])
        section = run.params.datasets["d"]
        render_videos.generate_renders(run, section, "refit", manifest.read(run.paths.cropped))
    assert keys[0] == keys[1] != keys[2]
