"""Whether lips and sound belong together: two towers whose vectors are alike where they do.

Source: Prajwal et al., "A Lip Sync Expert Is All You Need", 2020, section 3; EDTalk, eq. 12.
"""

from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor, nn

LEAST = 1e-6


class SyncNetwork(nn.Module):
    """Vectors (B, d) of lips and of sound, neither negative, so that their cosine lies in [0, 1].

    Args:
        frames: pictures of a window.
        widths: channels after each halving of the pictures; the sound has the same.
        size: d.
    """

    def __init__(self, frames: int = 5, widths: Sequence[int] = (32, 64, 128, 256), size: int = 512) -> None:
        super().__init__()
        self.lips, self.sound = _tower(3 * frames, widths), _tower(1, widths)
        self.of_lips, self.of_sound = (nn.Linear(widths[-1], size) for _ in range(2))

    def embed_lips(self, lips: Tensor) -> Tensor:
        """(B, d) of windows (B, 3 F, h, w) in [-1, 1]: the lower halves of F mouths."""
        return F.relu(self.of_lips(self.lips(lips).mean((2, 3))))

    def embed_sound(self, mel: Tensor) -> Tensor:
        """(B, d) of mel windows (B, 80, 16)."""
        return F.relu(self.of_sound(self.sound(mel[:, None]).mean((2, 3))))


def agreement(lips: Tensor, sound: Tensor) -> Tensor:
    """Cosine (B,) of vectors, at least 1e-6 and at most 1."""
    return F.cosine_similarity(lips, sound, dim=-1, eps=LEAST).clamp(LEAST, 1.0)


def sync_loss(lips: Tensor, sound: Tensor) -> Tensor:
    """Mean of -log of the agreement; EDTalk's eq. 12 with the cosine kept positive."""
    return -torch.log(agreement(lips, sound)).mean()


def contrastive_loss(lips: Tensor, sound: Tensor, temperature: float = 0.1) -> Tensor:
    """Cross-entropy of finding each window's sound among those of the batch, and the reverse; rows belong together."""
    cosines = F.normalize(lips, dim=-1) @ F.normalize(sound, dim=-1).T / temperature
    own = torch.arange(len(lips), device=lips.device)
    return (F.cross_entropy(cosines, own) + F.cross_entropy(cosines.T, own)) / 2


def _tower(inputs: int, widths: Sequence[int]) -> nn.Sequential:
    pairs = zip((inputs, *widths), widths, strict=False)
    return nn.Sequential(
        *[nn.Sequential(nn.Conv2d(a, b, 3, 2, 1), nn.GroupNorm(min(8, b), b), nn.ReLU()) for a, b in pairs]
    )
