"""Compiled parts of CPBD: which blocks hold edges, and how wide edges are.

``edge_strength`` gives the non-maximum-suppressed gradient of scikit-image's Canny detector (sigma 1,
zero border with compensation) in a quarter of its time; the tests compare the two.
"""

import numpy as np
from numba import njit
from numpy.typing import NDArray

Image = NDArray[np.float64]

_RADIUS = 4


def _taps() -> NDArray[np.float64]:
    x = np.arange(-_RADIUS, _RADIUS + 1)
    taps = np.exp(-0.5 * x**2)
    return np.asarray(taps / taps.sum(), np.float64)


TAPS = _taps()


@njit(cache=True, nogil=True)
def smooth(image: Image, taps: NDArray[np.float64]) -> Image:
    """Gaussian blur that ignores what lies outside: weights inside the image are rescaled to sum 1."""
    height, width = image.shape
    radius = taps.size // 2
    rows = np.zeros((height, width))
    result = np.zeros((height, width))
    for y in range(height):
        weight = 0.0
        out = rows[y]
        for k in range(max(-radius, -y), min(radius, height - 1 - y) + 1):
            t = taps[k + radius]
            weight += t
            line = image[y + k]
            for x in range(width):
                out[x] += t * line[x]
        for x in range(width):
            out[x] /= weight
    for y in range(height):
        line, out = rows[y], result[y]
        inner = width - 2 * radius
        if inner > 0:
            centre = out[radius : radius + inner]
            for k in range(taps.size):
                t = taps[k]
                part = line[k : k + inner]
                for x in range(inner):
                    centre[x] += t * part[x]
        for x in range(width):
            if radius <= x < width - radius:
                continue
            weight = 0.0
            value = 0.0
            for k in range(max(-radius, -x), min(radius, width - 1 - x) + 1):
                weight += taps[k + radius]
                value += taps[k + radius] * line[x + k]
            out[x] = value / weight
    return result


@njit(cache=True, nogil=True)
def edge_strength(smoothed: Image, low: float) -> Image:
    """Sobel magnitude where it is at least ``low`` and a maximum along the gradient, else 0; no border."""
    height, width = smoothed.shape
    down, across = np.zeros((height, width)), np.zeros((height, width))
    magnitude = np.zeros((height, width))
    for y in range(height):
        a, b, c = smoothed[max(y - 1, 0)], smoothed[y], smoothed[min(y + 1, height - 1)]
        for x in range(width):
            left, right = max(x - 1, 0), min(x + 1, width - 1)
            gx = (a[right] - a[left]) + 2.0 * (b[right] - b[left]) + (c[right] - c[left])
            gy = (c[left] - a[left]) + 2.0 * (c[x] - a[x]) + (c[right] - a[right])
            across[y, x], down[y, x] = gx, gy
            magnitude[y, x] = np.sqrt(gx * gx + gy * gy)
    result = np.zeros((height, width))
    for y in range(1, height - 1):
        for x in range(1, width - 1):
            here = magnitude[y, x]
            if here < low:
                continue
            gy, gx = down[y, x], across[y, x]
            sign = 1 if gx * gy >= 0 else -1
            if abs(gy) >= abs(gx):
                w = abs(gx) / abs(gy)
                one = (1 - w) * magnitude[y + 1, x] + w * magnitude[y + 1, x + sign]
                two = (1 - w) * magnitude[y - 1, x] + w * magnitude[y - 1, x - sign]
            else:
                w = abs(gy) / abs(gx)
                one = (1 - w) * magnitude[y, x + 1] + w * magnitude[y + sign, x + 1]
                two = (1 - w) * magnitude[y, x - 1] + w * magnitude[y - sign, x - 1]
            if one <= here and two <= here:
                result[y, x] = here
    return result


@njit(cache=True, nogil=True)
def vertical_edges(image: Image) -> NDArray[np.bool_]:
    """Thinned vertical-edge pixels: squared Sobel response above 2 sqrt(mean), strict local maxima."""
    height, width = image.shape
    strength = np.zeros((height + 2, width + 2))
    total = 0.0
    for y in range(height):
        a, b, c = image[max(y - 1, 0)], image[y], image[min(y + 1, height - 1)]
        row = strength[y + 1]
        for x in range(width):
            left, right = max(x - 1, 0), min(x + 1, width - 1)
            g = ((a[right] - a[left]) + 2.0 * (b[right] - b[left]) + (c[right] - c[left])) / 8.0
            row[x + 1] = g * g
            total += g * g
    threshold = 2.0 * np.sqrt(total / (height * width))
    for y in range(height + 2):
        for x in range(width + 2):
            if strength[y, x] <= threshold:
                strength[y, x] = 0.0
    edges = np.zeros((height, width), np.bool_)
    for y in range(height):
        for x in range(width):
            s = strength[y + 1, x + 1]
            edges[y, x] = (s > strength[y + 1, x] and s > strength[y + 1, x + 2]) or (
                s > strength[y, x + 1] and s > strength[y + 2, x + 1]
            )
    return edges


@njit(cache=True, nogil=True)
def edge_widths(image: Image, edges: NDArray[np.bool_]) -> NDArray[np.int64]:
    """Width in pixels of each edge whose gradient is closest to horizontal, 0 elsewhere; (H, W).

    From the edge pixel both ways while the grey value keeps rising or falling; each side counts from 1.
    """
    height, width = image.shape
    result = np.zeros((height, width), np.int64)
    steepest = np.tan(np.pi / 8)  # of directions that round to 0 or 180 degrees
    for y in range(1, height - 1):
        for x in range(1, width - 1):
            if not edges[y, x]:
                continue
            across = image[y, x + 1] - image[y, x - 1]
            along = image[y + 1, x] - image[y - 1, x]
            if abs(along) > steepest * abs(across):
                continue
            sign = -1.0 if across < 0 else 1.0
            left = 1
            while left <= 100 and x - left >= 1 and sign * (image[y, x - left] - image[y, x - left - 1]) > 0:
                left += 1
            right = 1
            while right <= 100 and x + right < width - 1 and sign * (image[y, x + right + 1] - image[y, x + right]) > 0:
                right += 1
            result[y, x] = left + right
    return result
