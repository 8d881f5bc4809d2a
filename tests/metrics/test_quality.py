import math

import numpy as np
import pytest

from gmbench.metrics import quality


def grey(value, size=64):
    return np.full((size, size), value, np.uint8)


RAMP = np.tile(np.arange(64, dtype=np.uint8), (64, 1))
CHECKER = ((np.indices((64, 64)).sum(axis=0) % 2) * 255).astype(np.uint8)


def test_psnr_golden():
    assert quality.psnr(grey(0), grey(16)) == pytest.approx(24.048404, abs=1e-6)
    assert quality.psnr(grey(7), grey(7)) == math.inf


def test_clip_psnr_is_the_mean_of_frames_not_of_errors():
    value, capped = quality.clip_psnr(np.array([1.0, 100.0]))
    assert value == pytest.approx(38.130804, abs=1e-6)
    assert not capped
    assert float(quality.psnr_from_mse(50.5)) == pytest.approx(31.097890, abs=1e-6)


def test_an_identical_frame_is_capped_and_an_identical_clip_is_infinite():
    value, capped = quality.clip_psnr(np.array([0.0, 100.0]))
    assert capped
    assert value == pytest.approx((100.0 + 28.130804) / 2, abs=1e-6)
    assert quality.clip_psnr(np.zeros(3)) == (math.inf, False)
    assert math.isnan(quality.clip_psnr(np.empty(0))[0])


@pytest.mark.parametrize(
    ("a", "b", "ssim", "ssim_u7"),
    [
        (RAMP, 2 * RAMP, 0.775196, 0.760128),
        (grey(100), grey(120), 0.98361092, 0.98361092),
        (CHECKER, 255 - CHECKER, -0.996406, -0.995649),
    ],
)
def test_ssim_golden(a, b, ssim, ssim_u7):
    assert quality.ssim(a, b) == pytest.approx(ssim, abs=1e-5)
    assert quality.ssim_u7(a, b) == pytest.approx(ssim_u7, abs=1e-5)


@pytest.mark.parametrize("function", [quality.ssim, quality.ssim_u7])
def test_ssim_of_grey_copied_to_rgb_is_the_same(function):
    rgb = [np.repeat(frame[..., None], 3, axis=2) for frame in (RAMP, 2 * RAMP)]
    assert function(*rgb) == pytest.approx(function(RAMP, 2 * RAMP), abs=1e-6)


@pytest.mark.parametrize("function", [quality.ssim, quality.ssim_u7])
def test_ssim_invariances(function, rng):
    a = rng.integers(0, 256, (40, 50, 3), dtype=np.uint8)
    b = rng.integers(0, 256, (40, 50, 3), dtype=np.uint8)
    assert function(a, a) == pytest.approx(1.0, abs=1e-6)
    assert function(a, b) == pytest.approx(function(b, a), abs=1e-6)
    assert function(a[..., ::-1], b[..., ::-1]) == pytest.approx(function(a, b), abs=1e-6)
    window = a[:, 5:45], b[:, 5:45]  # not contiguous
    assert function(*window) == pytest.approx(function(*(w.copy() for w in window)), abs=0)


@pytest.mark.parametrize("function", [quality.psnr, quality.ssim, quality.ssim_u7])
def test_more_noise_scores_lower(function, rng):
    a = np.clip(rng.normal(128, 40, (64, 64, 3)), 0, 255).astype(np.uint8)
    noise = rng.normal(0, 1, a.shape)
    scores = [function(a, np.clip(a + s * noise, 0, 255).astype(np.uint8)) for s in (2, 8, 32)]
    assert scores == sorted(scores, reverse=True)


@pytest.mark.parametrize("function", [quality.psnr, quality.ssim, quality.ssim_u7])
def test_unfit_input_is_refused(function):
    with pytest.raises(ValueError, match="one shape"):
        function(grey(1), grey(1, 32))
    with pytest.raises(ValueError, match="uint8"):
        function(grey(1).astype(float), grey(1).astype(float))


def test_frames_below_the_window_are_refused():
    with pytest.raises(ValueError, match="11x11"):
        quality.ssim(grey(1, 10), grey(1, 10))
