"""Networks of EDTalk's own that its losses ask; none is what its videos are judged by."""

from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import torch.nn.functional as F
from torch import Tensor, nn

from gmbench.methods.edtalk.checkpoints import CHECKPOINTS
from gmbench.methods.edtalk.settings import Teachers
from gmbench.nn.sync import SyncNetwork

FACE_SIDE = 64
"""Side at which the face's network sees pictures."""
SYNC_FRAMES = 5


class FaceFeatures(NamedTuple):
    """Features (B, n) that tell coefficients (the paper's phi) and emotions (psi), and what they tell."""

    motion: Tensor
    emotion: Tensor
    coefficients: Tensor
    logits: Tensor


class FaceTeacher(nn.Module):
    """Coefficients and emotion of a face, from convolutions that both share.

    Args:
        widths: channels after each halving.
        size: n.
        coefficients: how many.
        emotions: how many.
    """

    def __init__(self, widths: Sequence[int], size: int, coefficients: int, emotions: int) -> None:
        super().__init__()
        self.sizes = {"widths": widths, "size": size, "coefficients": coefficients, "emotions": emotions}
        pairs = zip((3, *widths), widths, strict=False)
        self.layers = nn.Sequential(
            *[nn.Sequential(nn.Conv2d(a, b, 3, 2, 1), nn.GroupNorm(min(4, b), b), nn.SiLU()) for a, b in pairs]
        )
        places = (FACE_SIDE // 2 ** len(widths)) ** 2 * widths[-1]
        self.motion, self.emotion = nn.Linear(places, size), nn.Linear(places, size)
        self.coefficients, self.logits = nn.Linear(size, coefficients), nn.Linear(size, max(1, emotions))

    def forward(self, pictures: Tensor) -> FaceFeatures:
        """Of pictures (B, 3, S, S) in [-1, 1], seen at 64 pixels."""
        if pictures.shape[-1] != FACE_SIDE:
            pictures = F.interpolate(pictures, (FACE_SIDE, FACE_SIDE), mode="bilinear", antialias=True)
        x = self.layers(pictures).flatten(1)
        motion, emotion = F.silu(self.motion(x)), F.silu(self.emotion(x))
        return FaceFeatures(motion, emotion, self.coefficients(motion), self.logits(emotion))


class EmotionSight(nn.Module):
    """What the face's teacher sees of an emotion, as something to add to a latent.

    Args:
        face: trained; it stays as it is.
        latent: d.
    """

    def __init__(self, face: FaceTeacher, latent: int) -> None:
        super().__init__()
        self.face = face.requires_grad_(False)
        self.latent = nn.Linear(face.emotion.out_features, latent)

    def forward(self, pictures: Tensor) -> Tensor:
        """(B, d) of pictures (B, 3, S, S)."""
        found: Tensor = self.latent(self.face(pictures).emotion)
        return found


class TeacherPair(nn.Module):
    """Both teachers: of the face, and of lips and sound.

    Args:
        settings: sizes.
        coefficients, emotions: how many the face's teacher tells.
    """

    def __init__(self, settings: Teachers, coefficients: int, emotions: int) -> None:
        super().__init__()
        self.settings = s = settings
        self.face = FaceTeacher(s.widths, s.features, coefficients, emotions)
        self.sync = SyncNetwork(SYNC_FRAMES, s.sync_widths, s.sync_size)


def load_teachers(path: Path) -> TeacherPair:
    """Trained teachers, frozen; raises WeightsError where the file is another's."""
    facts = CHECKPOINTS.read_facts(path, "teachers")
    pair = TeacherPair(Teachers.model_validate(facts["settings"]), facts["coefficients"], len(facts["emotions"]))
    CHECKPOINTS.load_weights(path, pair)
    return pair
