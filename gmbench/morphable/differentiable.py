"""The rasteriser for torch: which triangle covers a pixel is held fixed, its weights are recomputed with gradients.

This is the gradient that a hard mesh rasteriser with one face a pixel and no blur gives: to vertex attributes and to
positions inside of the triangles, not to silhouettes. GMTalker's fitting uses PyTorch3D so. Used by
:mod:`gmbench.morphable.photometric` alone.
"""

import numpy as np
import torch
from torch import Tensor

from gmbench.morphable.raster import Raster, rasterise


def rasterise_points(points: Tensor, depth: Tensor, triangles: Tensor, height: int, width: int) -> Raster:
    """The pixels' triangles for points (V, 2) and depths (V,); without gradients."""
    return rasterise(
        points.detach().double().cpu().numpy(),
        depth.detach().double().cpu().numpy(),
        triangles.cpu().numpy(),
        height,
        width,
    )


def interpolate(
    raster: Raster, points: Tensor, depth: Tensor, triangles: Tensor, attributes: Tensor
) -> tuple[Tensor, Tensor]:
    """Attributes (V, C) at the covered pixels.

    Args:
        raster: of the same points.
        points, depth: (V, 2) pixels and (V,), with or without gradients.
        triangles: (F, 3).
        attributes: (V, C).

    Returns:
        values (n, C) and the numbers (n,) of the covered pixels in row-major order.
    """
    pixels = torch.from_numpy(np.flatnonzero(raster.triangle.ravel() >= 0))
    owners = torch.from_numpy(raster.triangle.ravel()[pixels.numpy()].astype(np.int64))
    width = raster.triangle.shape[1]
    x = (pixels % width).to(points.dtype) + 0.5
    y = (pixels // width).to(points.dtype) + 0.5
    corners = triangles[owners]  # (n, 3)
    a, b, c = (points[corners[:, k]] for k in range(3))
    area = (b[:, 0] - a[:, 0]) * (c[:, 1] - a[:, 1]) - (b[:, 1] - a[:, 1]) * (c[:, 0] - a[:, 0])
    wa = ((c[:, 0] - b[:, 0]) * (y - b[:, 1]) - (c[:, 1] - b[:, 1]) * (x - b[:, 0])) / area
    wb = ((a[:, 0] - c[:, 0]) * (y - c[:, 1]) - (a[:, 1] - c[:, 1]) * (x - c[:, 0])) / area
    screen = torch.stack([wa, wb, 1 - wa - wb], dim=1)  # (n, 3)
    close = screen / depth[corners]
    weights = close / close.sum(dim=1, keepdim=True)  # perspective-correct
    return (weights[..., None] * attributes[corners]).sum(dim=1), pixels
