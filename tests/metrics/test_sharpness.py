import numpy as np
import pytest
from scipy.ndimage import gaussian_filter
from skimage.feature import canny

from gmbench.metrics import _edge_kernels, sharpness


def noise(sigma):
    image = np.random.default_rng(0).integers(0, 256, (128, 128)).astype(float)
    return np.rint(gaussian_filter(image, sigma)).astype(np.uint8)


def test_component_golden():
    widths = np.array([2, 3, 4, 5])
    assert sharpness.blur_bins(widths, 100).tolist() == [21, 63, 94, 100]
    assert sharpness.blur_bins(widths, 40).tolist() == [4, 15, 36, 63]
    assert (sharpness.blur_bins(widths, 100) <= sharpness.LAST_BIN).mean() == 0.5
    assert (sharpness.blur_bins(widths, 40) <= sharpness.LAST_BIN).mean() == 1.0


@pytest.mark.parametrize(("sigma", "expected"), [(0, 0.915), (1, 0.644), (2, 0.070)])
def test_integration_golden(sigma, expected):
    assert sharpness.cpbd(noise(sigma)) == pytest.approx(expected, abs=0.02)


def test_constant_image_has_no_edges():
    assert sharpness.cpbd(np.full((128, 128), 90, np.uint8)) == 0.0


def test_incomplete_blocks_do_not_count():
    image = noise(0)
    padded = np.pad(image, ((0, 40), (0, 20)), mode="edge")
    assert sharpness.cpbd(padded) == pytest.approx(sharpness.cpbd(image), abs=0.03)


def test_edge_blocks_are_those_of_scikit_image():
    rng = np.random.default_rng(5)
    for sigma in (0.0, 1.0, 3.0, 6.0, 12.0):
        image = np.rint(gaussian_filter(rng.uniform(0, 255, (192, 256)), sigma))
        image[:64, :128] = 30  # flat blocks are no edge blocks
        expected = sharpness._blocks(canny(image, sigma=1.0)).mean(axis=1) > sharpness.EDGE_SHARE
        assert sharpness.edge_blocks(image).tolist() == expected.tolist()


def test_smoothing_ignores_what_lies_outside():
    flat = np.full((20, 30), 50.0)
    assert _edge_kernels.smooth(flat, _edge_kernels.TAPS) == pytest.approx(50.0)


@pytest.mark.parametrize("bad", [np.zeros((64, 64, 3), np.uint8), np.zeros((64, 64)), np.zeros((63, 80), np.uint8)])
def test_unfit_input_is_refused(bad):
    with pytest.raises(ValueError, match="expected"):
        sharpness.cpbd(bad)
