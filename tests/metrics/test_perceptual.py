import numpy as np
import pytest
import torch

from gmbench.metrics import perceptual


def test_toy_layer():
    f, g = (torch.tensor(v, dtype=torch.float32)[None, :, None, None] for v in ([3.0, 4.0], [4.0, 3.0]))
    distance = perceptual.layer_distance(perceptual.unit_normalised(f), perceptual.unit_normalised(g))
    assert float(distance) == pytest.approx(0.08, abs=1e-6)
    assert 256 * float(distance) == pytest.approx(20.48, abs=1e-3)


def steps(values):
    return np.abs(np.diff(values))


def test_paths():
    k = np.arange(17) / 16
    assert perceptual.path_length(steps(k)) == pytest.approx(16)
    assert perceptual.path_variance(steps(k)) == pytest.approx(0)
    assert perceptual.path_length(steps(k**2)) == pytest.approx(16)
    assert perceptual.path_variance(steps(k**2)) == pytest.approx(85)
    assert perceptual.path_length(np.zeros(16)) == perceptual.path_variance(np.zeros(16)) == 0
    assert np.array([1.0, 3.0]).var() * 4**2 == perceptual.path_variance(np.array([1.0, 3.0]))


def test_relative_length():
    square = lambda v: np.diff(v) ** 2  # noqa: E731
    assert perceptual.relative_path_length(square(np.linspace(0, 1, 17)), 1.0) == pytest.approx(1)
    assert perceptual.relative_path_length(square(np.array([0, 1, 0.5])), 0.25) == pytest.approx(3)
    assert np.isnan(perceptual.relative_path_length(np.zeros(16), 0.0))
