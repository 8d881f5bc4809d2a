"""CPBD: cumulative probability of blur detection, a sharpness measure without reference.

Source: Narvekar and Karam, A No-Reference Image Blur Metric Based on the Cumulative Probability of
Blur Detection, IEEE TIP 20(9), 2011; details as in the authors' and the Python package's code.
"""

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from gmbench.metrics import _edge_kernels as kernels
from gmbench.metrics.spec import MetricSpec

BLOCK = 64
EDGE_SHARE = 0.002
BETA = 3.6
LAST_BIN = 63
"""A pixel counts as sharp when its blur probability in percent, rounded, is at most this."""
_CANNY_LOW, _CANNY_HIGH = 0.1, 0.2


def cpbd(grey: NDArray[np.uint8]) -> float:
    """CPBD of one 8-bit luma image (H, W): share of edge pixels too sharp to look blurred, in [0, 1].

    Only complete 64x64 blocks count; an image without an edge gives 0.

    Raises:
        ValueError: not a two-dimensional uint8 image, or smaller than one block.
    """
    if grey.ndim != 2 or grey.dtype != np.uint8:
        raise ValueError(f"expected a uint8 image (H, W), got {grey.dtype} {grey.shape}")
    if min(grey.shape) < BLOCK:
        raise ValueError(f"expected an image of at least {BLOCK}x{BLOCK} pixels, got {grey.shape}")
    image = grey.astype(np.float64)
    blocks = _blocks(kernels.edge_widths(image, kernels.vertical_edges(image)))
    levels = _blocks(grey)
    contrast = levels.max(axis=1).astype(int) - levels.min(axis=1)
    sharp = total = 0
    for block in np.flatnonzero(edge_blocks(image)):
        bins = blur_bins(blocks[block][blocks[block] > 0], int(contrast[block]))
        sharp += int((bins <= LAST_BIN).sum())
        total += bins.size
    return sharp / total if total else 0.0


def blur_bins(widths: NDArray[np.integer], contrast: int) -> NDArray[np.int64]:
    """Blur probability of edge pixels, in percent: round(100 (1 - exp(-(w / w_JNB)^3.6))).

    Args:
        widths: (n,) edge widths in pixels.
        contrast: grey levels between darkest and brightest pixel of the block; up to 50 the
            just-noticeable width w_JNB is 5 pixels, above 3.
    """
    noticeable = 5.0 if contrast <= 50 else 3.0
    probability = 1.0 - np.exp(-((np.asarray(widths, np.float64) / noticeable) ** BETA))
    return np.rint(100.0 * probability).astype(np.int64)


def edge_blocks(image: NDArray[np.float64]) -> NDArray[np.bool_]:
    """Which complete blocks of an image (H, W) hold edges: Canny pixels on more than 0.2 % of the block.

    Canny with sigma 1 and thresholds 0.1 and 0.2 (scikit-image's defaults, permissive on a 0-255
    scale). Pixels above the high threshold are edges for certain; only where they do not decide is the
    hysteresis run.
    """
    strength = kernels.edge_strength(kernels.smooth(image, kernels.TAPS), _CANNY_LOW)
    least = EDGE_SHARE * BLOCK * BLOCK
    strong, weak = strength >= _CANNY_HIGH, strength > 0
    certain = _blocks(strong).sum(axis=1) > least
    if np.array_equal(certain, _blocks(weak).sum(axis=1) > least):
        return certain
    labels, _ = ndimage.label(weak, np.ones((3, 3), bool))
    kept = np.isin(labels, np.unique(labels[strong])) & weak
    return np.asarray(_blocks(kept).sum(axis=1) > least)


def _blocks(image: NDArray) -> NDArray:
    """Complete blocks of an image (H, W) as rows (n, BLOCK * BLOCK)."""
    rows, columns = image.shape[0] // BLOCK, image.shape[1] // BLOCK
    cut = image[: rows * BLOCK, : columns * BLOCK].reshape(rows, BLOCK, columns, BLOCK)
    return cut.swapaxes(1, 2).reshape(rows * columns, BLOCK * BLOCK)


SPECS = (
    MetricSpec(
        name="cpbd",
        title="CPBD",
        group="picture",
        version=2,
        direction="higher",
        best="reference",
        unit="",
        range="[0, 1]",
        needs=(),
        aggregation="frame mean -> clip mean",
        source="Narvekar and Karam, IEEE TIP 20(9), 2011; FlowVQTalker T. 1",
        interpretation="Share of edges sharp enough not to look blurred. Compare with the ground-truth row.",
        caveats="Depends on resolution: always state H x W; nothing is resized. Noise and compression "
        "ringing raise it, so a method can exceed real video: read cpbd_gap as well.",
    ),
    MetricSpec(
        name="cpbd_gap",
        title="|CPBD - GT|",
        group="picture",
        what="Distance of the sharpness to the real clip's.",
        version=2,
        direction="lower",
        unit="",
        range="[0, 1]",
        needs=("reference",),
        aggregation="absolute difference of the clip's means -> clip mean",
        source="this suite: CPBD is not a fidelity measure, its distance to the real clip is closer to one",
        interpretation="0 means as sharp as the real clip.",
        caveats="If the sizes of the two clips differ, the gap measures size as well.",
    ),
)
