import numpy as np
import pytest

from gmbench.metrics import drift


def test_quarters_golden():
    assert drift.quarter_drift(np.array([0.9, 0.9, 0.8, 0.8, 0.7, 0.7, 0.6, 0.6])) == pytest.approx(-0.30)


def test_a_constant_offset_does_not_matter_and_growth_does(rng):
    values = rng.normal(size=100)
    assert drift.quarter_drift(values + 5) == pytest.approx(drift.quarter_drift(values))
    assert drift.quarter_drift(values + np.linspace(0, 8, 100)) == pytest.approx(
        drift.quarter_drift(values) + 6, abs=0.2
    )
    assert drift.quarter_drift(np.linspace(0, 1, 40)[::-1]) == pytest.approx(
        -drift.quarter_drift(np.linspace(0, 1, 40))
    )


def test_lost_frames_count_in_neither_quarter():
    values = np.array([1.0, np.nan, 0, 0, 0, 0, np.nan, 3.0])
    assert drift.quarter_drift(values) == pytest.approx(2.0)
    values[:2] = np.nan
    assert np.isnan(drift.quarter_drift(values))


def colours(first, last, frames=60):
    return np.concatenate([np.tile(first, (frames // 2, 1)), np.tile(last, (frames // 2, 1))]).astype(float)


def test_colour_golden():
    assert drift.colour_drift(colours((60, 10, 10), (60, 13, 14))) == pytest.approx(5.0)
    ends = drift.lab(np.array([(200, 160, 140), (210, 160, 120)]))
    assert np.linalg.norm(ends[1] - ends[0]) == pytest.approx(12.0809, abs=1e-4)
    assert drift.lab(np.array([255, 255, 255])) == pytest.approx([100, 0, 0], abs=0.02)
    assert drift.lab(np.zeros(3)) == pytest.approx([0, 0, 0], abs=1e-9)


def test_colour_needs_a_face_at_both_ends():
    series = colours((60, 10, 10), (60, 13, 14))
    series[:25] = np.nan
    assert np.isnan(drift.colour_drift(series))
    series = colours((60, 10, 10), (60, 13, 14))
    series[3] = np.nan
    assert drift.colour_drift(series) == pytest.approx(5.0)


def grey(level, side=20):
    return np.full((side, side, 3), level, np.uint8)


def test_flicker_golden():
    changes = [drift.change(grey(a), grey(b)) for a, b in ((100, 102), (102, 100))]
    assert np.mean(changes) == 2.0
    assert drift.vbench_flicker(np.mean(changes)) == pytest.approx(0.992157, abs=1e-6)
    assert drift.change(grey(3), grey(255)) == 252.0


def test_only_the_region_counts_and_a_tiny_one_has_no_value():
    first, second = grey(100), grey(100)
    second[:, 10:] = 200
    left = np.zeros((20, 20), bool)
    left[:, :10] = True
    assert drift.change(first, second, left) == 0.0
    assert drift.change(first, second, ~left) == 100.0
    few = np.zeros((20, 20), bool)
    few[0, :19] = True
    assert np.isnan(drift.change(first, second, few))


def test_the_background_lies_outside_the_widened_box():
    """A box of 10 x 10 at (20, 30): 6 up, 4 to each side, down to the bottom."""
    points = np.full((68, 2), (25.0, 35.0))
    points[0], points[1] = (20, 30), (30, 40)
    inside = ~drift.background(points, 60, 50)
    rows, columns = np.flatnonzero(inside.any(axis=1)), np.flatnonzero(inside.any(axis=0))
    assert (rows[0], rows[-1], columns[0], columns[-1]) == (24, 59, 16, 34)


def test_noise_raises_and_an_offset_does_not(rng):
    frames = [grey(100) for _ in range(2)]
    noisy = [np.clip(frame + rng.normal(0, 5, frame.shape), 0, 255).astype(np.uint8) for frame in frames]
    assert drift.change(*noisy) > drift.change(*frames) == 0.0
    assert drift.change(noisy[0] + np.uint8(20), noisy[1] + np.uint8(20)) == drift.change(*noisy)
