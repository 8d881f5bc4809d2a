"""Z-buffer rasteriser: the nearest triangle of each pixel and its perspective-correct weights.

Pixel (row i, column j) has its centre at (u, v) = (j + 0.5, i + 0.5). Ties go to the lower triangle number, so that
the same mesh gives the same picture everywhere. Front faces have a positive signed area on screen (x right, y down),
which is what FaceVerse's triangles have after the conversion of their axes; the others are dropped.
"""

from dataclasses import dataclass

import numpy as np
from numba import njit
from numpy.typing import NDArray

NEAR = 0.1
"""Depth below which a triangle is dropped, model units."""


@dataclass(frozen=True)
class Raster:
    """What covers each pixel.

    Attributes:
        triangle: (H, W) int32 number of the nearest triangle, -1 where nothing is.
        weights: (H, W, 3) perspective-correct weights of its corners, 0 where nothing is.
        depth: (H, W) distance along the viewing axis in model units, infinite where nothing is.
    """

    triangle: NDArray[np.int32]
    weights: NDArray[np.float32]
    depth: NDArray[np.float32]

    @property
    def covered(self) -> NDArray[np.bool_]:
        """(H, W) whether a triangle lies there."""
        return np.asarray(self.triangle >= 0)

    def interpolate(self, attributes: NDArray[np.floating], triangles: NDArray[np.integer]) -> NDArray[np.float32]:
        """Attributes (V, C) of the vertices at each pixel: (H, W, C) float32, 0 where nothing is."""
        values = np.require(attributes, np.float32, ["C", "W"])
        corners = np.require(triangles, np.int32, ["C", "W"])
        return np.asarray(_interpolate(self.triangle, self.weights, corners, values))


def rasterise(
    points: NDArray[np.floating], depth: NDArray[np.floating], triangles: NDArray[np.integer], height: int, width: int
) -> Raster:
    """Find the nearest triangle of each pixel.

    Args:
        points: (V, 2) pixels, x right and y down.
        depth: (V,) distance along the viewing axis.
        triangles: (F, 3) vertex numbers.
        height, width: of the image.

    Raises:
        ValueError: shapes do not fit.
    """
    if points.ndim != 2 or points.shape[1] != 2 or depth.shape != points.shape[:1] or triangles.shape[1:] != (3,):
        raise ValueError(f"expected (V, 2), (V,) and (F, 3), got {points.shape}, {depth.shape}, {triangles.shape}")
    arrays = _rasterise(
        np.require(points, np.float64, ["C", "W"]),
        np.require(depth, np.float64, ["C", "W"]),
        np.require(triangles, np.int32, ["C", "W"]),
        height,
        width,
    )
    return Raster(*arrays)


@njit(cache=True, nogil=True)
def _rasterise(points, depth, triangles, height, width):  # type: ignore[no-untyped-def]  # noqa: ANN001, ANN202
    inverse = np.zeros((height, width))  # 1 / depth of the nearest so far
    owner = np.full((height, width), -1, np.int32)
    weights = np.zeros((height, width, 3), np.float32)
    nearest = np.full((height, width), np.inf, np.float32)
    for t in range(len(triangles)):
        a, b, c = triangles[t, 0], triangles[t, 1], triangles[t, 2]
        if depth[a] <= NEAR or depth[b] <= NEAR or depth[c] <= NEAR:
            continue
        ax, ay, bx, by, cx, cy = points[a, 0], points[a, 1], points[b, 0], points[b, 1], points[c, 0], points[c, 1]
        area = (bx - ax) * (cy - ay) - (by - ay) * (cx - ax)
        if not area > 0.0:  # back face, sliver or NaN
            continue
        left = max(0, int(np.ceil(min(ax, bx, cx) - 0.5)))
        right = min(width - 1, int(np.floor(max(ax, bx, cx) - 0.5)))
        top = max(0, int(np.ceil(min(ay, by, cy) - 0.5)))
        bottom = min(height - 1, int(np.floor(max(ay, by, cy) - 0.5)))
        scale = 1.0 / area
        da, db, dc = 1.0 / depth[a], 1.0 / depth[b], 1.0 / depth[c]
        for i in range(top, bottom + 1):
            y = i + 0.5
            for j in range(left, right + 1):
                x = j + 0.5
                wa = ((cx - bx) * (y - by) - (cy - by) * (x - bx)) * scale
                wb = ((ax - cx) * (y - cy) - (ay - cy) * (x - cx)) * scale
                wc = 1.0 - wa - wb
                if wa < 0.0 or wb < 0.0 or wc < 0.0:
                    continue
                closeness = wa * da + wb * db + wc * dc
                if closeness > inverse[i, j]:
                    inverse[i, j] = closeness
                    owner[i, j] = t
                    d = 1.0 / closeness
                    weights[i, j, 0] = wa * da * d
                    weights[i, j, 1] = wb * db * d
                    weights[i, j, 2] = wc * dc * d
                    nearest[i, j] = d
    return owner, weights, nearest


@njit(cache=True, nogil=True)
def _interpolate(owner, weights, triangles, values):  # type: ignore[no-untyped-def]  # noqa: ANN001, ANN202
    height, width = owner.shape
    channels = values.shape[1]
    result = np.zeros((height, width, channels), np.float32)
    for i in range(height):
        for j in range(width):
            t = owner[i, j]
            if t >= 0:
                for k in range(channels):
                    result[i, j, k] = (
                        weights[i, j, 0] * values[triangles[t, 0], k]
                        + weights[i, j, 1] * values[triangles[t, 1], k]
                        + weights[i, j, 2] * values[triangles[t, 2], k]
                    )
    return result
