"""What the tables print of pixels, landmarks, pose and sound: each metric through the engine, by hand."""

import math

import cv2
import numpy as np
import pytest

from gmbench.audio import onsets
from gmbench.evaluation import run
from gmbench.evaluation.scoring.clip_data import FeatureReader
from gmbench.evaluation.scoring.signal_metrics import signal_metrics
from gmbench.metrics import beats, head_motion
from gmbench.store import Store

FRAMES = 6


def pose(*rows):
    """An answer of the pose network: pitch, yaw, roll in degrees per frame."""
    return {"pose": np.array(rows, np.float64)}


LOST = (math.nan, math.nan, math.nan)


def both(world, clip, generated, real, frames=None, **options):
    """A clip of ours and its reference with chosen poses."""
    world.add("ours", clip, frames or len(generated), pose=pose(*generated), **options)
    world.add("reference", clip, frames or len(real), pose=pose(*real))


# Head pose


def test_diversity_and_its_relatives(world):
    """Yaws 0, 2, 6: pairs differ by 2, 4, 6, mean 4; the real ones 0, 1, 2 by 4 / 3."""
    both(world, "S/a", [(0, 0, 0), (0, 2, 0), (0, 6, 0)], [(0, 0, 0), (0, 1, 0), (0, 2, 0)])
    rows = world.rows("div", "div_axis", "div_std", "div_gap")
    assert rows["div"].value == pytest.approx(4)
    assert rows["div_axis"].value == pytest.approx(4 / 3)
    assert rows["div_std"].value == pytest.approx(np.std([0, 2, 6]) / 3)
    assert rows["div_gap"].value == pytest.approx(4 - 4 / 3)


def test_a_gap_is_an_absolute_difference(world):
    both(world, "S/a", [(0, 0, 0), (0, 1, 0), (0, 2, 0)], [(0, 0, 0), (0, 2, 0), (0, 6, 0)])
    assert world.rows("div_gap")["div_gap"].value == pytest.approx(4 - 4 / 3)


def test_frames_without_a_pose_are_left_out_and_a_single_one_is_not_enough(world):
    both(world, "S/a", [(0, 0, 0), LOST, (0, 6, 0)], [(0, 0, 0)] * 3)
    both(world, "S/b", [(0, 0, 0), LOST, LOST], [(0, 0, 0)] * 3)
    records = world.clips("div")
    assert records.loc["S/a", ["value", "frames_used", "frames_expected"]].tolist() == [6, 2, 3]
    assert records.loc["S/b", "status"] == "undefined"
    assert "at least two frames" in records.loc["S/b", "reason"]
    gap = world.clips("div_gap").loc["S/a"]
    assert gap[["value", "frames_used", "frames_expected"]].tolist() == [6, 2, 3]


def test_poses_are_unwrapped(world):
    both(world, "S/a", [(0, 179, 0), (0, -179, 0)], [(0, 0, 0)] * 2)
    assert world.rows("div")["div"].value == pytest.approx(2)


def test_correct_motion_and_what_other_clips_reach(world):
    """Ours is right in two thirds of the angles of its own reference, in 1/3 and in all of those of the others."""
    still = [(0, 0, 0)] * 4
    both(world, "S/a", still, [(0, 0, 5)] * 4)
    both(world, "S/b", still, [(0, 5, 5)] * 4)
    both(world, "S/c", still, [(0.5, 0.5, 0.5)] * 4)
    records = world.clips("pcm")
    assert records["value"].to_dict() == pytest.approx({"S/a": 2 / 3, "S/b": 1 / 3, "S/c": 1})
    chance = world.clips("pcm_chance")["value"].to_dict()
    assert chance == pytest.approx({"S/a": (1 / 3 + 1) / 2, "S/b": (2 / 3 + 1) / 2, "S/c": (2 / 3 + 1 / 3) / 2})


def test_references_that_stand_for_chance_keep_their_pose_alone(world):
    for clip in ("S/a", "S/b", "S/c"):
        for side in ("ours", "reference"):
            world.add(side, clip, 4, points=face(frames=4))
    planned = world.plan(["pcm_chance"], pose="pnp")
    reader = FeatureReader(Store(world.folder / "store"), planned.keys, {})
    run.evaluate(planned, world.folder / "store")
    clip = run._PlannedData(planned, reader).of(planned.clips[0], reader.features_of)
    other = clip.others[0]
    assert np.array_equal(other.landmarks, other._faces.arrays["points"])
    assert other.keep_pose().shape == (4, 3)
    assert not {"_faces", "landmarks"} & set(vars(other))
    assert other.keep_pose() is other.pose


