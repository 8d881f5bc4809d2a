"""What a corruption does to pictures and sound, and that a validation plan asks for what its levels say."""

import itertools

import cv2
import numpy as np
import pytest

from gmbench.clips import Clip, Pair
from gmbench.evaluation import validate
from gmbench.evaluation.extraction.corruptions import corrupted_audio, corrupted_frames
from gmbench.evaluation.planning import plan
from gmbench.evaluation.scoring import registry
from gmbench.media import SAMPLES_PER_FRAME, Video, write_audio
from tests.evaluation.helpers import protocol

FRAMES = 30


@pytest.fixture(scope="module")
def video(tmp_path_factory):
    """A clip whose frames have their number as red and a random pattern as green and blue."""
    folder = tmp_path_factory.mktemp("frames")
    pattern = np.random.default_rng(1).integers(0, 256, (47, 33, 3)).astype(np.uint8)
    for number in range(FRAMES):
        pattern[..., 2] = number  # OpenCV writes blue first
        cv2.imwrite(str(folder / f"{number:04d}.png"), pattern)
    return Video(folder)


def frames_of(video, change, batch=7):
    return np.concatenate(list(corrupted_frames(video, change, batch)))


def numbers(frames):
    return frames[:, 0, 0, 0].tolist()


def test_no_change_is_no_change(video):
    assert np.array_equal(frames_of(video, ""), np.stack(list(video)))


def test_still_holds_the_first_frame(video):
    frames = frames_of(video, "still")
    assert len(frames) == FRAMES
    assert (frames == frames[0]).all()
    assert numbers(frames)[0] == 0


def test_blur_is_gaussian_of_its_sigma(video):
    frames = frames_of(video, "blur:2")
    first = next(iter(video))
    assert np.array_equal(frames[0], cv2.GaussianBlur(first, (0, 0), 2.0))
    rough = [np.abs(np.diff(f[..., 1].astype(float), axis=0)).mean() for f in (first, frames[0])]
    assert rough[1] < 0.2 * rough[0]


def test_noise_has_its_deviation_and_belongs_to_the_frames_number(video):
    original = np.stack(list(video)).astype(float)
    grey = (original > 60) & (original < 195)
    frames = frames_of(video, "noise:10")
    difference = (frames - original)[grey]
    assert difference.std() == pytest.approx(10, rel=0.03)
    assert difference.mean() == pytest.approx(0, abs=0.1)
    assert not np.array_equal(frames[1, ..., 1], frames[2, ..., 1])
    assert np.array_equal(frames, frames_of(video, "noise:10", batch=3))


def test_shuffle_stays_inside_its_blocks(video):
    order = numbers(frames_of(video, "shuffle:8"))
    assert order != sorted(order)
    for start in range(0, FRAMES, 8):
        block = list(range(start, min(start + 8, FRAMES)))
        assert sorted(order[start : start + 8]) == block
    assert order[:8] != list(range(8))


