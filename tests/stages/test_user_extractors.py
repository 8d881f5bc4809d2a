"""Emotion networks that users train: on whom, what is written, and who is judged by them."""

import json

import numpy as np
import pytest
import torch
from torchvision.models import vgg16

from gmbench import config, shards, weights
from gmbench.datasets import manifest
from gmbench.datasets.manifest import HELD_OUT, OTHER, TEST, TRAIN, ClipRow
from gmbench.emotions import SUITE_ORDER
from gmbench.errors import InputError, WeightsError
from gmbench.evaluation import protocol
from gmbench.evaluation.extraction.extractors import extractor
from gmbench.extractors import emotion_fan, trunks, user_training
from gmbench.extractors.emotion_fan import CREMA_ORDER
from gmbench.extractors.user_training import UserTraining
from gmbench.face.landmarks_68 import mesh_vertices, template_3d
from gmbench.media import write_video
from gmbench.stages import user_extractors
from gmbench.stages.evaluation_plan import evaluation_protocol
from gmbench.stages.paths import DatasetPaths
from gmbench.stages.pipeline_run import PipelineRun
from gmbench.store import Store
from gmbench.weights import files

SIDE, FRAMES = 96, 3
STEPS = 60
"""After 30, a machine told the colours of strangers in 33 % of clips, where another told them in all."""
QUICK = {"batch": 6, "rate": 1e-3, "frames": 2, "hidden": 16, "side": 32}


def _row(speaker, emotion, sentence, split):
    clip = f"crema_d/{speaker}/{emotion}/0/{sentence}"
    return ClipRow(
        clip, "crema_d", speaker, emotion, 0, sentence, clip.replace("/", "_") + ".mp4", "", 0, FRAMES, split
    )


def _picture(speaker, emotion, rng):
    """A face whose colour is the emotion and whose brightness is the person."""
    hue = np.array([[1, 0, 0], [0, 1, 0], [0, 0, 1], [1, 1, 0], [0, 1, 1], [1, 0, 1]][CREMA_ORDER.index(emotion)])
    frame = 40 + 8 * (int(speaker) % 10) + 100 * hue + rng.normal(0, 8, (SIDE, SIDE, 3))
    return frame.clip(0, 255).astype(np.uint8)


@pytest.fixture
def run(tmp_path, monkeypatch):
    """CREMA-D after its stages crop and landmarks: six actors of the classifier, one who is trained on, one other."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("GMBENCH_WEIGHTS", str(tmp_path / "weights"))
    config.use_profile("paper")
    paths, rng = DatasetPaths("crema_d"), np.random.default_rng(0)
    points = template_3d()[:, :2] * [1, -1]
    mesh = np.full((478, 2), SIDE / 2, np.float32)
    mesh[mesh_vertices()] = (points - points.mean(axis=0)) * (SIDE / 3 / np.ptp(points[:, 0])) + SIDE / 2
    split_of = {f"10{n:02d}": HELD_OUT for n in range(6)} | {"1088": TRAIN, "1089": OTHER}
    rows = [_row(s, e, t, split) for s, split in split_of.items() for e in CREMA_ORDER for t in ("IEO", "TSI")]
    rows = [row if row.split != TRAIN or row.sentence != "TSI" else manifest.with_split(row, TEST) for row in rows]
    manifest.write(rows, paths.cropped)
    for speaker in split_of:
        own = [row for row in rows if row.speaker == speaker]
        shards.write(paths.landmarks, speaker, [(row.clip_id, {"mesh": np.stack([mesh] * FRAMES)}) for row in own])
        for row in own:
            write_video(paths.crops / row.video_path, [_picture(speaker, row.emotion, rng) for _ in range(FRAMES)])
    params = config.load()
    return PipelineRun(params, paths, Store(tmp_path / "store"), quiet=True)


def _train(run, kind="emotion", steps=STEPS, start=None):
    torch.set_num_threads(1)
    section, settings = run.params.datasets["crema_d"], UserTraining(steps, **QUICK, start=start)
    return user_extractors.train_extractor(run, section, kind, settings, 2)


@pytest.mark.slow
def test_crema_ds_classifier_learns_from_the_76_apart_and_judges_crema_d(run):
    path, report = _train(run)
    assert path == files.folder() / "emotion_fan_crema_d.pth"
    assert report["held_out"]["accuracy"] > 60
    assert report["held_out"]["chance"] == pytest.approx(16.67)
    assert np.trace(report["held_out"]["confusion"]) == round(
        report["held_out"]["count"] * report["held_out"]["accuracy"] / 100
    )
    assert set(report["people"]) | set(report["held_out_people"]) == {f"10{n:02d}" for n in range(6)}
    assert not set(report["people"]) & set(report["held_out_people"])
    written = json.loads(path.with_suffix(".json").read_text())
    assert written["sha256"] == weights.load_path("emotion_fan_crema_d")[1]
    assert written["recipe"]["steps"] == STEPS
    assert files.status("emotion_fan_crema_d")["training"]["held_out"]["people"] == 1
    assert len(emotion_fan.load(path).pred_fc2.bias) == len(CREMA_ORDER)
    again, _ = _train(run, steps=STEPS + 10)  # another file in the place of the first is not called damaged
    assert weights.load_path("emotion_fan_crema_d")[1] != written["sha256"]
    again.write_bytes(again.read_bytes() + b"0")
    assert files.status("emotion_fan_crema_d")["status"] == "damaged"


def test_crema_d_is_judged_by_its_own_network_and_others_by_meads(run, tmp_path):
    judged = evaluation_protocol(run.params.datasets["crema_d"])
    assert judged.emotion_network == "crema_d"
    assert extractor("emotion", judged).weights == ("emotion_fan_crema_d",)
    for name in ("mead", "lsp"):
        other = evaluation_protocol(run.params.datasets[name])
        assert extractor("emotion", other).weights == ("emotion_fan_mead",)
    assert judged == protocol.load("eat128_crema_d")
    under_another = run.params.datasets["crema_d"].model_copy(update={"protocol": "full"})
    assert evaluation_protocol(under_another).emotion_network == "crema_d"
    plain = protocol.load("eat128")
    assert judged.hash != plain.hash
    assert protocol.Protocol(**plain.model_dump()).hash == plain.hash
    with pytest.raises(WeightsError, match=r"train it with 'gmbench extractors train emotion --dataset crema_d'"):
        weights.load_path("emotion_fan_crema_d")


def test_the_vgg_of_e_ppl_is_written_where_e_ppl_looks(run, monkeypatch, tmp_path):
    """Two steps: whether such training learns, the classifier's test shows."""
    start = trunks.with_hidden(vgg16(num_classes=1000, init_weights=False), 24)
    torch.save(start.state_dict(), tmp_path / "vgg16.pth")
    monkeypatch.setattr(user_training, "SIGNIFICANCE", 1.0)
    path, report = _train(run, "emotion_vgg", steps=2, start=tmp_path / "vgg16.pth")
    network = trunks.load_emotion_vgg(weights.load_path("emotion_vgg16")[0])
    face = np.full((224, 224, 3), 60, np.uint8)
    assert network.distance(face, face) == 0 < network.distance(face, np.flip(face) + np.uint8(90))
    assert 0 <= network.recognise(face) < len(SUITE_ORDER)
    assert path.name == "emotion_vgg16.pth"
    assert tuple(report["emotions"]) == SUITE_ORDER
    assert report["recipe"]["start"]["file"] == "vgg16.pth"
    moved = {
        name: float((value - start.state_dict()[name]).abs().max())
        for name, value in torch.load(path, weights_only=True).items() if value.shape == start.state_dict()[name].shape
    }  # fmt: skip
    assert set(moved) == {name for name in start.state_dict() if name.startswith("features.")}
    assert all(0 < value < 0.01 for value in moved.values())  # begun with the file, and all layers learnt
    torch.save({"alpha": torch.zeros(3)}, tmp_path / "other.pth")
    with pytest.raises(WeightsError, match=r"26 tensors of the network are missing, for example features.0.weight"):
        _train(run, "emotion_vgg", steps=1, start=tmp_path / "other.pth")


