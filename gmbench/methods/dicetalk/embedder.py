"""Cross-modal emotion embedder: face and sound of a clip to a Gaussian, its emotion prior; DICE-Talk, section 3.1."""

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from gmbench.methods.dicetalk.settings import Embedder
from gmbench.nn.transformer import sinusoid

Modality = str
MODALITIES = ("both", "face", "sound")
"""What an emotion can be read from; what is left out is zero, as modality dropout makes it in training."""


@dataclass(frozen=True)
class Gaussian:
    """An emotion's distribution: ``mean`` and ``deviation`` (B, d)."""

    mean: Tensor
    deviation: Tensor

    def sample(self) -> Tensor:
        """Mean plus noise of the deviation (B, d), by torch's global generator; eq. 6."""
        return self.mean + self.deviation * torch.randn_like(self.mean)


class EmotionEmbedder(nn.Module):
    """Expression codes (B, T, 64) and speech states (B, T, a), frame by frame, to Gaussians.

    The visual stream is a post-norm transformer as StyleTalk's style encoder, the audio stream another one; sound asks
    the face (the formula of eqs. 2 and 3, not the prose), and attention pooling gives mean and variance (eqs. 4 and 5).

    Args:
        settings: sizes.
        codes, states: widths of the inputs.
    """

    def __init__(self, settings: Embedder, codes: int, states: int) -> None:
        super().__init__()
        s = settings
        self.settings = s
        self.of_face, self.of_sound = nn.Linear(codes, s.width), nn.Linear(states, s.width)
        self.visual = _transformer(s, s.visual_layers)
        self.audio = _transformer(s, s.audio_layers)
        layers = s.fusion_layers if s.fusion == "attention" else 0
        self.fusion = nn.ModuleList(
            [nn.MultiheadAttention(s.width, s.heads, s.dropout, batch_first=True) for _ in range(layers)]
        )
        self.pooling = nn.Linear(s.width, 1, bias=False)  # w of eq. 4, one vector

    def forward(
        self, codes: Tensor, states: Tensor, valid: Tensor | None = None, seen: Tensor | None = None
    ) -> Gaussian:
        """Gaussians of clips.

        Args:
            codes: (B, T, 64) expressions.
            states: (B, T, a) of the sound.
            valid: (B, T) frames that belong to the clip; all by default.
            seen: (B, 2) whether face and sound are there; both by default.
        """
        padding = None if valid is None else ~valid
        places = sinusoid(codes.shape[1], self.settings.width, codes.device)
        face = self.visual(self.of_face(codes) + places, src_key_padding_mask=padding)
        sound = self.audio(self.of_sound(states) + places, src_key_padding_mask=padding)
        if seen is not None:
            face, sound = (x * seen[:, n, None, None].to(x) for n, x in enumerate((face, sound)))
        fused = face if self.settings.fusion == "none" else self._fuse(face + places, sound + places, padding)
        return pool(fused, self.pooling(fused)[..., 0], valid)

    def _fuse(self, face: Tensor, sound: Tensor, padding: Tensor | None) -> Tensor:
        """Sound with what it asks of the face; eqs. 2 and 3, layer by layer."""
        for layer in self.fusion:
            asked, _ = layer(sound, face, face, key_padding_mask=padding, need_weights=False)
            sound = sound + self.settings.fusion_scale * asked
        return sound


def pool(x: Tensor, logits: Tensor, valid: Tensor | None = None) -> Gaussian:
    """Mean and deviation (B, d) of frames (B, T, d) under attention (B, T); eqs. 4 and 5 without their transposes."""
    if valid is not None:
        logits = logits.masked_fill(~valid, -torch.inf)
    weights = logits.softmax(1)[..., None]  # (B, T, 1)
    mean = (weights * x).sum(1)
    variance = (weights * (x - mean[:, None]).square()).sum(1)
    return Gaussian(mean, (variance + 1e-8).sqrt())


def contrastive_loss(vectors: Tensor, groups: Tensor, kinds: Tensor, temperature: float) -> Tensor:
    """InfoNCE over cosines; eqs. 7 and 8, as a log-sum-exp.

    Args:
        vectors: (B, d).
        groups: (B,) numbers of clips that are to be alike: of one person, emotion and level, or of one clip.
        kinds: (B,) numbers of person and emotion; members of a kind in another group count as neither alike nor not.
        temperature: tau.

    Raises:
        ValueError: no two members of a group.
    """
    unit = F.normalize(vectors, dim=1)
    similar = unit @ unit.T / temperature
    alike = (groups[:, None] == groups) & ~torch.eye(len(groups), dtype=torch.bool, device=groups.device)
    other = kinds[:, None] != kinds
    if not bool(alike.any()):
        raise ValueError("no two clips of a group in the batch")
    against = similar.masked_fill(~other, -torch.inf).logsumexp(1)[:, None]  # (B, 1)
    losses = torch.logaddexp(similar, against) - similar
    return losses[alike].mean()


def drop_modalities(count: int, probability: float) -> Tensor:
    """(count, 2) whether face and sound are there; each is missing with a probability, never both."""
    draw = torch.rand(count)
    return torch.stack([draw >= probability, (draw < probability) | (draw >= 2 * probability)], 1)


def seen_in(modality: Modality, count: int) -> Tensor:
    """(count, 2) whether face and sound are there in a modality of :data:`MODALITIES`."""
    return torch.tensor([[modality != "sound", modality != "face"]]).expand(count, 2)


def _transformer(s: Embedder, layers: int) -> nn.TransformerEncoder:
    layer = nn.TransformerEncoderLayer(s.width, s.heads, 4 * s.width, s.dropout, batch_first=True)
    return nn.TransformerEncoder(layer, layers, enable_nested_tensor=False)
