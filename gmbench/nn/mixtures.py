"""Diagonal Gaussians and mixtures of them in log space: densities, responsibilities, divergences, samples.

Shapes: latents (B, d); components' means and log-variances (B, K, d); weights (B, K) on the simplex.
Source: GMTalker, section III-B.
"""

import math

import torch
import torch.nn.functional as F
from torch import Tensor

LOG_2PI = math.log(2 * math.pi)


def log_normal(z: Tensor, mean: Tensor, log_variance: Tensor) -> Tensor:
    """log N(z; mean, diag exp(log_variance)) summed over the last dimension, nats."""
    return -0.5 * (LOG_2PI + log_variance + (z - mean) ** 2 * torch.exp(-log_variance)).sum(-1)


def draw(mean: Tensor, log_variance: Tensor, generator: torch.Generator | None = None) -> Tensor:
    """A sample by the reparametrisation mean + sigma * epsilon."""
    noise = torch.randn(mean.shape, generator=generator, dtype=mean.dtype).to(mean)
    return mean + torch.exp(0.5 * log_variance) * noise


def component_logs(z: Tensor, means: Tensor, log_variances: Tensor) -> Tensor:
    """(B, K): log density of z (B, d) under each component."""
    return log_normal(z[:, None], means, log_variances)


def log_responsibilities(logs: Tensor) -> Tensor:
    """(B, K) log posterior of the component under a uniform prior, from log densities (B, K). GMTalker eq. 9."""
    return F.log_softmax(logs, dim=-1)


def kl_normal(
    mean: Tensor, log_variance: Tensor, other_mean: Tensor | float = 0.0, other_log_variance: Tensor | float = 0.0
) -> Tensor:
    """KL(N(mean, .) || N(other_mean, .)) in each dimension, nats; of the same shape as ``mean``."""
    other = torch.as_tensor(other_log_variance, dtype=mean.dtype, device=mean.device)
    ratio = (torch.exp(log_variance) + (mean - other_mean) ** 2) * torch.exp(-other)
    return 0.5 * (other - log_variance + ratio - 1)


def kl_uniform(log_weights: Tensor) -> Tensor:
    """KL(weights || uniform) (B,) of log weights (B, K); between 0 and log K. GMTalker eq. 11."""
    return (log_weights.exp() * (log_weights + math.log(log_weights.shape[-1]))).sum(-1)


def mixed_component(weights: Tensor, means: Tensor, log_variances: Tensor) -> tuple[Tensor, Tensor]:
    """Mean and log-variance (B, d) of the blend: means and standard deviations are averaged by the weights."""
    deviation = (weights[..., None] * torch.exp(0.5 * log_variances)).sum(1)
    return (weights[..., None] * means).sum(1), 2 * torch.log(deviation)


def blend(weights: Tensor, means: Tensor, log_variances: Tensor, noise: Tensor) -> Tensor:
    """Sum of the components' samples under one shared noise (B, d), weighted: GMTalker eq. 12 on samples.

    A weight of one gives that component's sample bit for bit; weights of zero add nothing.
    """
    samples = means + torch.exp(0.5 * log_variances) * noise[:, None]
    return (weights[..., None] * samples).sum(1)
