"""PSNR and SSIM of one pair of frames."""

import functools
import math

import numpy as np
from numpy.typing import NDArray

from gmbench.metrics import _ssim_kernels
from gmbench.metrics.spec import MetricSpec

Frame = NDArray[np.uint8]

PSNR_CAP_DB = 100.0
"""Value that an identical frame contributes to the mean of a clip."""


def mse(a: Frame, b: Frame) -> float:
    """Mean squared error of two uint8 frames of equal shape on the 0-255 scale."""
    _check_pair(a, b)
    flat_a, flat_b = _plain(a).ravel(), _plain(b).ravel()
    return float(_ssim_kernels.squared_error(flat_a, flat_b) / a.size)


def psnr_from_mse(error: NDArray[np.float64] | float) -> NDArray[np.float64]:
    """PSNR in dB for a peak of 255: 10 log10(255^2 / MSE); infinite where the error is zero."""
    with np.errstate(divide="ignore"):
        return np.asarray(10.0 * np.log10(255.0**2 / np.asarray(error, np.float64)))


def psnr(a: Frame, b: Frame) -> float:
    """PSNR in dB of two uint8 frames (H, W, C) or (H, W), over all channels; ``inf`` if identical."""
    return float(psnr_from_mse(mse(a, b)))


def clip_psnr(errors: NDArray[np.float64]) -> tuple[float, bool]:
    """PSNR of a clip: the mean of the frames' PSNRs.

    A single identical frame would make the mean infinite, so identical frames count as
    ``PSNR_CAP_DB`` unless every frame is identical, which gives infinity.

    Args:
        errors: (T,) MSE per frame.

    Returns:
        the mean in dB, and whether a frame was capped.
    """
    errors = np.asarray(errors, np.float64)
    if errors.size == 0:
        return math.nan, False
    if not errors.any():
        return math.inf, False
    values = psnr_from_mse(errors)
    capped = values > PSNR_CAP_DB
    return float(np.minimum(values, PSNR_CAP_DB).mean()), bool(capped.any())


def ssim(a: Frame, b: Frame) -> float:
    """SSIM as first defined: 11x11 Gaussian window (sigma 1.5), population moments, valid area.

    Args:
        a, b: uint8 frames (H, W, C) or (H, W), at least 11x11; data range 255.

    Returns:
        mean over positions and channels, in [-1, 1].

    Raises:
        ValueError: unequal shapes, another dtype, or frames smaller than the window.

    Source: Wang et al., Image Quality Assessment, IEEE TIP 13(4), 2004.
    """
    rows_a, rows_b, channels = _as_rows(a, b, window=11)
    return float(_ssim_kernels.gaussian_ssim(rows_a, rows_b, channels, _gaussian_taps()))


def ssim_u7(a: Frame, b: Frame) -> float:
    """SSIM with a 7x7 uniform window and sample covariance, as published talking-head code runs it.

    This is scikit-image's default and what the EAT evaluation code calls. Same arguments, result
    and errors as :func:`ssim`; at least 7x7.
    """
    rows_a, rows_b, channels = _as_rows(a, b, window=7)
    return float(_ssim_kernels.uniform_ssim(rows_a, rows_b, channels))


@functools.cache
def _gaussian_taps() -> NDArray[np.float32]:
    x = np.arange(-5, 6)
    taps = np.exp(-(x**2) / (2 * 1.5**2))
    return (taps / taps.sum()).astype(np.float32)


def _as_rows(a: Frame, b: Frame, window: int) -> tuple[Frame, Frame, int]:
    _check_pair(a, b)
    if min(a.shape[:2]) < window:
        raise ValueError(f"expected frames of at least {window}x{window} pixels, got {a.shape[:2]}")
    channels = 1 if a.ndim == 2 else a.shape[2]
    height, width = a.shape[:2]
    shape = (height, width * channels)
    return _plain(a).reshape(shape), _plain(b).reshape(shape), channels


def _plain(frame: Frame) -> Frame:
    """One kind of array for the kernels: processes that compile for several kinds at once spoil numba's cache."""
    return np.require(frame, requirements=["C", "W"])


def _check_pair(a: Frame, b: Frame) -> None:
    if a.dtype != np.uint8 or b.dtype != np.uint8:
        raise ValueError(f"expected two uint8 frames, got {a.dtype} and {b.dtype}")
    if a.shape != b.shape:
        raise ValueError(f"expected two frames of one shape, got {a.shape} and {b.shape}")
    if a.ndim not in (2, 3) or a.size == 0:
        raise ValueError(f"expected frames of shape (H, W) or (H, W, C), got {a.shape}")


SPECS = (
    MetricSpec(
        name="psnr",
        title="PSNR",
        group="picture",
        version=2,
        direction="higher",
        unit="dB",
        range="(-inf, inf]",
        needs=("reference",),
        aggregation="frame mean -> clip mean; also reported pooled over frames",
        source="GMTalker T. I, II, IV, V; EDTalk T. 1 (EAT evaluation: mean of per-frame PSNR, RGB)",
        interpretation="Pixel fidelity to the reference frame at the same time. One frame out of step costs "
        "several dB on a moving face, so check lengths and offsets before reading differences.",
        caveats="Mean of per-frame PSNR, not PSNR of the pooled MSE (they differ by many dB). Identical "
        "frames count as 100 dB inside a clip mean (flag psnr_capped); a fully identical clip is inf. "
        "Values on face crops (eat128) and on full frames are not comparable.",
    ),
    MetricSpec(
        name="ssim",
        title="SSIM",
        group="picture",
        version=2,
        direction="higher",
        unit="",
        range="[-1, 1]",
        needs=("reference",),
        aggregation="frame mean -> clip mean; also reported pooled over frames",
        source="Wang et al., IEEE TIP 13(4), 2004: Gaussian 11x11 window, sigma 1.5, valid area",
        interpretation="Structural similarity to the reference frame, averaged over RGB.",
        caveats="Not the SSIM of most talking-head papers, which is scikit-image's default (ssim_u7). "
        "torchmetrics averages over padded borders and gives a third value.",
    ),
    MetricSpec(
        name="ssim_u7",
        title="SSIM (7x7)",
        group="picture",
        what="SSIM as the published tables compute it: a 7x7 uniform window.",
        version=2,
        direction="higher",
        unit="",
        range="[-1, 1]",
        needs=("reference",),
        aggregation="frame mean -> clip mean; also reported pooled over frames",
        source="EAT evaluation code: scikit-image default, 7x7 uniform window, sample covariance",
        interpretation="The SSIM of the published tables; compare with those only under protocol eat128.",
        caveats="Differs from ssim by a few hundredths; never put the two in one column.",
    ),
)
