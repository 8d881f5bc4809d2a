import numpy as np
import pytest

from gmbench.metrics import expression
from gmbench.metrics.frechet import frechet_distance

SQUARE = np.array([(0, 0), (2, 0), (0, 2), (2, 2)], float)


def test_frechet_golden():
    assert frechet_distance(SQUARE, SQUARE + [1, 0]) == pytest.approx(1.0)
    assert frechet_distance(SQUARE, 2 * SQUARE) == pytest.approx(4.666667, abs=1e-6)
    assert frechet_distance(SQUARE, np.ones((4, 2))) == pytest.approx(2.666667, abs=1e-6)


def test_expression_and_pose_golden():
    generated, real = np.array([(0.1, 0.2), (0.3, 0.4)]), np.array([(0.2, 0.2), (0.3, 0.0)])
    assert 100 * expression.expression_distance(generated, real).mean() == pytest.approx(12.5)
    turned, away = np.array([(179, 0, 0), (0, 1, 0)], float), np.array([(-179, 0, 0), (0, 0, 3)], float)
    assert expression.pose_distance(turned, away).mean() / 3 == pytest.approx(1.0)


def test_the_neutral_shape_is_dropped_and_lost_frames_have_no_value():
    shapes = np.zeros((2, 52))
    shapes[:, 0], shapes[1, 5] = 0.9, np.nan
    assert expression.expressions(shapes).shape == (2, 51)
    assert np.isnan(expression.expression_distance(expression.expressions(shapes), np.zeros((2, 51)))).tolist() == [
        False, True,
    ]  # fmt: skip
    assert expression.expression_distance(expression.expressions(shapes), np.zeros((2, 51)))[0] == 0


def test_order_of_frames_does_not_matter_to_a_set_and_does_to_pairs(rng):
    shapes = rng.uniform(0, 1, (40, 4))
    order = rng.permutation(40)
    assert frechet_distance(shapes, shapes[order]) == pytest.approx(0.0, abs=1e-9)
    assert expression.expression_distance(shapes, shapes[order]).mean() > 0.1


def test_angles_turn_the_short_way_round():
    assert expression.wrapped(np.array([0.0, 180.0, 190.0, -359.0, 720.5])) == pytest.approx([0, 180, 170, 1, 0.5])
