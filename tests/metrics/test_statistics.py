import math

import numpy as np
import pytest

from gmbench.metrics import statistics


def test_clip_mean_and_pooled_golden():
    values, frames = np.array([30.0, 20.0]), np.array([10, 90])
    assert statistics.estimate(values).value == 25.0
    assert statistics.pooled_mean(values, frames) == pytest.approx(21.0)


def test_undefined_clips_lower_n_and_nothing_else():
    found = statistics.estimate(np.array([1.0, math.nan, 3.0]))
    assert (found.value, found.n) == (2.0, 2)
    assert statistics.estimate(np.array([math.nan])).n == 0


def test_infinite_clips_stay_infinite():
    found = statistics.estimate(np.array([math.inf, math.inf]))
    assert (found.value, found.low, found.high) == (math.inf, math.inf, math.inf)


def test_interval_covers_the_true_mean_about_as_often_as_it_says():
    rng = np.random.default_rng(0)
    hits = 0
    for _ in range(200):
        found = statistics.estimate(rng.normal(5.0, 2.0, 40), resamples=400)
        hits += found.low <= 5.0 <= found.high
    assert 0.88 <= hits / 200 <= 0.99


def test_speakers_are_resampled_from_five_on():
    rng = np.random.default_rng(0)
    offsets = rng.normal(0, 5, 6)
    values = np.repeat(offsets, 10) + rng.normal(0, 0.1, 60)
    names = [f"s{i}" for i in range(6) for _ in range(10)]
    by_clip, by_speaker = statistics.estimate(values), statistics.estimate(values, names)
    assert by_speaker.high - by_speaker.low > 2 * (by_clip.high - by_clip.low)
    few = statistics.estimate(values[:40], names[:40])
    assert few == statistics.estimate(values[:40])


def test_paired_difference_sees_what_unpaired_intervals_hide():
    rng = np.random.default_rng(0)
    hard = rng.normal(20, 8, 30)
    found = statistics.paired_difference(hard + 0.5 + rng.normal(0, 0.3, 30), hard)
    assert found.low > 0
    assert found.p < 0.01
    same = statistics.paired_difference(hard + rng.normal(0, 1, 30), hard)
    assert same.low < 0 < same.high


def test_pairs_need_both_values():
    found = statistics.paired_difference(np.array([1.0, math.nan, math.inf]), np.array([0.0, 1.0, 1.0]))
    assert (found.value, found.n) == (1.0, 1)
    assert math.isnan(found.p)
    with pytest.raises(ValueError, match="one length"):
        statistics.paired_difference(np.ones(2), np.ones(3))
