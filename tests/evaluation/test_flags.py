"""Flags of what is odd about the files of a clip: shape, damage, transparency, sound that ends early, faces."""

import re
from fractions import Fraction
from pathlib import Path

import cv2
import numpy as np
import pytest

from gmbench.errors import InputError
from gmbench.evaluation.planning import inputs, plan
from gmbench.evaluation.results import aggregate
from gmbench.evaluation.run import evaluate
from gmbench.evaluation.scoring import registry
from gmbench.media import Video, write_audio
from gmbench.reporting.tables import FLAGS
from tests.evaluation import helpers
from tests.face.made_faces import face_points
from tests.media.clips import clip, copy

ROOT = Path(__file__).parents[2]
FRAMES = 100


def add(folder, name="c", size=(64, 64), seconds=FRAMES / 25, points=None, frames=FRAMES, seed=7):
    """A clip of noise of ``size`` (width, height) with sound of some seconds and landmarks."""
    rng = np.random.default_rng(seed)
    (folder / name).mkdir(parents=True)
    picture = cv2.resize(rng.integers(0, 256, (16, 16, 3), np.uint8), size)
    for index in range(frames):
        shifted = np.roll(picture, index, axis=1)
        cv2.imwrite(str(folder / name / f"{index:03d}.png"), shifted)
    loud = np.repeat(rng.uniform(500, 9000, round(seconds * 25)), 640) * np.tile([1, -1], round(seconds * 25) * 320)
    write_audio(folder / f"{name}.wav", loud.astype(np.int16))
    if points is None:
        scale = np.array(size) / 64
        points = [face_points(30 + 4 * np.sin(index / 3), 32, 26) * scale for index in range(frames)]
    np.savez(folder / f"{name}.landmarks.npz", points=np.array(points), detector="dlib")


def score(folder, *metrics, **changes):
    given = inputs.gather([str(folder / "ours")], reference=folder / "real")
    chosen = registry.select(list(metrics), True)
    planned = plan.make_plan(given.methods, "d", helpers.protocol(**({"pose": "pnp"} | changes)), chosen)
    return evaluate(planned, folder / "store").set_index("metric_name")


@pytest.mark.parametrize(
    ("size", "differs"),
    [((64, 64), False), ((128, 128), False), ((66, 64), False), ((67, 64), True), ((64, 36), True), ((48, 64), True)],
)
def test_other_shapes_are_flagged_and_refused_where_they_would_be_stretched(tmp_path, size, differs):
    add(tmp_path / "ours", size=size)
    add(tmp_path / "real")
    found = score(tmp_path, "psnr", "ssim", "m_nlmd", "div", "corr_onset")
    flags = found["flags"].str.split()
    assert ("aspect_mismatch" in flags["m_nlmd"]) == differs
    assert "aspect_mismatch" not in flags["div"] + flags["corr_onset"]  # of the generated clip alone
    for metric in ("psnr", "ssim"):
        assert found.loc[metric, "status"] == ("failed" if differs else "ok")
    if differs:
        reason = found.loc["psnr", "reason"]
        assert f"{size[0]} x {size[1]}, the reference is 64 x 64" in reason
        assert "--protocol eat128" in reason


def test_faces_of_other_shapes_are_compared_in_their_alignment(tmp_path):
    add(tmp_path / "ours", size=(96, 64), points=[face_points(60, 32, 26)] * FRAMES)
    add(tmp_path / "real", points=[face_points(30, 32, 26)] * FRAMES)
    found = score(tmp_path, "psnr", name="eat128")
    assert (found.loc["psnr", "status"], found.loc["psnr", "flags"]) == ("ok", "aspect_mismatch")


@pytest.mark.parametrize(("seconds", "flagged"), [(4.0, False), (3.92, False), (3.84, True), (2.0, True)])
def test_sound_that_ends_before_the_picture_is_flagged_and_counted(tmp_path, seconds, flagged):
    add(tmp_path / "ours", seconds=seconds)
    add(tmp_path / "real")
    found = score(tmp_path, "psnr", "corr_onset", "ba_a2m", "sync_corr")
    assert "short_sound" not in found.loc["psnr", "flags"]
    for metric in ("corr_onset", "ba_a2m"):
        if found.loc[metric, "status"] == "ok":
            assert ("short_sound" in found.loc[metric, "flags"].split()) == flagged
            assert found.loc[metric, "frames_used"] == round(seconds * 25)
            assert found.loc[metric, "frames_expected"] == FRAMES
    assert found.loc["corr_onset", "status"] == "ok"


