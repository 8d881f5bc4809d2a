import math

import numpy as np
import pytest

from gmbench.metrics import beats


def test_alignment_golden():
    motion, audio = np.array([10, 20, 30.0]), np.array([12, 30, 50.0])
    assert beats.beat_alignment(motion, audio) == pytest.approx(0.6097676, abs=1e-6)
    assert beats.beat_alignment(audio, motion) == pytest.approx(0.6002458, abs=1e-6)


def test_motion_beats_golden():
    t = np.arange(200)
    pose = np.stack([10 * np.cos(2 * np.pi * t / 26.3 + 0.3), 0 * t, 0 * t], axis=1)
    expected = [12, 25, 38, 51, 64, 77, 90, 103, 117, 130, 143, 156, 169, 182]
    assert beats.motion_beats(pose).tolist() == expected


def test_lost_frames_are_bridged():
    t = np.arange(200)
    pose = np.stack([10 * np.cos(2 * np.pi * t / 26.3 + 0.3), 0 * t, 0 * t], axis=1)
    pose[70:72] = np.nan
    assert len(beats.motion_beats(pose)) == 14
    assert len(beats.motion_beats(np.full((200, 3), np.nan))) == 0


def test_no_beats_is_undefined():
    some = np.array([1.0, 5.0])
    assert math.isnan(beats.beat_alignment(some, np.empty(0)))
    assert math.isnan(beats.beat_alignment(np.empty(0), some))
    assert math.isnan(beats.alignment_chance(some, np.empty(0), 100, "m2a").level)


@pytest.mark.parametrize(("spacing", "level"), [(5, 0.8954), (8, 0.7685), (25, 0.3008)])
def test_chance_of_equally_spaced_targets_is_the_closed_form(spacing, level):
    audio = np.arange(0, 1000, spacing, dtype=float)
    motion = np.sort(np.random.default_rng(0).uniform(0, 1000, 400))
    assert beats.alignment_chance(motion, audio, 1000, "m2a").level == pytest.approx(level, abs=0.01)


def test_aligned_beats_beat_chance_and_unrelated_do_not():
    rng = np.random.default_rng(1)
    audio = np.sort(rng.uniform(0, 1000, 60))
    aligned = beats.alignment_chance(audio + 1.0, audio, 1000, "m2a")
    assert beats.beat_alignment(audio + 1.0, audio) > aligned.level + 0.2
    assert aligned.p == pytest.approx(1 / 101)
    values = [beats.alignment_chance(np.sort(rng.uniform(0, 1000, 60)), audio, 1000, "m2a").p for _ in range(20)]
    assert np.mean(values) > 0.25


def test_direction_is_checked():
    with pytest.raises(ValueError, match="m2a"):
        beats.alignment_chance(np.ones(2), np.ones(2), 100, "both")
