"""Orthonormal lapped transform of pictures: patches that overlap, so that what is left out of them shows no edges.

Before patches are cut, pixels on either side of each border are mixed by an orthogonal matrix; its transpose undoes it
afterwards. Source: Malvar, "Signal Processing with Lapped Transforms", 1992; Tran et al., "Lapped Transform via
Time-Domain Pre- and Post-Filtering", 2003.
"""

import math

import torch
from torch import Tensor


def border_mixing(side: int, patch: int) -> Tensor:
    """Orthogonal matrix (side, side) that mixes ``patch`` pixels around each border between patches.

    Raises:
        ValueError: the side is no multiple of the patch, or the patch is odd.
    """
    if side % patch or patch % 2:
        raise ValueError(f"expected a side that is a multiple of an even patch, got {side} and {patch}")
    half = patch // 2
    one, flip = torch.eye(half, dtype=torch.float64), torch.eye(half, dtype=torch.float64).flip(0)
    butterfly = torch.cat([torch.cat([one, flip], 1), torch.cat([flip, -one], 1)]) / math.sqrt(2)
    turned = flip @ _cosines(half, 0.0).T @ _cosines(half, 0.5) @ flip
    middle = torch.block_diag(one, turned)
    local = butterfly @ middle @ butterfly
    result = torch.eye(side, dtype=torch.float64)
    for border in range(patch, side, patch):
        result[border - half : border + half, border - half : border + half] = local
    return result.float()


def _cosines(size: int, offset: float) -> Tensor:
    """Orthonormal cosine transform (size, size): of type 2 (offset 0) or 4 (offset 0.5), a row per frequency."""
    k = torch.arange(size, dtype=torch.float64)[:, None] + offset
    n = torch.arange(size, dtype=torch.float64) + 0.5
    rows = torch.cos(math.pi / size * k * n) * math.sqrt(2 / size)
    if offset == 0:
        rows[0] /= math.sqrt(2)
    return rows
