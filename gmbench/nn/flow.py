"""Invertible layers with exact log-determinants over sequences (B, T, d).

``forward`` is the normalising direction (data to noise) and gives (z, log|det dz/dx|) with the determinant (B,);
``inverse`` generates. Frames that are not valid pass unchanged and add nothing to the determinant.
"""

from collections.abc import Callable
from typing import Protocol

import torch
from torch import Tensor, nn

from gmbench.nn.transformer import TransformerEncoder, sinusoid

LIMIT = 2.0
"""Bound of a coupling's log-scale."""


class Invertible(Protocol):
    """A layer of a flow."""

    def __call__(self, x: Tensor, valid: Tensor) -> tuple[Tensor, Tensor]:
        """Noise side and log-determinant (B,)."""

    def inverse(self, z: Tensor, valid: Tensor) -> Tensor:
        """Data side."""


class Flip(nn.Module):
    """Channels in reverse order; log-determinant zero."""

    def forward(self, x: Tensor, valid: Tensor) -> tuple[Tensor, Tensor]:
        """Reversed channels."""
        return x.flip(-1), x.new_zeros(len(x))

    def inverse(self, z: Tensor, valid: Tensor) -> Tensor:
        """Reversed channels."""
        return z.flip(-1)


class Coupling(nn.Module):
    """Affine coupling: the second half of the channels scales and shifts the first. Source: Dinh et al., 2017.

    Generation is y1 = x1 exp(s) + t with s = 2 tanh(raw / 2); this module's ``forward`` inverts that.

    Args:
        net: (B, T, d / 2) and valid (B, T) to (B, T, d): raw log-scale and shift.
    """

    def __init__(self, net: Callable[[Tensor, Tensor], Tensor]) -> None:
        super().__init__()
        self.net = net

    def forward(self, x: Tensor, valid: Tensor) -> tuple[Tensor, Tensor]:
        """Normalise; log-determinant is minus the sum of s over valid frames."""
        first, second = x.chunk(2, -1)
        scale, shift = self._parts(second, valid)
        return torch.cat([(first - shift) * torch.exp(-scale), second], -1), -scale.sum((1, 2))

    def inverse(self, z: Tensor, valid: Tensor) -> Tensor:
        """Generate."""
        first, second = z.chunk(2, -1)
        scale, shift = self._parts(second, valid)
        return torch.cat([first * torch.exp(scale) + shift, second], -1)

    def _parts(self, half: Tensor, valid: Tensor) -> tuple[Tensor, Tensor]:
        raw, shift = self.net(half, valid).chunk(2, -1)
        used = valid[..., None].to(half)
        return LIMIT * torch.tanh(raw / LIMIT) * used, shift * used


class TimeCoupling(nn.Module):
    """Affine coupling in time: of every 2^level-th frame, each second one is scaled and shifted by what lies around it.

    A coupling of channels learns nothing of a channel's own past, as its other half says nothing of it. Levels 0, 1, 2,
    ... one after another remove it: frames 1, 3, 5, ... given 0, 2, 4, ..., then 2, 6, ... given 0, 4, ..., as in a
    flow over wavelets (Yu et al., 2020).

    Args:
        net: (B, T, d) and valid (B, T) to (B, T, 2 d): raw log-scale and shift; the frames it is to predict are zero.
        level: from 0.
    """

    def __init__(self, net: Callable[[Tensor, Tensor], Tensor], level: int) -> None:
        super().__init__()
        self.net, self.stride = net, 2**level

    def forward(self, x: Tensor, valid: Tensor) -> tuple[Tensor, Tensor]:
        """Normalise; log-determinant is minus the sum of s over the frames that are predicted."""
        scale, shift = self._parts(x, valid)
        return self._replace(x, (x[:, :: self.stride] - shift) * torch.exp(-scale)), -scale.sum((1, 2))

    def inverse(self, z: Tensor, valid: Tensor) -> Tensor:
        """Generate."""
        scale, shift = self._parts(z, valid)
        return self._replace(z, z[:, :: self.stride] * torch.exp(scale) + shift)

    def _parts(self, x: Tensor, valid: Tensor) -> tuple[Tensor, Tensor]:
        seen, mask = x[:, :: self.stride], valid[:, :: self.stride]
        predicted = torch.arange(seen.shape[1], device=x.device) % 2 == 1
        raw, shift = self.net(seen * ~predicted[:, None], mask).chunk(2, -1)
        used = (mask & predicted)[..., None].to(x)
        return LIMIT * torch.tanh(raw / LIMIT) * used, shift * used

    def _replace(self, x: Tensor, values: Tensor) -> Tensor:
        result = x.clone()
        result[:, :: self.stride] = values
        return result


class TransformerNet(nn.Module):
    """Scale and shift from a transformer over time; zero at the start, so that a flow begins as the identity."""

    def __init__(self, half: int, width: int, heads: int, layers: int) -> None:
        super().__init__()
        self.width = width
        self.inputs = nn.Linear(half, width)
        self.encoder = TransformerEncoder(width, heads, layers)
        self.outputs = nn.Linear(width, 2 * half)
        nn.init.zeros_(self.outputs.weight)
        nn.init.zeros_(self.outputs.bias)

    def forward(self, x: Tensor, valid: Tensor) -> Tensor:
        """(B, T, 2 half) of (B, T, half)."""
        x = self.inputs(x) + sinusoid(x.shape[1], self.width, x.device).to(x)
        return self.outputs(self.encoder(x, valid))


class Flow(nn.Module):
    """Layers one after another."""

    def __init__(self, layers: list[nn.Module]) -> None:
        super().__init__()
        self.layers = nn.ModuleList(layers)

    def forward(self, x: Tensor, valid: Tensor) -> tuple[Tensor, Tensor]:
        """Noise (B, T, d) and log-determinant (B,)."""
        total = x.new_zeros(len(x))
        for layer in self.layers:
            x, log_det = layer(x, valid)
            total = total + log_det
        return x, total

    def inverse(self, z: Tensor, valid: Tensor) -> Tensor:
        """Data (B, T, d)."""
        for layer in reversed(self.layers):
            z = layer.inverse(z, valid)
        return z


def transformer_flow(channels: int, steps: int, width: int, heads: int, layers: int, levels: int = 0) -> Flow:
    """Steps of coupling and flip, as in GMTalker's motion generator; raises ValueError for odd channels.

    ``levels`` of :class:`TimeCoupling` come before them on the way from data to noise.
    """
    if channels % 2:
        raise ValueError(f"a coupling needs an even number of channels, got {channels}")
    parts: list[nn.Module] = [
        TimeCoupling(TransformerNet(channels, width, heads, layers), level) for level in range(levels)
    ]
    for _ in range(steps):
        parts += [Flip(), Coupling(TransformerNet(channels // 2, width, heads, layers))]
    return Flow(parts)