def test_correct_motion_compares_the_frames_that_both_have(world):
    both(world, "S/a", [(0, 0, 0)] * 3, [(0, 0, 0)] * 2 + [(9, 9, 9)] * 5)
    record = world.clips("pcm").loc["S/a"]
    assert record[["value", "frames_used", "frames_expected", "flags"]].tolist() == [
        pytest.approx(2 / 3), 3, 3, "length_mismatch",
    ]  # fmt: skip


def test_the_only_clip_has_no_chance_level(world):
    both(world, "S/a", [(0, 0, 0)] * 3, [(0, 0, 0)] * 3)
    record = world.clips("pcm_chance").loc["S/a"]
    assert record["status"] == "undefined"
    assert "another reference" in record["reason"]


def test_samples_of_a_clip_are_compared_over_their_common_length(world):
    world.add("ours", "S/a", 3, pose=pose((0, 0, 0), (0, 0, 0), (0, 0, 0)))
    world.add("ours", "S/a@1", 2, pose=pose((1, 0, 0), (0, 3, 0)))
    world.add("reference", "S/a", 3, pose=pose((0, 0, 0), (0, 0, 0), (0, 0, 0)))
    world.pair("S/b", 3, pose=pose((0, 0, 0), (0, 0, 0), (0, 0, 0)))
    records = world.clips("div_samples")
    assert records.loc["S/a", ["value", "frames_used", "frames_expected"]].tolist() == [2, 2, 3]
    assert records.loc["S/b", "status"] == "undefined"


# Pose and sound


def bursts(frames, at):
    """Silence with a loud burst of 5 frames from each of some frames on."""
    noise = np.random.default_rng(0).normal(0, 9000, frames * 640)
    heard = np.zeros(frames * 640)
    for frame in at:
        part = slice(640 * frame, 640 * (frame + 5))
        heard[part] = noise[part]
    return heard.clip(-32000, 32000).round().astype(np.int16)


def nods(frames, at, axis=1):
    """Poses that rest around some frames and turn between them."""
    time = np.arange(frames)
    speed = np.min([np.abs(time - t) for t in at], axis=0).astype(float)
    result = np.zeros((frames, 3))
    result[:, axis] = np.cumsum(speed)
    return result


def test_beats_of_motion_and_sound_in_both_directions(world):
    frames, sound = 100, bursts(100, (20, 45, 80))
    motion = nods(frames, (20, 75))
    world.add("ours", "S/a", frames, pose={"pose": motion}, sound=sound)
    world.add("reference", "S/a", frames, pose={"pose": motion})
    names = [f"ba_{way}{part}" for way in ("m2a", "a2m") for part in ("", "_chance", "_p")]
    rows = world.rows(*names)
    heard = onsets.onset_frames(onsets.onset_times(onsets.onset_envelope(sound)))
    moved = beats.motion_beats(motion)
    assert (len(moved), len(heard)) == (2, 3)
    near = np.exp(-(np.abs(moved[:, None] - heard) ** 2) / 18)
    assert rows["ba_m2a"].value == pytest.approx(near.max(axis=1).mean())
    assert rows["ba_a2m"].value == pytest.approx(near.max(axis=0).mean())
    assert rows["ba_m2a"].value != pytest.approx(rows["ba_a2m"].value, abs=1e-6)
    for way in ("m2a", "a2m"):
        chance = beats.alignment_chance(moved, heard, frames, way)
        assert rows[f"ba_{way}_chance"].value == pytest.approx(chance.level)
        assert rows[f"ba_{way}_p"].value == pytest.approx(chance.p)
        assert chance.level != pytest.approx(chance.p, abs=1e-3)


def test_onsets_after_the_end_of_the_picture_do_not_count(world):
    motion = nods(60, (20, 40))
    world.add("ours", "S/a", 60, pose={"pose": motion}, sound=bursts(100, (20, 40, 85)))
    world.add("ours", "S/b", 60, pose={"pose": motion}, sound=bursts(60, (20, 40)))
    for clip in ("S/a", "S/b"):
        world.add("reference", clip, 60, pose={"pose": motion})
    values = world.clips("ba_a2m")["value"]
    assert values["S/a"] == pytest.approx(values["S/b"], abs=0.02)
    assert values["S/a"] > 0.5


