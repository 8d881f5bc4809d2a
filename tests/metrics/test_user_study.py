import numpy as np
import pytest

from gmbench.metrics import user_study


def test_preference_share_golden():
    assert user_study.preference_share(np.array([30, 10, 16])) == pytest.approx([53.57, 17.86, 28.57], abs=0.005)
    assert np.isnan(user_study.preference_share(np.zeros(3))).all()


def test_mean_opinion_score_golden():
    score = user_study.mean_opinion_score(np.array([5, 4, 4, 3]))
    assert (score.mean, score.n) == (4.0, 4)
    assert score.deviation == pytest.approx(0.816497, abs=1e-6)
    assert score.half_width == pytest.approx(1.299228, abs=1e-6)


def test_alpha_is_one_for_agreement_and_zero_for_noise():
    rng = np.random.default_rng(0)
    truth = rng.integers(1, 6, 40).astype(float)
    assert user_study.krippendorff_alpha(np.tile(truth, (5, 1))) == pytest.approx(1.0)
    noise = rng.integers(1, 6, (8, 200)).astype(float)
    assert user_study.krippendorff_alpha(noise) == pytest.approx(0.0, abs=0.05)


def test_alpha_golden_with_missing_ratings():
    """Krippendorff's published example: four observers, twelve units, nominal alpha 0.743, ordinal 0.815."""
    nan = np.nan
    table = np.array(
        [
            [1, 2, 3, 3, 2, 1, 4, 1, 2, nan, nan, nan],
            [1, 2, 3, 3, 2, 2, 4, 1, 2, 5, nan, 3],
            [nan, 3, 3, 3, 2, 3, 4, 2, 2, 5, 1, nan],
            [1, 2, 3, 3, 2, 4, 4, 1, 2, 5, 1, nan],
        ]
    )
    assert user_study.krippendorff_alpha(table, ordinal=False) == pytest.approx(0.743, abs=0.001)
    assert user_study.krippendorff_alpha(table, ordinal=True) == pytest.approx(0.815, abs=0.001)


def test_interval_resamples_raters_and_clips():
    rng = np.random.default_rng(0)
    table = rng.normal(0, 1, (10, 1)) + rng.normal(0, 0.1, (10, 20))
    low, high = user_study.two_level_interval(table)
    assert low < table.mean() < high
    assert high - low > 0.5  # raters differ much more than clips
