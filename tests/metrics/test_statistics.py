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


def test_a_macro_mean_counts_classes_alike():
    """Means 1 of a single clip and 3 of three: 2, where the mean over clips is 2.5."""
    values, classes = np.array([1.0, 2.0, 3.0, 4.0]), ["a", "b", "b", "b"]
    assert statistics.estimate(values, statistic="macro", classes=classes).value == 2.0
    assert statistics.estimate(values).value == 2.5
    found = statistics.paired_difference(values, np.zeros(4), statistic="macro", classes=classes)
    assert (found.value, found.n) == (2.0, 4)
    with pytest.raises(ValueError, match="a class for each value"):
        statistics.estimate(values, statistic="macro")


def test_undefined_clips_leave_their_class_with_the_others():
    values, classes = np.array([math.nan, 1.0, 2.0, 6.0]), ["a", "a", "b", "b"]
    assert statistics.estimate(values, statistic="macro", classes=classes).value == (1 + 4) / 2
    found = statistics.paired_difference(values, np.zeros(4), statistic="macro", classes=classes)
    assert (found.value, found.n) == ((1 + 4) / 2, 3)


def test_the_interval_of_a_macro_mean_is_of_the_macro_mean(rng):
    """A rare class of wide spread decides the width: its standard error 1 / sqrt 4 counts one half."""
    values = np.concatenate([rng.normal(0, 0.01, 400), np.array([-1.5, -0.5, 0.5, 1.5])])
    classes = ["common"] * 400 + ["rare"] * 4
    found = statistics.estimate(values, statistic="macro", classes=classes)
    assert 0.5 < found.high - found.low < 1.6
    plain = statistics.estimate(values)
    assert plain.high - plain.low < 0.05


def test_a_median_is_the_median():
    assert statistics.estimate(np.array([1.0, 2.0, 9.0]), statistic="median").value == 2.0
    found = statistics.paired_difference(np.array([1.0, 2.0, 9.0]), np.zeros(3), statistic="median")
    assert found.value == 4.0  # of pairs, the mean of the differences


def test_a_p_value_is_uniform_where_nothing_differs():
    """Without a difference p is below x in about x of the comparisons, on both sides."""
    rng = np.random.default_rng(1)
    found = [statistics.paired_difference(rng.normal(0, 1, 40), np.zeros(40), resamples=400) for _ in range(400)]
    p = np.array([difference.p for difference in found])
    for level in (0.1, 0.3, 0.5, 0.8):
        assert np.mean(p < level) == pytest.approx(level, abs=0.08)
    assert np.mean(p < 0.05) < 0.11


def test_a_p_value_counts_both_sides_and_never_vanishes():
    ones = np.ones(10)
    sure = statistics.paired_difference(ones, 0 * ones, resamples=999)
    assert sure.p == 2 / 1000
    assert statistics.paired_difference(0 * ones, ones, resamples=999).p == sure.p
    assert statistics.paired_difference(ones, ones, resamples=999).p == 1.0


def test_the_pooled_mean_leaves_out_what_has_no_frames():
    values, frames = np.array([1.0, math.nan, 5.0, 2.0]), np.array([3, 4, 0, 1])
    assert statistics.pooled_mean(values, frames) == pytest.approx((3 * 1 + 2) / 4)
    assert math.isnan(statistics.pooled_mean(np.array([math.nan]), np.array([3])))


def test_one_clip_has_a_value_and_no_interval():
    found = statistics.estimate(np.array([3.0]))
    assert (found.value, found.n) == (3.0, 1)
    assert math.isnan(found.low)
    assert math.isnan(found.high)


def test_infinite_and_finite_clips_have_no_interval():
    found = statistics.estimate(np.array([math.inf, 1.0]))
    assert (found.value, found.n) == (math.inf, 2)
    assert math.isnan(found.low)


def test_a_clip_without_a_speaker_lets_clips_be_resampled(rng):
    values = rng.normal(0, 1, 12)
    names = [f"s{i // 2}" for i in range(12)]
    assert statistics.estimate(values, names) != statistics.estimate(values)
    assert statistics.estimate(values, ["", *names[1:]]) == statistics.estimate(values)
    assert statistics.estimate(values[:10], names[:10]) != statistics.estimate(values[:10])  # five speakers
    assert statistics.estimate(values[:8], names[:8]) == statistics.estimate(values[:8])


def test_both_ends_of_an_interval_leave_out_as_much(rng):
    values = rng.normal(3, 1, 400)
    error = values.std() / 20
    found = statistics.estimate(values, resamples=20_000)
    paired = statistics.paired_difference(values, np.zeros(400), resamples=20_000)
    for ends in (found, paired):
        assert (ends.high - ends.value) / error == pytest.approx(1.96, abs=0.08)
        assert (ends.value - ends.low) / error == pytest.approx(1.96, abs=0.08)


def test_methods_without_a_common_clip_have_no_difference():
    found = statistics.paired_difference(np.array([1.0, math.nan]), np.array([math.nan, 1.0]))
    assert found.n == 0
    assert all(math.isnan(number) for number in (found.value, found.low, found.high, found.p))
    assert math.isnan(statistics.pooled_mean(np.array([5.0]), np.array([0])))
