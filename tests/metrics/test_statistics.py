import itertools
import math

import numpy as np
import pytest
from scipy import stats

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


def test_speakers_are_the_units_where_there_are_several():
    rng = np.random.default_rng(0)
    offsets = rng.normal(0, 5, 6)
    values = np.repeat(offsets, 10) + rng.normal(0, 0.1, 60)
    names = [f"s{i}" for i in range(6) for _ in range(10)]
    by_clip, by_speaker = statistics.estimate(values), statistics.estimate(values, names)
    assert by_speaker.high - by_speaker.low > 2 * (by_clip.high - by_clip.low)
    assert (by_clip.units, by_clip.unit_kind) == (60, "clips")
    assert (by_speaker.units, by_speaker.unit_kind) == (6, "speakers")
    assert statistics.estimate(values, ["one"] * 60) == by_clip
    unlabelled = statistics.estimate(values, ["", *names[1:]])
    assert (unlabelled.units, unlabelled.unit_kind) == (7, "speakers")  # clips without a label are one more speaker


def test_paired_difference_sees_what_unpaired_intervals_hide():
    rng = np.random.default_rng(0)
    hard = rng.normal(20, 8, 30)
    found = statistics.paired_difference(hard + 0.5 + rng.normal(0, 0.3, 30), hard)
    assert found.low > 0
    assert found.p < 0.01
    same = statistics.paired_difference(hard + rng.normal(0, 1, 30), hard)
    assert same.low < 0 < same.high


def test_pairs_need_both_values():
    found = statistics.paired_difference(np.array([1.0, math.nan, 4.0]), np.array([0.0, 1.0, math.nan]))
    assert (found.value, found.n) == (1.0, 1)
    assert math.isnan(found.low)
    assert found.p == 1.0
    with pytest.raises(ValueError, match="one length"):
        statistics.paired_difference(np.ones(2), np.ones(3))


def test_infinite_differences_count_in_the_test_but_not_in_the_mean():
    """Both exact: no difference. One exact: as large as the largest finite difference, and counted apart."""
    exact = math.inf
    found = statistics.paired_difference(
        np.array([exact, exact, 3.0, 4.0, 5.0, 6.0, 7.0]), np.array([exact, 1.0, 2.0, 2.0, 2.0, 2.0, 2.0])
    )
    assert (found.value, found.n, found.infinite) == (2.5, 7, 1)
    assert found.p == 2 / 2**6
    against = statistics.paired_difference(np.array([1.0] * 6 + [0.0]), np.array([0.0] * 6 + [exact]))
    assert against.p == pytest.approx(16 / 2**7)  # one of seven the other way: 8 choices on each side
    only = statistics.paired_difference(np.full(6, exact), np.ones(6))
    assert math.isnan(only.value)
    assert (only.p, only.infinite) == (2 / 2**6, 6)


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
    assert 0.5 < found.high - found.low < 2.5
    plain = statistics.estimate(values)
    assert plain.high - plain.low < 0.05


def test_a_median_is_the_median():
    assert statistics.estimate(np.array([1.0, 2.0, 9.0]), statistic="median").value == 2.0
    found = statistics.paired_difference(np.array([1.0, 2.0, 9.0]), np.zeros(3), statistic="median")
    assert found.value == 4.0  # of pairs, the mean of the differences


def test_a_p_value_is_uniform_where_nothing_differs():
    """Without a difference p is below x in about x of the comparisons, on both sides."""
    rng = np.random.default_rng(1)
    p = np.array([statistics.paired_difference(rng.normal(0, 1, 40), np.zeros(40)).p for _ in range(400)])
    for level in (0.1, 0.3, 0.5, 0.8):
        assert np.mean(p < level) == pytest.approx(level, abs=0.08)
    assert np.mean(p < 0.05) < 0.08


@pytest.mark.parametrize("n", [2, 3, 5, 6, 12, 24])
def test_p_is_never_below_what_n_allows(n):
    ones = np.ones(n)
    for sure in (statistics.paired_difference(ones, 0 * ones), statistics.paired_difference(0 * ones, ones)):
        assert sure.p == statistics.least_p(n) == 2.0 / 2**n
    assert statistics.paired_difference(ones, ones).p == 1.0
    zeros = statistics.paired_difference(np.append(ones, np.zeros(20)), np.zeros(n + 20))
    assert zeros.p == 2.0 / 2**n  # clips without a difference say nothing


