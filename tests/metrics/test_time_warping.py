import numpy as np
import pytest

from gmbench.metrics import time_warping

FIRST, SECOND = np.array([0, 0, 1, 0, 0], float), np.array([0, 1, 0, 0, 0], float)


def square(a, b):
    return (a - b) ** 2


def warped(first, second, band):
    return time_warping.warping(time_warping.band_costs(first, second, square, band))


def table(a, b, band=None):
    """Costs inside a band, of all pairs by default."""
    return time_warping.band_costs(a, b, square, len(a) - 1 if band is None else band)


def test_hard_golden():
    assert warped(FIRST, SECOND, 0).cost == pytest.approx(0.4)
    close = warped(FIRST, SECOND, 1)
    assert (close.cost, close.milliseconds) == (0.0, 20.0)
    far, near = np.array([0.0, 2, 4]), np.array([1.0, 3, 3])
    assert warped(far, near, 0).cost == warped(far, near, 2).cost == 1.0


def test_soft_golden():
    def per_frame(gamma):
        between, own = table(FIRST, SECOND), table(FIRST, FIRST)
        divergence = time_warping.soft_divergence(between, own, table(SECOND, SECOND), gamma)
        return [v / 5 for v in (time_warping.soft_dtw(between, gamma), time_warping.soft_dtw(own, gamma), divergence)]

    assert per_frame(0.1) == pytest.approx([-0.032194, -0.043949, 0.015432], abs=1e-6)
    soft, _, divergence = per_frame(1.0)
    assert (soft, divergence) == (pytest.approx(-0.754299, abs=1e-6), pytest.approx(0.062137, abs=1e-6))
    costs = table(np.array([0.0, 2, 4]), np.array([1.0, 3, 3]))
    assert time_warping.soft_dtw(costs, 1.0) / 3 == pytest.approx(0.663701, abs=1e-6)


def test_soft_warping_hardens_as_gamma_falls_and_keeps_to_the_band(rng):
    first, second = rng.normal(size=(2, 20))
    hard = warped(first, second, 2).cost
    soft = [time_warping.soft_dtw(table(first, second, 2), gamma) / 20 for gamma in (1.0, 0.1, 1e-3)]
    assert soft[0] < soft[1] < soft[2] <= hard
    assert soft[2] == pytest.approx(hard, abs=1e-2)
    only_own = time_warping.soft_dtw(table(first, second, 0), 0.5)
    assert only_own == pytest.approx(square(first, second).sum())
    assert np.isnan(time_warping.soft_dtw(np.full((3, 3), np.nan), 1.0))


@pytest.mark.parametrize("band", [0, 1, 3])
def test_costs_of_frames_that_come_one_by_one(rng, band):
    first, second = rng.normal(size=(2, 9))
    found = time_warping.BandCosts(9, band)
    for a, b in zip(first, second, strict=True):
        found.add(a, b, square)
    np.testing.assert_array_equal(found.costs, table(first, second, band))
    holes = time_warping.BandCosts(9, band)
    for t in range(9):
        holes.add(None if t == 4 else first[t], None if t == 6 else second[t], square)
    first[4] = second[6] = np.nan
    np.testing.assert_array_equal(holes.costs, table(first, second, band))


def test_without_a_band_each_frame_meets_its_own(rng):
    first, second = rng.normal(size=(2, 30))
    found = warped(first, second, 0)
    assert (found.cost, found.shift) == (pytest.approx(square(first, second).mean()), 0.0)


def test_a_wider_band_never_costs_more_and_both_may_move_together(rng):
    first, second = rng.normal(size=(2, 40))
    costs = [warped(first, second, band).cost for band in range(6)]
    assert all(b <= a for a, b in zip(costs, costs[1:], strict=False))
    assert costs[5] < costs[0]
    padded = [np.r_[np.zeros(4), series, np.zeros(4)] for series in (first, second)]
    assert warped(*padded, 3).cost * 48 <= warped(first, second, 3).cost * 40 + 1e-9


def test_small_delays_are_forgiven_and_large_ones_not():
    series = np.cumsum(np.random.default_rng(3).normal(size=300))
    share = {}
    for late in (2, 10):
        base, close = (warped(series[late:], series[:-late], band).cost for band in (0, 3))
        share[late] = close / base
    assert share[2] < 0.1
    assert share[10] > 0.4


def test_faces_that_are_lost_get_the_mean_cost(rng):
    first, second = rng.normal(size=(2, 100))
    first[[7, 50]] = np.nan
    costs = time_warping.band_costs(first, second, square, 3)
    full = time_warping.filled(costs)
    assert np.isnan(costs[7, 2])
    assert full[7, 2] == pytest.approx(np.nanmean(costs[np.isfinite(costs)]))
    assert np.isfinite(time_warping.warping(full).cost)
    first[:20] = np.nan
    assert np.isnan(time_warping.warping(time_warping.filled(time_warping.band_costs(first, second, square, 3))).cost)


def test_lengths_must_agree():
    with pytest.raises(ValueError, match="one length"):
        time_warping.band_costs(np.zeros(3), np.zeros(4), square, 1)


def test_short_series():
    assert np.isnan(warped(np.empty(0), np.empty(0), 3).cost)
    assert warped(np.zeros(1), np.ones(1), 3).cost == 1.0
    assert warped(np.zeros(2), np.ones(2), 3).cost == 1.0
