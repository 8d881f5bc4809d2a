"""ExpFlow and PoseFlow: normalizing flows of one frame's coefficients under its context. Source: FlowVQTalker, 3.2.

Frames are independent given their contexts, so training is parallel over frames, the log-determinant is per frame, and
generation, frame by frame, is exactly the training's computation.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from gmbench.methods.flowvqtalker.settings import ExpFlow, PoseFlow
from gmbench.nn.autoregressive import AudioInput
from gmbench.nn.conditional_flow import ConditionalFlow
from gmbench.nn.mixtures import LOG_2PI
from gmbench.nn.student import StudentMixture
from gmbench.nn.transformer import TransformerEncoder

EXPRESSION, POSE = 64, 6
"""Sizes of beta and rho."""


@dataclass(frozen=True)
class Context:
    """What N frames are generated under; c of eq. 5.

    Attributes:
        history: (N, tau, D) frames before, the latest last; zeros where there are none.
        audio: (N, 2h + 1, a) features around the frame; zeros beyond the ends.
        source: (N, D) coefficients of the source image; None for poses.
        label: (N, C) weights of the classes; None for poses.
    """

    history: Tensor
    audio: Tensor
    source: Tensor | None = None
    label: Tensor | None = None

    def take(self, rows: Tensor) -> "Context":
        """Contexts of some frames, by their indices or a mask."""
        return self._each(lambda part: part[rows])

    def to(self, device: torch.device) -> "Context":
        """On a device."""
        return self._each(lambda part: part.to(device))

    def hear(self, sound: nn.Module | None) -> "Context":
        """With audio tokens (N, 2h + 1, width) in place of the features, where layers make them."""
        return self if sound is None else replace(self, audio=sound(self.audio))

    def forget(self, rows: Tensor) -> "Context":
        """Without the history of some frames, by a mask (N,)."""
        return replace(self, history=self.history * ~rows[:, None, None])

    def _each(self, change: Callable[[Tensor], Tensor]) -> "Context":
        optional = [None if part is None else change(part) for part in (self.source, self.label)]
        return Context(change(self.history), change(self.audio), *optional)


class ContextNet(nn.Module):
    """Scale and shift of a coupling from u and the context: a transformer, of which the row of u alone is read. Eq. 5.

    Tokens: u, the history, the sound, then source and label where there are any; each kind has a projection, each place
    an embedding. The output layer is zero at the start.

    Args:
        size: D.
        audio_dim: features or widths of the audio tokens.
        settings: sizes.
        classes: C; 0 for no source and no label.
        labelled: whether the label is a token.
    """

    def __init__(self, size: int, audio_dim: int, settings: ExpFlow | PoseFlow, classes: int, labelled: bool) -> None:
        super().__init__()
        s, half = settings, size // 2
        self.own_sound = s.audio_halfwidth if s.audio_direct else None
        self.kept, self.history = nn.Linear(half, s.width), nn.Linear(size, s.width)
        self.audio = nn.Linear(audio_dim, s.width)
        self.source = nn.Linear(size, s.width) if classes else None
        self.label = nn.Linear(classes, s.width, bias=False) if classes and labelled else None
        tokens = 1 + s.history + 2 * s.audio_halfwidth + 1 + (self.source is not None) + (self.label is not None)
        self.places = nn.Parameter(0.02 * torch.randn(tokens, s.width))
        self.encoder = TransformerEncoder(s.width, s.heads, s.layers, s.dropout)
        self.outputs = nn.Linear(s.width, 2 * (size - half))
        nn.init.zeros_(self.outputs.weight)
        nn.init.zeros_(self.outputs.bias)

    def forward(self, kept: Tensor, context: Context) -> Tensor:
        """Raw scales and shifts (N, 2 |v|) of u (N, |u|)."""
        sound, own = self.audio(context.audio), self.kept(kept)[:, None]
        if self.own_sound is not None:
            own = own + sound[:, self.own_sound, None]
        tokens = [own, self.history(context.history), sound]
        if self.source is not None:
            tokens.append(self.source(context.source)[:, None])
        if self.label is not None:
            tokens.append(self.label(context.label)[:, None])
        return self.outputs(self.encoder.first(torch.cat(tokens, 1) + self.places))


def sound_layers(settings: ExpFlow | PoseFlow, audio_dim: int) -> AudioInput | None:
    """Layers from features (N, 2h + 1, a) to tokens (N, 2h + 1, width) for all couplings; None where each projects."""
    s = settings
    return AudioInput(audio_dim, s.width, s.audio_frames, s.audio_layers) if s.hears_layers else None


class ExpressionFlow(nn.Module):
    """Standardised expressions (N, 64) to latents (N, 64) whose prior is a mixture of Student-t, one an emotion.

    Args:
        settings: sizes and variant.
        audio_dim: features a frame.
        classes: C, the emotions and 'none'.
    """

    def __init__(self, settings: ExpFlow, audio_dim: int, classes: int) -> None:
        super().__init__()
        self.settings = s = settings
        self.sound = sound_layers(s, audio_dim)
        token = audio_dim if self.sound is None else s.width

        def net() -> ContextNet:
            return ContextNet(EXPRESSION, token, s, classes, s.label_context)

        self.flow = ConditionalFlow(EXPRESSION, s.steps, net, classes if s.norm == "class" else 1)
        self.prior = StudentMixture(classes, EXPRESSION, s.degrees)

    def log_likelihood(self, x: Tensor, context: Context, classes: Tensor) -> Tensor:
        """log p(x | context, class) (N,) in nats; eq. 10 with the log-determinants of eq. 9."""
        z, log_det = self.flow(x, context.hear(self.sound), classes)
        return self.prior.log_component(z, classes) + log_det

    def encode(self, x: Tensor, context: Context, classes: Tensor) -> Tensor:
        """Latents (N, 64)."""
        return self.flow(x, context.hear(self.sound), classes)[0]

    def decode(self, z: Tensor, context: Context, classes: Tensor) -> Tensor:
        """Expressions (N, 64)."""
        return self.flow.inverse(z, context.hear(self.sound), classes)


class HeadPoseFlow(nn.Module):
    """Standardised poses (N, 6) to latents (N, 6) with a Gaussian prior, under sound and history alone; eq. 12."""

    def __init__(self, settings: PoseFlow, audio_dim: int) -> None:
        super().__init__()
        self.settings = settings
        self.sound = sound_layers(settings, audio_dim)
        token = audio_dim if self.sound is None else settings.width
        self.flow = ConditionalFlow(POSE, settings.steps, lambda: ContextNet(POSE, token, settings, 0, labelled=False))

    def log_likelihood(self, x: Tensor, context: Context, classes: Tensor) -> Tensor:
        """log p(x | context) (N,) in nats."""
        z, log_det = self.flow(x, context.hear(self.sound), classes)
        return -0.5 * (POSE * LOG_2PI + z.square().sum(1)) + log_det

    def decode(self, z: Tensor, context: Context, classes: Tensor) -> Tensor:
        """Poses (N, 6)."""
        return self.flow.inverse(z, context.hear(self.sound), classes)


def history_of(track: Tensor, history: int) -> Tensor:
    """(T, tau, D): the frames before each frame of a track (T, D), zeros before its start."""
    padded = F.pad(track, (0, 0, history, 0))
    return padded.unfold(0, history, 1)[: len(track)].transpose(1, 2)


def drop_history(history: Tensor, probability: float) -> Tensor:
    """Data dropout: each frame of the history (N, tau, D) is zero with a probability, by torch's global generator."""
    keep = torch.rand(history.shape[:2]) >= probability
    return history * keep[..., None].to(history)
