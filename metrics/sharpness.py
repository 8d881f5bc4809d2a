"""CPBD: cumulative probability of blur detection, a sharpness measure without reference.

Source: Narvekar and Karam, A No-Reference Image Blur Metric Based on the Cumulative Probability of
Blur Detection, IEEE TIP 20(9), 2011; details as in the authors' and the Python package's code.
"""

import numpy as np
from numba import njit
from numpy.typing import NDArray
from scipy import ndimage
from skimage.feature import canny

from metrics.facts import Facts

BLOCK = 64
EDGE_SHARE = 0.002
BETA = 3.6
LAST_BIN = 63
"""A pixel counts as sharp when its blur probability in percent, rounded, is at most this."""
_SOBEL = np.outer([1.0, 2.0, 1.0], [1.0, 0.0, -1.0]) / 8.0


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
    widths = edge_widths(image, vertical_edges(image))
    blocks = _blocks(widths)
    edge_blocks = _blocks(canny(image, sigma=1.0)).mean(axis=1) > EDGE_SHARE
    levels = _blocks(grey)
    contrast = levels.max(axis=1).astype(int) - levels.min(axis=1)
    sharp = total = 0
    for block in np.flatnonzero(edge_blocks):
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


def vertical_edges(image: NDArray[np.float64]) -> NDArray[np.bool_]:
    """Thinned vertical-edge pixels of an image (H, W): squared Sobel response above 2 sqrt(mean)."""
    strength = ndimage.convolve(image, _SOBEL) ** 2
    strength[strength <= 2.0 * np.sqrt(strength.mean())] = 0.0
    padded = np.pad(strength, 1)
    left, right = padded[1:-1, :-2], padded[1:-1, 2:]
    above, below = padded[:-2, 1:-1], padded[2:, 1:-1]
    thin: NDArray[np.bool_] = ((strength > left) & (strength > right)) | (
        (strength > above) & (strength > below)
    )
    return thin


@njit(cache=True, nogil=True)
def edge_widths(image: NDArray[np.float64], edges: NDArray[np.bool_]) -> NDArray[np.int64]:
    """Width in pixels of each edge whose gradient is closest to horizontal, 0 elsewhere; (H, W)."""
    height, width = image.shape
    result = np.zeros((height, width), np.int64)
    for y in range(1, height - 1):
        for x in range(1, width - 1):
            if not edges[y, x]:
                continue
            across = image[y, x + 1] - image[y, x - 1]
            along = image[y + 1, x] - image[y - 1, x]
            if abs(np.arctan2(along, abs(across))) > np.pi / 8:  # rounds to 45 or 90 degrees
                continue
            sign = -1.0 if across < 0 else 1.0
            left = 1
            while (
                left <= 100 and x - left - 1 >= 0 and sign * (image[y, x - left] - image[y, x - left - 1]) > 0
            ):
                left += 1
            right = 1
            while (
                right <= 100
                and x + right + 1 < width
                and sign * (image[y, x + right + 1] - image[y, x + right]) > 0
            ):
                right += 1
            result[y, x] = left + right
    return result


def _blocks(image: NDArray) -> NDArray:
    """Complete blocks of an image (H, W) as rows (n, BLOCK * BLOCK)."""
    rows, columns = image.shape[0] // BLOCK, image.shape[1] // BLOCK
    cut = image[: rows * BLOCK, : columns * BLOCK].reshape(rows, BLOCK, columns, BLOCK)
    return cut.swapaxes(1, 2).reshape(rows * columns, BLOCK * BLOCK)


FACTS = (
    Facts(
        name="cpbd",
        title="CPBD",
        version=1,
        direction="higher",
        unit="",
        range="[0, 1]",
        needs=(),
        aggregation="frame mean -> clip mean",
        source="Narvekar and Karam, IEEE TIP 20(9), 2011; FlowVQTalker T. 1",
        reading="Share of edges sharp enough not to look blurred. Compare with the ground-truth row.",
        traps="Depends on resolution: always state H x W; nothing is resized. Noise and compression "
        "ringing raise it, so a method can exceed real video: read cpbd_gap as well.",
    ),
    Facts(
        name="cpbd_gap",
        title="|CPBD - GT|",
        version=1,
        direction="lower",
        unit="",
        range="[0, 1]",
        needs=("reference",),
        aggregation="absolute difference of the clip's means -> clip mean",
        source="this suite: CPBD is not a fidelity measure, its distance to the real clip is closer to one",
        reading="0 means as sharp as the real clip.",
        traps="If the sizes of the two clips differ, the gap measures size as well.",
    ),
)
