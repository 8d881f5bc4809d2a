"""Adaptive instance normalisation: a style sets mean and deviation of each channel.

Source: Huang and Belongie, 2017.
"""

import torch
from torch import Tensor, nn

EPSILON = 1e-5


class AdaIN(nn.Module):
    """Maps (B, C, H, W) under a style (B, s).

    gamma and beta are linear in the style and zero at the start. Plain, the result is (1 + gamma) n + beta with n of
    zero mean and unit deviation. ``relative``, both count from the map's own statistics, m + d beta and d (1 + gamma):
    the start is the identity, for maps whose mean and deviation mean something already.
    """

    def __init__(self, channels: int, style: int, relative: bool = False) -> None:
        super().__init__()
        self.relative = relative
        self.parts = nn.Linear(style, 2 * channels)
        nn.init.zeros_(self.parts.weight)
        nn.init.zeros_(self.parts.bias)

    def forward(self, x: Tensor, style: Tensor) -> Tensor:
        """(B, C, H, W)."""
        gamma, beta = self.parts(style)[..., None, None].chunk(2, 1)
        mean = x.mean((2, 3), keepdim=True)
        deviation = torch.sqrt(x.var((2, 3), unbiased=False, keepdim=True) + EPSILON)
        if self.relative:
            return x + gamma * (x - mean) + beta * deviation
        return (1 + gamma) * (x - mean) / deviation + beta