def test_motion_that_follows_the_onsets(world):
    sound = bursts(100, (20, 45, 80))
    strength = onsets.onset_strength(onsets.onset_envelope(sound))[:100]
    follows = np.zeros((100, 3))
    follows[1:, 1] = np.cumsum(strength)[:99]
    follows[:, 0] = 3 * np.sin(np.arange(100) / 3)
    axis = np.zeros((100, 3))
    axis[:, 1] = np.arange(100)
    world.add("ours", "S/a", 100, pose={"pose": follows}, sound=sound)
    world.add("reference", "S/a", 100, pose={"pose": axis})
    world.add("ours", "S/b", 100, pose={"pose": follows}, sound=sound)
    world.add("reference", "S/b", 100, pose={"pose": axis[:, [1, 0, 2]]})  # real motion along the other axis
    values = world.clips("corr_onset")["value"]
    assert values["S/a"] == pytest.approx(1)
    assert values["S/b"] < 0.6
    chance = world.clips("corr_onset_chance")["value"]["S/a"]
    shifts = np.unique(np.linspace(25, 75, 100).astype(int))
    expected = [head_motion.onset_correlation(follows[:, 1], np.roll(strength, shift)) for shift in shifts]
    assert chance == pytest.approx(np.mean(expected))
    assert chance < 0.9


def test_without_a_reference_motion_is_read_along_its_own_axis(world):
    sound = bursts(100, (20, 45, 80))
    strength = onsets.onset_strength(onsets.onset_envelope(sound))[:100]
    follows = np.zeros((100, 3))
    follows[1:, 1] = np.cumsum(strength)[:99]
    world.add("ours", "S/a", 100, pose={"pose": follows}, sound=sound)
    assert world.clips("corr_onset", reference=False).loc["S/a", "value"] == pytest.approx(1)


def test_onset_correlation_needs_two_seconds_for_its_chance(world):
    motion = np.cumsum(np.ones((49, 3)), axis=0) ** 1.5
    world.add("ours", "S/a", 49, pose={"pose": motion}, sound=bursts(49, (10, 30)))
    world.add("reference", "S/a", 49, pose={"pose": motion})
    record = world.clips("corr_onset_chance").loc["S/a"]
    assert record["status"] == "undefined"
    assert "under two seconds" in record["reason"]


def test_still_ratio_is_motion_in_silence_over_motion_in_speech(world):
    loud = np.r_[np.zeros(50), np.ones(50)]
    sound = (np.repeat(loud, 640) * np.tile([9000, -9000], 32000)).astype(np.int16)
    motion = np.zeros((100, 3))
    motion[1:, 1] = np.cumsum(np.where(loud[:99] > 0, 4.0, 1.0))
    world.add("ours", "S/a", 100, pose={"pose": motion}, sound=sound)
    world.add("reference", "S/a", 100, pose={"pose": motion})
    assert world.rows("still_ratio")["still_ratio"].value == pytest.approx(1 / 4)


# Landmarks


def face(shift=(0.0, 0.0), mouth=0.0, size=1.0, frames=FRAMES):
    """(T, 68, 2) landmarks: eyes 20 apart; the mouth's 20 points moved apart by ``mouth`` pixels."""
    rng = np.random.default_rng(5)
    points = rng.uniform(20, 60, (68, 2))
    points[36:42], points[42:48] = (30, 30), (50, 30)
    points[48:68, 1] += 25
    points[48:68, 1] += mouth * np.where(np.arange(20) % 2, 1.0, -1.0)
    return np.repeat((size * points + shift)[None], frames, axis=0)


def with_faces(world, clip, generated, real):
    world.add("ours", clip, len(generated), points=generated)
    world.add("reference", clip, len(real), points=real)


def test_normalised_landmark_distance_in_percent_of_the_eyes(world):
    """Mouth points off by 3 pixels of 20 between the eyes: 15 %; of the whole face 20 of 68 points are off."""
    with_faces(world, "S/a", face(shift=(4, 1), mouth=3.0), face())
    rows = world.rows("m_nlmd", "f_nlmd")
    assert rows["m_nlmd"].value == pytest.approx(15)
    assert rows["f_nlmd"].value == pytest.approx(15 * 20 / 68)


def test_landmark_distance_is_taken_in_the_aligned_crop(world):
    with_faces(world, "S/a", face(shift=(30, 9), mouth=3.0, size=2.0), face())
    with_faces(world, "S/b", face(mouth=3.0), face())
    with_faces(world, "S/c", face(), face())
    for name in ("m_lmd", "f_lmd"):
        values = world.clips(name)["value"]
        assert values["S/a"] == pytest.approx(values["S/b"], rel=1e-6)
        assert values["S/b"] > 0.5
        assert values["S/c"] == pytest.approx(0, abs=1e-9)


