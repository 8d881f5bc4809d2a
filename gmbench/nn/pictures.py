"""Pictures as bytes and as what networks read."""

import torch
from torch import Tensor


def to_signed(pictures: Tensor) -> Tensor:
    """(B, 3, S, S) in [-1, 1] of uint8 pictures (B, S, S, 3)."""
    return pictures.permute(0, 3, 1, 2).contiguous().float() / 127.5 - 1


def to_bytes(pictures: Tensor) -> Tensor:
    """uint8 pictures (B, S, S, 3) of (B, 3, S, S) in [-1, 1]."""
    return torch.round((pictures.clamp(-1, 1).permute(0, 2, 3, 1) + 1) * 127.5).to(torch.uint8)
