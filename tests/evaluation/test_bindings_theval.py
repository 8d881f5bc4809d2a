"""THEval's measures and scores through the engine, with chosen meshes."""

import numpy as np
import pytest

from gmbench.evaluation.scoring.clip_data import ClipFeatures
from gmbench.evaluation.scoring.theval_metrics import theval_metrics
from gmbench.metrics import face_dynamics, theval
from tests.evaluation.test_bindings_motion import moving
from tests.metrics.test_theval import meshes

FRAMES = 60
SPEECH = np.r_[np.ones(30, bool), np.zeros(30, bool)]
LOUDNESS = np.abs(np.sin(np.arange(60)))
RAW = ("lip_dyn_th", "head_dyn_th", "brow_dyn_th", "silent_mad_th", "lip_rms_mae")


@pytest.fixture
def seen(world, monkeypatch):
    """A clip and its reference, each with a mesh of its own, a pose and one sound."""
    found = {"ours": meshes(FRAMES, 1), "reference": meshes(FRAMES, 2)}
    monkeypatch.setattr(ClipFeatures, "mesh", property(lambda clip: found[str(clip.source.video).split("/")[-3]]))
    answers = {"speech": {"speech": SPEECH}, "bands": {"bands": np.zeros((FRAMES, 20)), "loudness": LOUDNESS}}
    rng = np.random.default_rng(6)
    for number, side in enumerate(found):
        pose = np.cumsum(rng.normal(0, 1 + number, (FRAMES, 3)), axis=0)
        world.add(side, "S/a", FRAMES, points=moving(number), pose={"pose": pose}, **answers)
    return found


def expected(mesh, clip_pose, points):
    opening = theval.spoken_opening(mesh, 200, 200)[:30]
    quiet = theval.silent_opening(mesh, 200, 200)[30:]
    return {
        "lip_dyn_th": theval.lip_dynamics(mesh, 200, 200),
        "head_dyn_th": face_dynamics.head_dynamics_in_pixels(clip_pose, face_dynamics.face_centres(points)),
        "brow_dyn_th": theval.brow_dynamics(mesh),
        "silent_mad_th": np.median(np.abs(quiet - quiet.mean())),
        "lip_rms_mae": theval.scaled_difference(opening, theval.loudness_of_frames(LOUDNESS, FRAMES)[:30]),
    }


def test_raw_values_parts_and_scores(world, seen):
    parts = [f"th_{name.removesuffix('_th')}" for name in RAW]
    rows = world.rows(*RAW, *parts, "th_score5", "th_clip5")
    poses = world.answers["pose"]
    ours = expected(seen["ours"], poses[1]["pose"], moving(0))
    real = expected(seen["reference"], poses[2]["pose"], moving(1))
    for name, part in zip(RAW, parts, strict=True):
        assert rows[name].value == pytest.approx(ours[name])
        assert rows[part].value == pytest.approx(1 - abs(ours[name] - real[name]) / real[name])
        assert rows[part].n == 1
    mean = np.mean([rows[part].value for part in parts])
    assert rows["th_score5"].value == rows["th_clip5"].value == pytest.approx(mean)


def test_all_eight_parts(world, seen):
    quality = {"mouth_q": "mouth_quality", "face_q": "face_quality", "aesthetic": "aesthetics"}
    for number, scores in ((1, (40.0, 0.4, 4.0)), (2, (50.0, 0.5, 5.0))):
        for extractor, score in zip(quality.values(), scores, strict=True):
            world.answers.setdefault(extractor, {})[number] = {"scores": np.full(FRAMES, score)}
    five = [f"th_{name.removesuffix('_th')}" for name in RAW]
    three = ["th_mouth_q", "th_face_q", "th_aesthetic"]
    rows = world.rows(*five, *three, "th_score", "th_clip")
    assert [rows[name].value for name in three] == pytest.approx([0.8, 0.8, 0.8])
    mean = np.mean([rows[name].value for name in (*five, *three)])
    assert rows["th_score"].value == rows["th_clip"].value == pytest.approx(mean)


def test_errors_of_clips_cancel_in_one_score_and_not_in_the_other(world, seen):
    """A second clip with both sides exchanged: means agree, clips do not."""
    answers = {"speech": {"speech": SPEECH}, "bands": {"bands": np.zeros((FRAMES, 20)), "loudness": LOUDNESS}}
    poses = world.answers["pose"]
    world.add("ours", "T/b", FRAMES, points=moving(1), pose=poses[2], **answers)
    world.add("reference", "T/b", FRAMES, points=moving(0), pose=poses[1], **answers)
    first, second = seen["ours"], seen["reference"]

    def mesh(clip):
        name = str(clip.source.video)
        return second if ("/ours/" in name) == name.endswith("T/b") else first

    ClipFeatures.mesh = property(mesh)  # the fixture's patch is undone after the test
    rows = world.rows("th_score5", "th_clip5")
    assert rows["th_score5"].value == pytest.approx(1.0)
    assert rows["th_clip5"].value < 0.9


def test_chance_of_lips_and_loudness(world, seen):
    world.answers["speech"][1] = {"speech": np.ones(FRAMES, bool)}
    row = world.rows("lip_rms_chance")["lip_rms_chance"]
    opening = theval.spoken_opening(seen["ours"], 200, 200)
    loudness = theval.loudness_of_frames(LOUDNESS, FRAMES)
    places = np.unique(np.linspace(25, FRAMES - 25, 20).astype(int))
    assert row.value == pytest.approx(
        np.mean([theval.scaled_difference(opening, np.roll(loudness, p)) for p in places])
    )


def test_too_little_speech(world, seen):
    world.answers["speech"][1] = {"speech": np.arange(FRAMES) < 5}
    record = world.clips("lip_rms_mae").loc["S/a"]
    assert (record["status"], record["reason"]) == ("undefined", "speech in 5 of 60 frames; needs a tenth")
    part = world.run("th_score5")
    assert "lip_rms_mae: no clip has a value on both sides" in part["reason"].iloc[0]


def test_landmarks_without_a_mesh(world):
    world.add("ours", "S/a", FRAMES, points=moving())
    record = world.clips("lip_dyn_th", reference=False).loc["S/a"]
    assert record["status"] == "undefined"
    assert "no FaceMesh points" in record["reason"]


def test_a_second_of_faces_is_too_short(world, seen):
    seen["ours"][:20] = np.nan
    record = world.clips("brow_dyn_th").loc["S/a"]
    assert record["reason"] == "40 frames with a face; needs at least 50"


def test_every_metric_of_theval_has_a_test_here():
    import inspect
    import sys

    source = inspect.getsource(sys.modules[__name__])
    assert [m for m in theval_metrics() if f'"{m}"' not in source and f'"{m.removeprefix("th_")}' not in source] == []