def test_lost_faces_of_either_side_leave_their_frames_out(world):
    generated, real = face(mouth=3.0), face()
    generated[0], real[1] = math.nan, math.nan
    with_faces(world, "S/a", generated, real)
    record = world.clips("m_nlmd").loc["S/a"]
    assert record[["value", "frames_used", "frames_expected", "flags"]].tolist() == [
        pytest.approx(15), 4, 6, "low_coverage",
    ]  # fmt: skip


def test_the_trace_of_the_face_and_its_gap(world):
    """The centre 2 to the left and right of its mean: 2 of 20 pixels, 10 %; the real one 1 of 20."""
    left_right = face() + np.array([[2.0, 0.0], [-2.0, 0.0]] * 3)[:, None]
    with_faces(world, "S/a", left_right, face() + (left_right - face()) / 2)
    rows = world.rows("trace_rms", "trace_gap")
    assert rows["trace_rms"].value == pytest.approx(10)
    assert rows["trace_gap"].value == pytest.approx(5)


# Pixels


def pictures(world, side, clip, frames):
    """Replace the pictures of a clip."""
    folder = world.folder / side / clip
    for index, frame in enumerate(frames):
        cv2.imwrite(str(folder / f"{index:04d}.png"), frame[..., ::-1])


def test_psnr_of_a_clip_and_its_cap(world):
    """A grey level off everywhere: 20 log10(255) = 48.13 dB; equal frames have no error."""
    grey = [np.full((64, 64, 3), 100, np.uint8)] * 4
    for clip in ("S/a", "S/b", "S/c"):
        world.pair(clip, 4)
        pictures(world, "reference", clip, grey)
    pictures(world, "ours", "S/a", [frame + 1 for frame in grey])
    pictures(world, "ours", "S/b", [frame + n // 2 for n, frame in enumerate(grey)])
    pictures(world, "ours", "S/c", grey)
    records = world.clips("psnr")
    assert records.loc["S/a", "value"] == pytest.approx(20 * math.log10(255))
    assert (records.loc["S/a", "flags"], records.loc["S/b", "flags"]) == ("", "psnr_capped")
    assert records.loc["S/b", "value"] > records.loc["S/a", "value"]
    assert records.loc["S/c", "value"] == math.inf


def test_each_similarity_has_its_own_window(world, rng):
    from gmbench.metrics import quality

    first, second = (rng.integers(0, 256, (64, 64, 3)).astype(np.uint8) for _ in range(2))
    world.pair("S/a", 1)
    pictures(world, "ours", "S/a", [first])
    pictures(world, "reference", "S/a", [second])
    rows = world.rows("ssim", "ssim_u7")
    assert rows["ssim"].value == pytest.approx(quality.ssim(first, second))
    assert rows["ssim_u7"].value == pytest.approx(quality.ssim_u7(first, second))
    assert rows["ssim"].value != pytest.approx(rows["ssim_u7"].value, abs=1e-6)


@pytest.mark.parametrize("blurred", ["ours", "reference"])
def test_sharpness_and_its_gap(world, rng, blurred):
    from gmbench.metrics import sharpness

    sharp = rng.integers(0, 256, (128, 128, 3)).astype(np.uint8)
    soft = cv2.GaussianBlur(sharp, (0, 0), 1.5)
    world.pair("S/a", 2)
    for side in ("ours", "reference"):
        pictures(world, side, "S/a", [soft if side == blurred else sharp] * 2)
    rows = world.rows("cpbd", "cpbd_gap")
    values = {name: sharpness.cpbd(cv2.cvtColor(f, cv2.COLOR_RGB2GRAY)) for name, f in (("s", sharp), ("b", soft))}
    assert values["s"] > values["b"] + 0.1
    assert rows["cpbd"].value == pytest.approx(values["b" if blurred == "ours" else "s"])
    assert rows["cpbd_gap"].value == pytest.approx(values["s"] - values["b"])


def test_sharpness_of_pictures_that_are_too_small(world):
    world.pair("S/a", 2)
    record = world.clips("cpbd").loc["S/a"]
    assert record["status"] == "failed"
    assert "64 x 64" in record["reason"]


def test_every_metric_of_signals_has_a_test_here():
    import inspect
    import sys

    source = inspect.getsource(sys.modules[__name__])
    spelled = source + "".join(f'"ba_{way}{part}"' for way in ("m2a", "a2m") for part in ("", "_chance", "_p"))
    assert [m for m in signal_metrics() if f'"{m}"' not in spelled] == []
