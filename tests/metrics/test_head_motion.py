import math

import numpy as np
import pytest

from gmbench.metrics import head_motion


def test_div_golden():
    pose = np.array([[0, 0, 0], [1, 0, 0], [0, 2, 2.0]])
    assert head_motion.diversity(pose) == pytest.approx(10 / 3)
    assert head_motion.diversity(pose) / 3 == pytest.approx(1.111111, abs=1e-6)
    assert head_motion.diversity_std(pose) == pytest.approx(0.785674, abs=1e-6)


def test_a_still_head_has_exactly_no_diversity():
    pose = np.tile([3.3, -7.7, 0.1], (50, 1))
    assert head_motion.diversity(pose) == 0.0
    assert head_motion.diversity_std(pose) == 0.0


def test_div_ignores_order_offset_and_lost_frames(rng):
    pose = rng.normal(0, 3, (40, 3))
    expected = head_motion.diversity(pose)
    assert head_motion.diversity(rng.permutation(pose)) == pytest.approx(expected)
    assert head_motion.diversity(pose + [10, -5, 2]) == pytest.approx(expected)
    assert head_motion.diversity(np.vstack([pose, np.full((3, 3), np.nan)])) == pytest.approx(expected)
    assert math.isnan(head_motion.diversity(pose[:1]))


def test_div_samples_counts_pairs_of_samples():
    samples = np.zeros((3, 5, 3))
    samples[1] = 1.0
    samples[2] = -1.0
    assert head_motion.diversity_samples(samples) == pytest.approx((3 + 3 + 6) / 3)
    with pytest.raises(ValueError, match="S >= 2"):
        head_motion.diversity_samples(samples[:1])


def test_pcm_golden():
    generated = np.array([[0, 0, 0], [2, 2, 2.0]])
    reference = np.array([[0.5, 1.0, 1.5], [2, 2.99, 3.0]])
    assert head_motion.correct_motion(generated, reference).mean() == pytest.approx(0.5)
    assert head_motion.correct_motion(reference, reference).mean() == 1.0
    assert head_motion.correct_motion(np.full((1, 3), 179.8), np.full((1, 3), -179.9)).mean() == 1.0


def test_pcm_of_independent_gaussian_motion_is_the_closed_form():
    rng, spread = np.random.default_rng(0), 1.23
    a, b = rng.normal(0, spread, (2, 200_000, 3))
    assert head_motion.correct_motion(a, b).mean() == pytest.approx(math.erf(1 / (2 * spread)), abs=0.002)


def test_principal_axis_golden():
    s = np.sin(2 * np.pi * np.arange(250) / 50)
    pose = np.stack([3 * s, 4 * s, 0 * s], axis=1)
    axis = head_motion.principal_axis(pose)
    assert axis == pytest.approx([0.6, 0.8, 0.0])
    assert head_motion.project(pose, axis).max() == pytest.approx(4.990134, abs=1e-6)


def test_unwrap_removes_jumps_around_gaps():
    pose = np.array([[179.0, 0, 0], [np.nan] * 3, [-179.0, 0, 0], [-178.0, 0, 0]])
    assert head_motion.unwrap(pose)[[0, 2, 3], 0] == pytest.approx([179.0, 181.0, 182.0])
    assert np.isnan(head_motion.unwrap(pose)[1]).all()


def test_onset_correlation_finds_motion_that_follows_sound():
    onsets = np.zeros(200)
    onsets[10::25] = 1.0
    pc1 = np.cumsum(np.roll(onsets, 3))
    assert head_motion.onset_correlation(pc1, onsets) > 0.9
    assert math.isnan(head_motion.onset_correlation(np.zeros(200), onsets))


def test_still_ratio_compares_silence_with_speech():
    rms = np.r_[np.full(50, 0.5), np.full(50, 1e-4)]
    pc1 = np.cumsum(np.r_[np.full(50, 2.0), np.full(50, 0.5)])
    assert head_motion.still_ratio(pc1, rms) == pytest.approx(0.25, abs=0.02)
    assert math.isnan(head_motion.still_ratio(pc1, np.full(100, 0.5)))


def test_constant_motion_correlates_with_nothing():
    """The mean of equal numbers may be off by a rounding error, so that their deviation is not quite 0."""
    strength = np.random.default_rng(0).uniform(0, 1, 60)
    pc1 = np.where(np.arange(61) % 2, 0.15, 0.0)  # equally fast in every frame
    assert np.abs(np.diff(pc1)).std() > 0
    assert np.isnan(head_motion.onset_correlation(pc1, strength))