def test_damaged_and_transparent_frames_are_counted_on_both_sides(tmp_path, monkeypatch):
    add(tmp_path / "ours")
    add(tmp_path / "real", seed=8)
    read = Video.__iter__

    def marked(self):
        yield from read(self)
        self.corrupt_frames = 3 if "ours" in str(self.path) else 4
        self.transparent_frames = 9 if "real" in str(self.path) else 0

    monkeypatch.setattr(Video, "__iter__", marked)
    found = score(tmp_path, "psnr", "div")
    assert found.loc["psnr", "flags"].split()[-2:] == ["damaged_frames:7", "transparent_frames:9"]
    assert found.loc["div", "flags"] == "damaged_frames:3"
    rows = {row.metric: row for row in aggregate.rows(found.reset_index())}
    assert rows["psnr"].flags.split()[0] == "damaged_frames"


@pytest.mark.parametrize("codec", ["libvpx-vp9", "mpeg4", "libx264"])
def test_a_packet_that_was_lost_on_the_way_is_flagged(tmp_path, codec):
    clip(tmp_path / "whole.mkv", codec=codec, b_frames=0)
    for side in ("ours", "real"):
        (tmp_path / side).mkdir()
    copy(tmp_path / "whole.mkv", tmp_path / "real" / "a.mkv")
    copy(tmp_path / "whole.mkv", tmp_path / "ours" / "a.mkv", lambda packet, n: None if n == 30 else packet)
    found = score(tmp_path, "psnr")
    assert found.loc["psnr", "status"] == "ok"
    assert "missing_frames:1" in found.loc["psnr", "flags"].split()


@pytest.mark.parametrize(
    ("fps", "count", "flagged"),
    [
        (Fraction(253, 10), 100, True),
        (24, 100, True),
        (25, 100, False),
        (Fraction(30000, 1001), 100, True),
        (24, 96, False),
    ],
)
def test_equally_many_frames_at_another_rate_are_flagged(tmp_path, fps, count, flagged):
    for side, rate, frames in (("ours", fps, count), ("real", 25, 100)):
        (tmp_path / side).mkdir()
        clip(tmp_path / side / "a.mp4", frames, rate)
    found = score(tmp_path, "psnr")
    assert ("rate_mismatch" in found.loc["psnr", "flags"].split()) == flagged


def test_faces_that_are_hardly_there_are_none_and_a_jump_is_flagged(tmp_path):
    none = np.full((68, 2), np.nan)
    here, there = face_points(20, 32, 20), face_points(48, 32, 20)
    add(tmp_path / "ours", "few", points=[here] * 9 + [none] * 91)
    add(tmp_path / "ours", "jump", points=[here] * 60 + [there] * 40)
    add(tmp_path / "ours", "mirrored", points=[here[:, ::-1]] * 100)
    for name in ("few", "jump", "mirrored"):
        add(tmp_path / "real", name, points=[here] * 100)
    found = score(tmp_path, "m_nlmd").set_index("clip")
    assert found.loc["few", "status"] == "failed"
    assert "in 9 of them something like one, at least 10% are needed" in found.loc["few", "reason"]
    assert found.loc["jump", "flags"] == "face_elsewhere"
    assert found.loc["mirrored", "flags"] == "mirrored_landmarks"


def test_every_flag_is_explained_in_the_documentation():
    text = (ROOT / "docs" / "evaluating.md").read_text("utf-8")
    documented = set(
        re.findall(r"`([a-z_]+)(?::N)?`", text.partition("| flag | what it says |")[2].partition("## ")[0])
    )
    assert set(FLAGS) <= documented


def test_landmarks_of_two_detectors_are_refused_with_a_file_of_each(tmp_path):
    for side in ("ours", "real"):
        add(tmp_path / side, frames=30)
    np.savez(tmp_path / "ours" / "c.landmarks.npz", points=np.ones((30, 68, 2)), detector="other")
    with pytest.raises(InputError, match=r"real/c\.landmarks\.npz from dlib, .*ours/c\.landmarks\.npz from other"):
        score(tmp_path, "m_nlmd")
