"""Intervals hold the true mean, and tests find nothing where nothing is, as often as they say; seeded and quick.

``python -m benchmarks.coverage`` prints all cases with more repeats.
"""

import numpy as np
import pytest

from benchmarks import coverage

REPEATS = 600
CASES = [
    ("lognormal, sigma 1", 8), ("lognormal, sigma 1", 30), ("lognormal, sigma 0.5", 5), ("exponential", 10),
    ("near a ceiling: beta(5, 0.5)", 6), ("near a ceiling: beta(5, 0.5)", 20), ("normal", 10), ("uniform", 100),
]  # fmt: skip


@pytest.mark.parametrize(("scores", "clips"), CASES)
def test_intervals_hold_the_mean_of_skewed_scores(scores, clips):
    assert 92 <= coverage.coverage(coverage.CLIPS[scores], np.arange(clips), False, REPEATS, seed=1) <= 98


@pytest.mark.parametrize("scores", ["lognormal", "near a ceiling"])
@pytest.mark.parametrize(("speakers", "clips"), [(6, 3), (12, 5)])
def test_intervals_hold_the_mean_of_clips_nested_in_speakers(scores, speakers, clips):
    nested = coverage.equal_speakers(speakers, clips)
    assert 92 <= coverage.coverage(coverage.NESTED[scores], nested, True, REPEATS, seed=1) <= 98


def test_clips_taken_as_independent_would_miss_it():
    """The same clips without their speakers' names: what labels are for."""
    nested = coverage.equal_speakers(6, 10)
    scores = coverage.NESTED["lognormal"]
    assert coverage.coverage(scores, nested, False, REPEATS) < 80


@pytest.mark.parametrize("units", [6, 10, 30])
@pytest.mark.parametrize("nested", [False, True])
def test_the_share_of_small_p_is_what_it_says(units, nested):
    """3.1 % is all that six units allow below 5 %."""
    speakers = coverage.equal_speakers(units, 3 if nested else 1)
    share = coverage.false_positives(coverage.NULLS["lognormal"], speakers, nested, 800, seed=2)
    assert 2 <= share <= 6.5
