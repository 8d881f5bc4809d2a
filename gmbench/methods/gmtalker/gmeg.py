"""GMEG, the Gaussian-mixture expression generator: networks and losses. Source: GMTalker, section III-B.

Where the paper's equations fail, the corrected ones stand: with the printed objective the label occurs nowhere
(objective ``literal``), so the default is the bound with the label observed (``bound``).
"""

from dataclasses import dataclass

import torch
from torch import Tensor, nn

from gmbench.methods.gmtalker.settings import Gmeg
from gmbench.nn import mixtures
from gmbench.nn.autoregressive import TrackDecoder, TrackEncoder
from gmbench.nn.transformer import TransformerEncoder, masked_mean

POSTERIOR_LIMITS = (-8.0, 4.0)
COMPONENT_LIMITS = (-6.0, 3.0)
SPREAD = 1.5
"""Distance between component means at the start, in their standard deviations."""


@dataclass(frozen=True)
class Posterior:
    """Means and log-variances of q(z | beta, a) (B, d_z), and of q(w | beta, a) (B, d_w) under a mixture prior."""

    z: tuple[Tensor, Tensor]
    w: tuple[Tensor, Tensor] | None


class Mapper(nn.Module):
    """w to the components of the prior of z: one token per component through a transformer without positions."""

    def __init__(self, settings: Gmeg, emotions: int) -> None:
        super().__init__()
        width, z = settings.width, settings.z
        self.emotions, self.tokens = emotions, emotions if settings.mapper_tokens == "component" else 1
        self.inputs = nn.Linear(settings.w, width)
        self.components = nn.Parameter(torch.randn(self.tokens, width))
        self.encoder = TransformerEncoder(width, settings.heads, settings.layers[1])
        self.means = nn.Linear(width, z * emotions // self.tokens)
        self.log_variances = nn.Linear(width, z * emotions // self.tokens)
        # Normalised tokens have a norm of sqrt(width); two of them differ by sqrt(2 width) in random directions.
        nn.init.normal_(self.means.weight, std=SPREAD / (2 * width * z) ** 0.5)
        nn.init.zeros_(self.means.bias)
        nn.init.zeros_(self.log_variances.weight)
        nn.init.zeros_(self.log_variances.bias)

    def forward(self, w: Tensor) -> tuple[Tensor, Tensor]:
        """Means and log-variances (B, K, d_z)."""
        hidden = self.encoder(self.inputs(w)[:, None] + self.components)  # (B, K or 1, d)
        shape = (len(w), self.emotions, -1)
        return self.means(hidden).view(shape), self.log_variances(hidden).view(shape).clamp(*COMPONENT_LIMITS)


class ExpressionGenerator(nn.Module):
    """Standardised expressions from audio, a mixture over emotions, and the speaker.

    Args:
        settings: sizes and variant.
        beta: expression coefficients per frame (169).
        audio_dim: audio features per frame.
        emotions: K, components of the mixture.
        speakers: embeddings of the decoder.
    """

    def __init__(self, settings: Gmeg, beta: int, audio_dim: int, emotions: int, speakers: int) -> None:
        super().__init__()
        self.settings, self.emotions = settings, emotions
        s = settings
        self.encoder = TrackEncoder(beta, audio_dim, s.width, s.heads, s.layers[0], s.dropout, s.audio_frames)
        self.z_head = nn.Linear(s.width, 2 * s.z)
        self.w_head = nn.Linear(s.width, 2 * s.w) if s.prior == "mixture" else None
        self.mapper = Mapper(s, emotions) if s.prior == "mixture" else None
        self.label = nn.Linear(emotions, s.width, bias=False) if s.prior == "labelled" else None
        self.latent = nn.Linear(s.z, s.width)
        self.speaker = nn.Embedding(speakers, s.width)
        nn.init.normal_(self.speaker.weight, std=0.02)
        self.decoder = TrackDecoder(
            beta, audio_dim, s.width, s.heads, s.layers[2], s.dropout, s.align_halfwidth, s.audio_frames,
            s.audio_layers,
        )  # fmt: skip

    def posterior(self, beta: Tensor, audio: Tensor, valid: Tensor) -> Posterior:
        """q(z | .) and q(w | .) of expressions (B, T, 169), audio (B, T, a), valid (B, T)."""
        pooled = masked_mean(self.encoder(beta, audio, valid), valid)
        w = None if self.w_head is None else _gaussian(self.w_head(pooled))
        return Posterior(_gaussian(self.z_head(pooled)), w)

    def condition(self, z: Tensor, speaker: Tensor, weights: Tensor) -> Tensor:
        """What is added to every decoder input (B, T or 1, d).

        ``z`` (B, d_z) or (B, T, d_z), ``speaker`` (B,), ``weights`` (B, K) or (B, T, K).
        """
        z = z if z.dim() == 3 else z[:, None]
        condition = self.latent(z) + self.speaker(speaker)[:, None]
        if self.label is not None:
            weights = weights if weights.dim() == 3 else weights[:, None]
            condition = condition + self.label(weights)
        return condition

    def keep_speakers(self, count: int) -> None:
        """Forget all speakers but the first ``count``."""
        self.speaker = nn.Embedding.from_pretrained(self.speaker.weight.detach()[:count].clone(), freeze=False)

    def sample_z(self, weights: Tensor, w: Tensor, noise: Tensor, blended: bool = True) -> Tensor:
        """z (B, d_z) of emotion weights (B, K) under w (B, d_w) and noise (B, d_z).

        Without a mixture prior the noise itself is z. ``blended`` False draws one component of the weights, the
        literal reading of eq. 12, from torch's global generator.
        """
        if self.mapper is None:
            return noise
        means, log_variances = self.mapper(w)
        if not blended:
            chosen = torch.multinomial(weights, 1)[:, 0]
            weights = nn.functional.one_hot(chosen, self.emotions).to(weights)
        return mixtures.blend(weights, means, log_variances, noise)


def losses(
    network: ExpressionGenerator, beta: Tensor, audio: Tensor, valid: Tensor, weights: Tensor, speaker: Tensor,
    progress: float, lips: Tensor | None = None,
) -> dict[str, Tensor]:  # fmt: skip
    """Loss terms of a batch, unweighted, and ``total``; eqs. 8 to 11 as corrected.

    Args:
        network: in training mode.
        beta, audio, valid: (B, T, .) standardised expressions, features, mask.
        weights, speaker: (B, K) emotion weights, (B,) numbers.
        progress: share of the training done, for the warm-up of the divergences and scheduled sampling.
        lips: (169, n) motion of the lips by standardised expressions, for the term ``lips``; None without it.
    """
    s = network.settings
    posterior = network.posterior(beta, audio, valid)
    z = mixtures.draw(*posterior.z)
    predicted = teacher_force(network.decoder, s.teacher, beta, network.condition(z, speaker, weights), audio, progress)
    error = predicted - beta
    terms = {"rec": masked_mean((error**2).sum(-1, keepdim=True), valid).mean()}
    if lips is not None:
        terms["lips"] = masked_mean(((error @ lips) ** 2).sum(-1, keepdim=True), valid).mean()
    terms |= prior_terms(network, posterior, z, weights)
    warm = s.kl_scale * min(1.0, progress / 0.2)
    total = s.weights["rec"] * terms["rec"]
    if lips is not None:
        total = total + s.weights["lips"] * terms["lips"]
    for name in ("cond", "w", "emo"):
        if name in terms:
            total = total + warm * s.weights[name] * terms[name]
    return terms | {"total": total}


def prior_terms(network: ExpressionGenerator, posterior: Posterior, z: Tensor, weights: Tensor) -> dict[str, Tensor]:
    """``cond``, ``w`` and ``emo``: divergences from the prior in nats, means over the batch."""
    s = network.settings
    if network.mapper is None or posterior.w is None:
        return {"cond": _with_free_nats(mixtures.kl_normal(*posterior.z), s.free_nats)}
    terms = {"w": _with_free_nats(mixtures.kl_normal(*posterior.w), s.free_nats)}
    means, log_variances = network.mapper(mixtures.draw(*posterior.w))
    logs = mixtures.component_logs(z, means, log_variances)
    responsible = mixtures.log_responsibilities(logs)
    if s.objective == "literal":
        posterior_log = mixtures.log_normal(z, *posterior.z)
        terms["cond"] = (posterior_log - (responsible.exp() * logs).sum(-1)).mean()
        terms["emo"] = mixtures.kl_uniform(responsible).mean()
    else:
        mean, log_variance = mixtures.mixed_component(weights, means, log_variances)
        terms["cond"] = _with_free_nats(mixtures.kl_normal(*posterior.z, mean, log_variance), s.free_nats)
        terms["emo"] = -(weights * responsible).sum(-1).mean()
    return terms


def teacher_force(
    decoder: TrackDecoder, how: str, track: Tensor, condition: Tensor, audio: Tensor, progress: float
) -> Tensor:
    """Predictions (B, T, n) under teacher forcing that keeps the decoder from copying the frame before.

    ``masked`` drops half of the frames before and disturbs the others; in the last 30 % of the training its own
    predictions take their place with a probability that rises to one half. ``rollout`` gives no truth at all,
    as FaceFormer; ``plain`` gives the true frames.
    """
    if how == "rollout":
        return decoder.generate(condition, audio)
    if how == "plain":
        return decoder(track, condition, audio)
    inputs = track
    if progress > 0.7:
        with torch.no_grad():
            predicted = decoder(track, condition, audio)
        replaced = torch.rand(track.shape[:2]).to(track) < 0.5 * (progress - 0.7) / 0.3
        inputs = torch.where(replaced[..., None], predicted, track)
    inputs = inputs + 0.1 * torch.randn(inputs.shape).to(inputs)
    keep = (torch.rand(track.shape[:2]) < 0.5).to(track)
    return decoder(inputs, condition, audio, keep)


def _gaussian(parameters: Tensor) -> tuple[Tensor, Tensor]:
    """Mean and log-variance (B, n) of a head's output (B, 2 n)."""
    mean, log_variance = parameters.chunk(2, -1)
    return mean, log_variance.clamp(*POSTERIOR_LIMITS)


def _with_free_nats(divergence: Tensor, free: float) -> Tensor:
    """Sum over dimensions of the batch's mean divergence, each dimension counted with at least ``free`` nats."""
    return divergence.mean(0).clamp_min(free).sum()
