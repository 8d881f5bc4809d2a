"""Orthonormal Haar wavelet transform of pictures: (B, C, H, W) to (B, 4C, H/2, W/2) and back, without loss."""

import torch
import torch.nn.functional as F
from torch import Tensor

_SIGNS = torch.tensor([[1.0, 1, 1, 1], [1, 1, -1, -1], [1, -1, 1, -1], [1, -1, -1, 1]]) / 2


def haar(x: Tensor) -> Tensor:
    """All low parts first, then the horizontal, vertical and diagonal details; raises ValueError for odd sides."""
    if x.shape[-1] % 2 or x.shape[-2] % 2:
        raise ValueError(f"expected even sides, got {tuple(x.shape[-2:])}")
    blocks = F.pixel_unshuffle(x, 2).unflatten(1, (x.shape[1], 4))
    return torch.einsum("kj,bcjhw->bkchw", _SIGNS.to(x), blocks).flatten(1, 2)


def inverse_haar(x: Tensor) -> Tensor:
    """Pictures (B, C, 2H, 2W) of wavelets (B, 4C, H, W)."""
    parts = x.unflatten(1, (4, x.shape[1] // 4))
    return F.pixel_shuffle(torch.einsum("kj,bkchw->bcjhw", _SIGNS.to(x), parts).flatten(1, 2), 2)
