"""Diffusion with preconditioned denoisers: noise levels, loss, Euler steps, guidance, moving windows of a video.

Source: Karras et al., "Elucidating the Design Space of Diffusion-Based Generative Models" (EDM), NeurIPS 2022, with the
v-prediction coefficients of Stable Video Diffusion. Noisy x = z + sigma n, for data z of unit variance.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor


@dataclass(frozen=True)
class Preconditioning:
    """Coefficients of D(x) = skip x + out F(into x; noise), each of the shape of sigma."""

    skip: Tensor
    out: Tensor
    into: Tensor
    noise: Tensor

    @classmethod
    def of(cls, sigma: Tensor) -> "Preconditioning":
        """Of noise levels of any shape, above zero."""
        total = sigma.square() + 1
        return cls(1 / total, -sigma / total.sqrt(), 1 / total.sqrt(), sigma.log() / 4)


def denoised(network: Callable[[Tensor, Tensor], Tensor], x: Tensor, sigma: Tensor) -> Tensor:
    """Estimate of z like x (B, ...), of a network F(scaled x, noise (B,)) under noise levels (B,)."""
    p = Preconditioning.of(sigma)
    into, skip, out = (over(c, x) for c in (p.into, p.skip, p.out))
    return skip * x + out * network(into * x, p.noise)


def denoising_loss(estimate: Tensor, clean: Tensor, sigma: Tensor, places: Tensor | float = 1.0) -> Tensor:
    """Mean of (1 + sigma^2) / sigma^2 times the squared error: the plain squared error of F; levels are (B,).

    ``places``, which can be broadcast to the data, are weights of their places.
    """
    weight = (1 + sigma.square()) / sigma.square()
    return (over(weight, clean) * places * (estimate - clean).square()).mean()


def draw_sigmas(count: int, mean: float, deviation: float) -> Tensor:
    """Noise levels (count,), log-normal, by torch's global generator."""
    return (mean + deviation * torch.randn(count)).exp()


def noise_levels(steps: int, highest: float, lowest: float, rho: float = 7.0) -> Tensor:
    """Falling levels (steps + 1,) of a sampler, the last zero; EDM, eq. 5."""
    if steps == 1:
        return torch.tensor([highest, 0.0])
    ends = highest ** (1 / rho), lowest ** (1 / rho)
    ramp = torch.linspace(0, 1, steps, dtype=torch.float64)
    levels = (ends[0] + ramp * (ends[1] - ends[0])) ** rho
    return torch.cat([levels, levels.new_zeros(1)]).float()


def euler_step(x: Tensor, estimate: Tensor, sigma: Tensor, following: Tensor) -> Tensor:
    """x at the following level, of an estimate of the clean data at this one."""
    return x + (following - sigma) * (x - estimate) / sigma


def guided(passes: Sequence[Tensor], scales: Sequence[float]) -> Tensor:
    """First pass plus each difference to the pass before, scaled: u + g1 (r - u) + g2 (f - r); one scale a difference.

    Passes see more and more conditions, from none to all. With all scales 1 the last pass is left.
    """
    if len(passes) != len(scales) + 1:
        raise ValueError(f"expected {len(passes) - 1} scales for {len(passes)} passes, got {len(scales)}")
    result = passes[0]
    for before, after, scale in zip(passes, passes[1:], scales, strict=False):
        result = result + scale * (after - before)
    return result


def circle_length(frames: int, window: int) -> int:
    """Places of the circle that windows move over: the frames, and so many more that no window sees both ends."""
    if frames <= window:
        return frames
    return -(-(frames + window - 1) // window) * window


def window_places(frames: int, window: int, shift: int, step: int) -> list[Tensor]:
    """Places (window,) of the windows of a step on the circle; together they hold every frame exactly once.

    Windows do not overlap; the grid moves by ``shift`` a step, so that borders lie elsewhere each time. Places from
    ``frames`` on are padding; windows of nothing else are left out. A video of one window or less is one window.
    """
    length = circle_length(frames, window)
    if length == frames:
        return [torch.arange(frames)]
    starts = [(step * shift + n * window) % length for n in range(length // window)]
    every = [(start + torch.arange(window)) % length for start in starts]
    return [places for places in every if bool((places < frames).any())]


def over(values: Tensor, like: Tensor) -> Tensor:
    """Values (B,) with ones behind, to be multiplied with (B, ...)."""
    return values.view(-1, *[1] * (like.dim() - 1))
