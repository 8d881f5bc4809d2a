"""What a corruption does to pictures and sound."""

import cv2
import numpy as np
import pytest

from gmbench.errors import MediaError
from gmbench.evaluation.extraction.corruptions import corrupted_audio, corrupted_frames
from gmbench.media import SAMPLES_PER_FRAME, Video

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


def test_h265_loses_with_the_quality(video):
    original = np.stack(list(video)).astype(float)
    lost = [np.abs(frames_of(video, f"h265:{crf}") - original).mean() for crf in (18, 36, 44)]
    assert lost[0] < lost[1] < lost[2]
    assert frames_of(video, "h265:36").shape == original.shape


@pytest.mark.parametrize("codec", ["aac", "mp3", "opus"])
def test_sound_codecs_keep_length_and_time_and_lose_with_the_rate(codec):
    """Chirps in noise: the best lag of what comes back is 0, and less of it is the same at a lower rate."""
    rng = np.random.default_rng(0)
    time = np.arange(32000) / 16000
    sound = (
        6000 * np.sin(2 * np.pi * (200 + 900 * time) * time) * (time % 0.5 < 0.3) + rng.normal(0, 300, 32000)
    ).astype(np.int16)
    heard = {rate: corrupted_audio(sound, f"{codec}:{rate}").astype(float) for rate in (64, 16)}
    middle = slice(4000, 28000)
    for rate, samples in heard.items():
        assert samples.shape == sound.shape
        lags = [np.corrcoef(sound[middle], np.roll(samples, -lag)[middle])[0, 1] for lag in range(-40, 41)]
        assert abs(int(np.argmax(lags)) - 40) <= 1, rate
        assert max(lags) > 0.9
    errors = {rate: np.abs(samples - sound)[middle].mean() for rate, samples in heard.items()}
    assert errors[64] < errors[16]


def test_an_unknown_codec_is_refused():
    from gmbench.media.codecs import sound_through

    with pytest.raises(MediaError, match="aac, mp3, opus"):
        sound_through(np.zeros(640, np.int16), "vorbis", 64)