def test_a_network_that_learnt_nothing_is_not_written(run):
    with pytest.raises(InputError, match=r"where chance gives 16.7 %: nothing is written; train longer"):
        _train(run, steps=1)
    assert not files.folder().exists()


def test_whom_a_judge_may_learn_from():
    rows = [_row("1", "sad", "a", HELD_OUT), _row("2", "sad", "a", HELD_OUT), _row("3", "sad", "a", OTHER)]
    bench = [_row("4", "sad", "a", TRAIN), _row("4", "sad", "b", TEST), _row("4", "sad", "c", HELD_OUT)]
    chosen = user_extractors.learnt_from([*rows, *bench], CREMA_ORDER, False, "d")
    assert {row.speaker for row in chosen} == {"1", "2"}
    others = [*rows[2:], _row("5", "happy", "a", OTHER), _row("6", "contempt", "a", OTHER)]
    assert {row.speaker for row in user_extractors.learnt_from(others, CREMA_ORDER, False, "d")} == {"3", "5"}
    with pytest.raises(InputError, match=r"d: labelled clips of 0 people .* --on-training-clips"):
        user_extractors.learnt_from(bench, CREMA_ORDER, False, "d")
    more = [*bench, _row("7", "sad", "a", TRAIN)]
    assert {row.split for row in user_extractors.learnt_from(more, CREMA_ORDER, True, "d")} == {TRAIN}


def test_kinds_and_datasets_that_are_not_trained_are_named(run):
    with pytest.raises(InputError, match="no extractor 'emotions' is trained on users' data; did you mean emotion"):
        _train(run, "emotions")
    with pytest.raises(InputError, match="for a dataset of kind crema_d, not mead"):
        user_extractors.train_extractor(run, run.params.datasets["mead"], "emotion", UserTraining(1))


def test_the_command_trains_and_lists(run, call, monkeypatch):
    asked = {}

    def train(run, section, kind, settings, frames, on_training_clips):
        asked.update(kind=kind, dataset=run.paths.dataset, steps=settings.steps, frames=frames)
        held_out = {"accuracy": 71.25, "count": 80, "people": 8, "chance": 17.5}
        report = {"dataset": "crema_d", "held_out": held_out}
        return files.install("emotion_fan_crema_d", b"network", report), report

    monkeypatch.setattr(user_extractors, "train_extractor", train)
    code, _, err = call("extractors", "train", "emotion", "--dataset", "crema_d", "--steps", "40")
    assert code == 0, err
    assert asked == {"kind": "emotion", "dataset": "crema_d", "steps": 40, "frames": 8}
    assert "71.2 % of 80 clips of 8 held-out people (chance 17.5 %)" in " ".join(err.split())
    code, out, _ = call("weights", "list")
    assert "trained here on crema_d: 71.2 % right on 8 held-out people" in " ".join(out.split())
    assert call("extractors", "train", "emotion", "--dataset", "crema_d", "--start", "none.pth")[0] == 2
