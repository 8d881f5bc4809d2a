import numpy as np
import pytest
from scipy.linalg import sqrtm

from gmbench.metrics.frechet import Moments, frechet_distance, frechet_distance_of_moments


def moments(mean, covariance):
    return Moments(2, np.array(mean, float), np.array(covariance, float))


def test_closed_forms():
    assert frechet_distance_of_moments(moments([0] * 4, np.eye(4)), moments([1] * 4, 4 * np.eye(4))) == pytest.approx(8)
    found = frechet_distance_of_moments(moments([0, 0], [[2, 1], [1, 2]]), moments([1, 2], [[1, 0], [0, 3]]))
    assert found == pytest.approx(5.516685, abs=1e-6)


def test_divisor_is_n_minus_one():
    a = np.array([(0, 0), (2, 0), (0, 2), (2, 2)], float)
    b = np.array([(1, 1), (5, 1), (1, 3), (5, 3)], float)
    assert frechet_distance(a, b) == pytest.approx(6.333333, abs=1e-6)
    assert frechet_distance_of_moments(Moments.of(a), Moments.of(b)) == pytest.approx(6.333333, abs=1e-6)


def test_same_set_twice_is_zero():
    x = np.random.default_rng(1).normal(size=(50, 20)).astype(np.float32)
    assert abs(frechet_distance(x, x)) < 1e-6


def test_rank_deficient_sets_agree_with_sqrtm():
    rng = np.random.default_rng(0)
    x, y = rng.normal(size=(20, 64)), rng.normal(size=(30, 64)) + 0.1
    cross = np.trace(sqrtm(np.cov(x.T) @ np.cov(y.T)).real)
    shift = x.mean(0) - y.mean(0)
    slow = shift @ shift + np.trace(np.cov(x.T)) + np.trace(np.cov(y.T)) - 2 * cross
    assert frechet_distance(x, y) == pytest.approx(slow, abs=1e-3)
    assert frechet_distance(x, y) == pytest.approx(71.414, abs=1e-3)


@pytest.mark.parametrize("sizes", [(40, 300), (300, 200), (20, 25)])
def test_both_forms_agree(sizes):
    rng = np.random.default_rng(2)
    x, y = rng.normal(size=(sizes[0], 30)), rng.normal(size=(sizes[1], 30)) * 1.5
    assert frechet_distance(x, y) == pytest.approx(frechet_distance_of_moments(Moments.of(x), Moments.of(y)), rel=1e-6)


def test_statistics_merge_to_those_of_the_union():
    rows = np.random.default_rng(3).normal(size=(101, 7)) + 5
    for cuts in ([1], [50], [3, 40, 41]):
        parts = [Moments.of(part) for part in np.split(rows, cuts)]
        merged = parts[0]
        for part in parts[1:]:
            merged = merged.merge(part)
        assert merged.count == 101
        np.testing.assert_allclose(merged.covariance, np.cov(rows.T), rtol=1e-10, atol=1e-12)
        np.testing.assert_allclose(merged.mean, rows.mean(0), rtol=1e-12)


def test_bad_sets_are_refused():
    with pytest.raises(ValueError, match="at least two"):
        frechet_distance(np.zeros((1, 3)), np.zeros((4, 3)))
    with pytest.raises(ValueError, match="one width"):
        frechet_distance(np.zeros((4, 2)), np.zeros((4, 3)))
