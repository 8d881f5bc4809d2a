"""Student-t distributions and their mixtures with fixed means. Source: FlowVQTalker, eqs. 7 and 8.

The identity is the scale matrix of a t; its covariance is degrees / (degrees - 2) times that. Infinite degrees of
freedom give the Gaussian.
"""

import math

import torch
from torch import Tensor, nn

from gmbench.nn.mixtures import LOG_2PI


def log_student(z: Tensor, mean: Tensor, degrees: float) -> Tensor:
    """log t(z; mean, identity) (...) of rows (..., D), nats."""
    size = z.shape[-1]
    square = (z - mean).square().sum(-1)
    if math.isinf(degrees):
        return -0.5 * (size * LOG_2PI + square)
    constant = math.lgamma((degrees + size) / 2) - math.lgamma(degrees / 2) - size / 2 * math.log(degrees * math.pi)
    return constant - (degrees + size) / 2 * torch.log1p(square / degrees)


def draw_spread(shape: tuple[int, ...], degrees: float, generator: torch.Generator | None = None) -> Tensor:
    """Factors (shape) on Gaussian rows that make them a t's: sqrt(degrees / u) with u of chi-square(degrees).

    Degrees of freedom must be whole or infinite.

    Raises:
        ValueError: other degrees.
    """
    if math.isinf(degrees):
        return torch.ones(shape)
    if degrees != round(degrees) or degrees < 1:
        raise ValueError(f"expected whole positive degrees of freedom or infinity, got {degrees}")
    square = torch.randn((*shape, int(degrees)), generator=generator).square().sum(-1)
    return torch.sqrt(degrees / square)


class StudentMixture(nn.Module):
    """Components with equal weights and frozen means ~ N(0, I), one a class.

    Args:
        classes: number of components.
        size: D.
        degrees: of freedom; infinity for a mixture of Gaussians.
    """

    means: Tensor

    def __init__(self, classes: int, size: int, degrees: float) -> None:
        super().__init__()
        self.degrees = degrees
        self.register_buffer("means", torch.randn(classes, size))

    def log_component(self, z: Tensor, classes: Tensor) -> Tensor:
        """log density (N,) of rows (N, D) under the component of their class (N,)."""
        return log_student(z, self.means[classes], self.degrees)

    def log_density(self, z: Tensor) -> Tensor:
        """log density (N,) of rows (N, D) under the whole mixture; eq. 7."""
        logs = log_student(z[:, None], self.means, self.degrees)
        return torch.logsumexp(logs, 1) - math.log(len(self.means))
