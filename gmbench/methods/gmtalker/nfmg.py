"""NFMG, the motion generator: a conditional VAE whose prior is a normalizing flow. Source: GMTalker, section III-C."""

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from gmbench.methods.gmtalker.gmeg import POSTERIOR_LIMITS, teacher_force
from gmbench.methods.gmtalker.settings import Nfmg
from gmbench.nn import mixtures
from gmbench.nn.autoregressive import TrackDecoder, TrackEncoder
from gmbench.nn.flow import transformer_flow
from gmbench.nn.training import weighted_sum
from gmbench.nn.transformer import masked_mean

MOTION = 12


class MotionGenerator(nn.Module):
    """Standardised motion (B, T, 12) from audio and one latent per few frames."""

    def __init__(self, settings: Nfmg, audio_dim: int) -> None:
        super().__init__()
        self.settings = s = settings
        self.encoder = TrackEncoder(MOTION, audio_dim, s.width, s.heads, s.layers[0], s.dropout, s.audio_frames)
        self.head = nn.Linear(s.width, 2 * s.z)
        sizes = (s.z, s.flow_steps, s.flow_width, s.heads, s.flow_layers, s.flow_levels)
        self.flow = transformer_flow(*sizes) if s.flow_steps else None
        self.latent = nn.Linear(s.z, s.width)
        self.decoder = TrackDecoder(
            MOTION, audio_dim, s.width, s.heads, s.layers[1], s.dropout, s.align_halfwidth, s.audio_frames
        )

    def posterior(self, motion: Tensor, audio: Tensor, valid: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Mean, log-variance (B, T', z) and mask (B, T') of the latents; T' = ceil(T / stride), or 1 if pooled."""
        hidden = self.encoder(motion, audio, valid)
        if self.settings.latent == "pooled":
            pooled = masked_mean(hidden, valid)[:, None]
            used = valid.any(1, keepdim=True)
        else:
            pooled, used = self._blocks(hidden, valid)
        mean, log_variance = self.head(pooled).chunk(2, -1)
        return mean, log_variance.clamp(*POSTERIOR_LIMITS), used

    def prior_log(self, z: Tensor, used: Tensor) -> Tensor:
        """log p(z) (B,) summed over the used latents; eq. 13 with its determinant the right way up."""
        if self.flow is None:
            noise, log_det = z, z.new_zeros(len(z))
        else:
            noise, log_det = self.flow(z, used)
        logs = mixtures.log_normal(noise, noise.new_zeros(()), noise.new_zeros(()))
        return (logs * used).sum(1) + log_det

    def log_likelihood(self, motion: Tensor, audio: Tensor, valid: Tensor) -> Tensor:
        """Mean log p per latent element (nats) of latents drawn from the posterior: how well the prior knows them."""
        mean, log_variance, used = self.posterior(motion, audio, valid)
        return self.prior_log(mixtures.draw(mean, log_variance), used).sum() / (used.sum() * mean.shape[-1])

    def sample(self, noise: Tensor) -> Tensor:
        """Latents (B, T', z) of standard normal noise."""
        if self.flow is None:
            return noise
        return self.flow.inverse(noise, torch.ones(noise.shape[:2], dtype=torch.bool, device=noise.device))

    def condition(self, z: Tensor, frames: int) -> Tensor:
        """Each latent repeated over its frames, (B, T, d)."""
        hidden = self.latent(z)
        if self.settings.latent == "pooled":
            return hidden.expand(-1, frames, -1)
        return hidden.repeat_interleave(self.settings.stride, 1)[:, :frames]

    def latents(self, frames: int) -> int:
        """Number of latents of a clip."""
        return 1 if self.settings.latent == "pooled" else -(-frames // self.settings.stride)

    def _blocks(self, hidden: Tensor, valid: Tensor) -> tuple[Tensor, Tensor]:
        """Masked means over blocks of ``stride`` frames, and which blocks hold any valid frame."""
        stride = self.settings.stride
        missing = -hidden.shape[1] % stride
        hidden = F.pad(hidden, (0, 0, 0, missing)).unflatten(1, (-1, stride))
        mask = F.pad(valid, (0, missing)).unflatten(1, (-1, stride))
        weight = mask[..., None].to(hidden)
        return (hidden * weight).sum(2) / weight.sum(2).clamp_min(1), mask.any(2)


def losses(
    network: MotionGenerator, motion: Tensor, audio: Tensor, valid: Tensor, progress: float
) -> dict[str, Tensor]:
    """``rec``, ``kl`` (per latent element), ``vel`` and ``total``; eq. 15 with one sign and its velocity term."""
    s = network.settings
    mean, log_variance, used = network.posterior(motion, audio, valid)
    z = mixtures.draw(mean, log_variance)
    predicted = teacher_force(network.decoder, "masked", motion, network.condition(z, motion.shape[1]), audio, progress)
    error = ((predicted - motion) ** 2).sum(-1, keepdim=True)
    moved = ((predicted.diff(dim=1) - motion.diff(dim=1)) ** 2).sum(-1, keepdim=True)
    terms = {
        "rec": masked_mean(error, valid).mean(),
        "kl": divergence(network, z, mean, log_variance, used),
        "vel": masked_mean(moved, valid[:, 1:] & valid[:, :-1]).mean(),
    }
    weights = {"rec": s.weights["rec"], "vel": s.weights["vel"], "kl": s.weights["kl"] * min(1.0, progress / 0.2)}
    return terms | {"total": weighted_sum(terms, weights)}


def divergence(network: MotionGenerator, z: Tensor, mean: Tensor, log_variance: Tensor, used: Tensor) -> Tensor:
    """KL of the posterior from the prior, mean per used element: one sample through the flow, else closed form."""
    count = used.sum() * z.shape[-1]
    if network.flow is None:
        return (mixtures.kl_normal(mean, log_variance) * used[..., None]).sum() / count
    posterior_log = (mixtures.log_normal(z, mean, log_variance) * used).sum(1)
    return (posterior_log - network.prior_log(z, used)).sum() / count