def test_another_frame_rate_repeats_or_skips_frames(video):
    assert numbers(frames_of(video, "rate:5")) == [5 * (n // 5) for n in range(FRAMES)]
    assert numbers(frames_of(video, "rate:25")) == list(range(FRAMES))
    shown = numbers(frames_of(video, "rate:30"))
    assert len(shown) == FRAMES
    assert all(n - 1 <= s <= n for n, s in enumerate(shown))
    assert len(set(shown)) < FRAMES
    assert len(set(numbers(frames_of(video, "rate:15")))) == 15 * FRAMES // 25


def test_reencoding_keeps_the_odd_size_and_loses_with_the_quality(video):
    original = np.stack(list(video)).astype(float)
    lost = [np.abs(frames_of(video, f"reencode:{crf}") - original).mean() for crf in (18, 36, 44)]
    assert lost[0] < lost[1] < lost[2]
    assert frames_of(video, "reencode:36").shape == original.shape


def test_late_and_early_sound_as_long_as_before():
    sound = np.arange(1, 10 * SAMPLES_PER_FRAME + 1).astype(np.int16)
    step = 2 * SAMPLES_PER_FRAME
    late, early = corrupted_audio(sound, "late:2"), corrupted_audio(sound, "late:-2")
    assert not late[:step].any()
    assert np.array_equal(late[step:], sound[:-step])
    assert np.array_equal(early[:-step], sound[step:])
    assert not early[-step:].any()
    assert len(corrupted_audio(sound, "late:-99")) == len(corrupted_audio(sound, "late:99")) == len(sound)
    assert not corrupted_audio(sound, "late:99").any()
    assert np.array_equal(corrupted_audio(sound, ""), sound)


# Plans of corrupted clips


EMOTIONS = ("angry", "happy", "sad")


@pytest.fixture
def ground_truth(tmp_path):
    """A plan of the ground truth of two people with four clips of each of three emotions."""
    pairs = []
    for speaker, emotion, number in itertools.product("AB", EMOTIONS, range(4)):
        name = f"{speaker}/{emotion}{number}"
        folder = tmp_path / name
        folder.mkdir(parents=True)
        cv2.imwrite(str(folder / "0000.png"), np.full((16, 16, 3), len(pairs), np.uint8))
        sound = folder.with_suffix(".wav")
        write_audio(sound, np.full(640, len(pairs), np.int16))
        pairs.append(Pair(name, None, Clip(name, folder, sound), (), speaker, emotion))
    metrics = registry.select(["psnr", "ba_m2a"], True)
    return plan.make_plan({}, "d", protocol(), metrics, ["ground_truth"], pairs)


def spoilt(ground_truth, name):
    """Clips of a corruption by method and clip."""
    found = validate.corrupted(ground_truth, validate.chosen([name]))
    return {(clip.method, clip.clip): clip for clip in found.clips}


def levels(name):
    return validate.chosen([name])[0].levels[1:]


def test_every_level_has_every_clip_and_the_first_changes_nothing(ground_truth):
    for corruption in validate.CORRUPTIONS:
        found = spoilt(ground_truth, corruption.name)
        assert len(found) == len(corruption.levels) * len(ground_truth.clips)
        for clip in ground_truth.clips:
            unchanged = found[validate.UNCHANGED, clip.clip]
            assert (unchanged.generated, unchanged.emotion) == (clip.generated, clip.emotion)
            assert unchanged.reference == clip.reference


@pytest.mark.parametrize("name", ["blur", "noise", "reencode", "rate", "shuffle"])
def test_pictures_are_changed_by_the_level(ground_truth, name):
    found = spoilt(ground_truth, name)
    for level in levels(name):
        for clip in ground_truth.clips:
            changed = found[f"{name}={level:g}", clip.clip]
            assert changed.generated.video_change == f"{name}:{level:g}"
            assert changed.generated.audio_change == ""
            assert changed.reference.video_change == ""


def test_late_is_late_and_early_is_early(ground_truth):
    for name, sign in (("late", 1), ("early", -1)):
        found = spoilt(ground_truth, name)
        for level in levels(name):
            changes = {
                clip.generated.audio_change for (method, _), clip in found.items() if method == f"{name}={level}"
            }
            assert changes == {f"late:{sign * level}"}


def test_half_of_the_labels_or_all_are_others(ground_truth):
    found = spoilt(ground_truth, "labels")
    for level, share in ((0.5, 0.5), (1, 1.0)):
        new = [found[f"labels={level:g}", clip.clip].emotion for clip in ground_truth.clips]
        wrong = [a != clip.emotion for a, clip in zip(new, ground_truth.clips, strict=True)]
        assert np.mean(wrong) == share
        for emotion in EMOTIONS:  # each emotion loses its share
            own = [w for w, clip in zip(wrong, ground_truth.clips, strict=True) if clip.emotion == emotion]
            assert np.mean(own) == share
        assert set(new) <= set(EMOTIONS)
        sources = {clip.generated.video_change for (method, _), clip in found.items()}
        assert sources == {""}


def test_swaps_show_another_clip_with_the_own_sound(ground_truth):
    videos = {clip.generated.video: clip for clip in ground_truth.clips}
    for name, same, other in (("emotion_swap", "speaker", "emotion"), ("identity_swap", "emotion", "speaker")):
        for (method, _), clip in spoilt(ground_truth, name).items():
            if method == validate.UNCHANGED:
                continue
            shown = videos[clip.generated.video]
            assert getattr(shown, same) == getattr(clip, same)
            assert getattr(shown, other) != getattr(clip, other)
            assert clip.generated.audio == clip.reference.audio != shown.generated.audio


# Verdicts


def curve(name, values, metric="psnr", direction="higher"):
    return validate._curve(metric, direction, validate.chosen([name])[0], values)


def test_frame_rates_are_worse_the_further_from_the_clips_own():
    """Levels 25, 30, 15, 10, 5: 30 is the mildest change."""
    right = curve("rate", (40.0, 35.0, 30.0, 25.0, 20.0))
    assert (right.rho, right.strict, right.verdict) == (pytest.approx(1), True, "")
    wrong = curve("rate", (40.0, 20.0, 35.0, 30.0, 25.0))
    assert not wrong.strict
    assert "does not get worse with every level of rate" in wrong.verdict


def test_a_target_value_may_be_missed_on_either_side():
    for values in ((0.0, 1.0, 2.0, 5.0, 10.0), (0.0, -1.0, -2.0, -5.0, -10.0), (1.0, 2.0, 3.0, 6.0, 11.0)):
        found = curve("late", values, "av_offset", "reference")
        assert (found.rho, found.strict) == (pytest.approx(1), True)


def test_missing_levels_are_told_and_left_out():
    found = curve("blur", (40.0, float("nan"), 30.0, 20.0))
    assert found.strict
    assert "1 levels of blur have no value" in found.verdict