def test_p_of_many_clips_is_that_of_random_signs():
    assert statistics.paired_difference(np.ones(25), np.zeros(25)).p == 1 / 10_000
    assert statistics.paired_difference(np.ones(5000), np.zeros(5000)).p == 1 / 10_000
    rng = np.random.default_rng(0)
    values = rng.normal(0.05, 1, 1500)  # p of Student's test is near, whatever the blocks of clips
    expected = stats.ttest_1samp(values, 0).pvalue
    assert statistics.paired_difference(values, np.zeros(1500)).p == pytest.approx(expected, abs=0.02)


def test_p_is_the_share_of_all_choices_of_signs():
    values = np.random.default_rng(3).normal(0.4, 1, 9)
    sums = [abs(np.dot(signs, values)) for signs in itertools.product((-1, 1), repeat=9)]
    expected = np.mean(np.array(sums) >= abs(values.sum()) - 1e-9)
    assert statistics.paired_difference(values, np.zeros(9)).p == expected


def test_clips_of_a_speaker_change_sign_together():
    """Ten clips of two speakers that agree are two observations."""
    found = statistics.paired_difference(np.arange(1.0, 11.0), np.zeros(10), ["a"] * 5 + ["b"] * 5)
    assert (found.p, found.units, found.unit_kind) == (0.5, 2, "speakers")


def test_holm_multiplies_the_smallest_most():
    assert statistics.holm([0.01, 0.04, math.nan, 0.03]) == [0.03, 0.06, pytest.approx(math.nan, nan_ok=True), 0.06]
    assert statistics.holm([0.6, 0.7]) == [1.0, 1.0]
    assert statistics.holm([]) == []


def test_speakers_that_agree_are_worth_as_many_clips():
    """Wilson: 5 of 5 is 57 to 100 %, however many clips each has; Student's quantile would say 39 %."""
    agreeing = statistics.estimate(np.full(20, 100.0), [f"s{n % 5}" for n in range(20)], hit=100.0)
    five = statistics.estimate(np.full(5, 100.0), hit=100.0)
    assert (agreeing.low, agreeing.high) == (five.low, five.high)
    assert five.low == pytest.approx(56.55, abs=0.01)


def test_a_share_of_hits_is_never_certain():
    """Wilson: 10 of 10 is 72 to 100 %; identical scores that are no hits have no spread."""
    found = statistics.estimate(np.full(10, 100.0), hit=100.0)
    assert (found.low, found.high) == (pytest.approx(72.2, abs=0.1), pytest.approx(100.0))
    assert statistics.estimate(np.full(10, 100.0)).low == 100.0
    never = statistics.paired_difference(np.full(10, 100.0), np.full(10, 100.0), hit=100.0)
    assert never.low < 0 < never.high
    assert never.p == 1.0


def test_a_median_has_the_interval_of_the_sign_test():
    """Of 20 values the 6th and the 15th; below five units there is none."""
    found = statistics.estimate(np.arange(1.0, 21.0), statistic="median")
    assert (found.value, found.low, found.high) == (10.5, 6.0, 15.0)
    assert math.isnan(statistics.estimate(np.arange(4.0), statistic="median").low)
    speakers = [f"s{n // 4}" for n in range(20)]
    by_speaker = statistics.estimate(np.arange(1.0, 21.0), speakers, statistic="median")
    assert by_speaker.low < 6.0
    assert by_speaker.high > 15.0


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


def test_the_interval_of_many_clips_is_students(rng):
    values = rng.normal(3, 1, 4000)
    error = values.std() / np.sqrt(4000)
    found = statistics.estimate(values)
    assert (found.high - found.value) / error == pytest.approx(1.96, abs=0.05)
    assert (found.value - found.low) / error == pytest.approx(1.96, abs=0.05)


def test_the_interval_reaches_further_on_the_long_side(rng):
    found = statistics.estimate(rng.lognormal(0, 1, 20))
    assert found.high - found.value > 1.5 * (found.value - found.low)
    mirrored = statistics.estimate(-np.random.default_rng(0).lognormal(0, 1, 20))
    assert mirrored.value - mirrored.low > 1.3 * (mirrored.high - mirrored.value)


def test_methods_without_a_common_clip_have_no_difference():
    found = statistics.paired_difference(np.array([1.0, math.nan]), np.array([math.nan, 1.0]))
    assert found.n == 0
    assert all(math.isnan(number) for number in (found.value, found.low, found.high, found.p))
    assert math.isnan(statistics.pooled_mean(np.array([5.0]), np.array([0])))
