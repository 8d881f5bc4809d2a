"""The gate after an autoencoder of pictures: do its reconstructions still show the emotion of held-out frames?"""

from collections.abc import Callable, Sequence

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import Tensor, nn

from gmbench.errors import InputError
from gmbench.methods.picture_tracks import frames_of
from gmbench.methods.pictures import PeoplePictures
from gmbench.nn.pictures import to_signed
from gmbench.nn.training import adam

BATCH, RATE = 32, 2e-3
LEAST_SEEN = 2.0
"""Of the classifier, in shares of chance: below it, anything would pass."""
STEP, CHUNK = 5, 256
"""Frames between those that are looked at, and how many of these are in memory at a time."""


class EmotionTeacher(nn.Module):
    """Emotion of a picture, for the gate alone: a network of its own, trained on training clips.

    It has no part in a loss, and is not what emotions are judged by afterwards.
    """

    WIDTHS = (16, 32, 64, 96)

    def __init__(self, emotions: int) -> None:
        super().__init__()
        pairs = zip((3, *self.WIDTHS), self.WIDTHS, strict=False)
        self.layers = nn.Sequential(
            *[nn.Sequential(nn.Conv2d(a, b, 3, 2, 1), nn.GroupNorm(4, b), nn.SiLU()) for a, b in pairs]
        )
        self.logits = nn.Linear(self.WIDTHS[-1], emotions)

    def forward(self, pictures: Tensor) -> Tensor:
        """Logits (B, K) of pictures (B, 3, S, S) in [-1, 1], seen at 64 pixels."""
        if pictures.shape[-1] > 64:
            pictures = F.interpolate(pictures, (64, 64), mode="area")
        return self.logits(self.layers(pictures).mean((2, 3)))


def check_gate(
    people: PeoplePictures, rest: Sequence[int], held_out: Sequence[int], reconstruct: Callable[[Tensor], Tensor],
    gate: float, steps: int, what: str,
) -> dict[str, float]:  # fmt: skip
    """How well held-out frames come back: ``psnr`` in dB, and what is left of their emotions.

    A small classifier is trained on the other clips. ``seen`` is the share of held-out frames whose emotion it calls
    right, ``kept`` the share of those that it still calls right in their reconstructions.

    Args:
        people: frames.
        rest, held_out: places of the clips to learn from, and of those that are looked at.
        reconstruct: (B, 3, S, S) in [-1, 1] to the same.
        gate: least share that must be kept; 0 asks no classifier.
        steps: of the classifier's training.
        what: system and part of its settings, as ``flowvqtalker: codebook``, which has ``gate`` and ``gate_steps``.

    Raises:
        InputError: ``kept`` is below the gate, with both numbers; or the classifier sees less than :data:`LEAST_SEEN`
            times what chance does.
    """
    frames = frames_of(people, held_out, STEP)
    if not len(frames):
        return {}
    emotions = sorted({clip.emotion for clip in people.clips if clip.emotion})
    teacher = train_teacher(people, rest, emotions, steps) if gate else None
    labels = torch.from_numpy(_labels(people, emotions))
    squares, called = 0.0, []
    for rows in np.array_split(frames, -(-len(frames) // CHUNK)):  # all at once would fill the memory
        real = to_signed(torch.from_numpy(people.frames[rows]))
        drawn = reconstruct(real)
        squares += float((drawn - real).square().mean()) * len(rows)
        if teacher is not None:
            with torch.inference_mode():
                called.append(torch.stack([teacher(x).argmax(1) == labels[rows] for x in (real, drawn)]))
    numbers = {"psnr": -10 * float(np.log10(squares / len(frames) / 4))}  # of pictures in [0, 1]
    if teacher is None:
        return numbers
    right, still = torch.cat(called, 1)
    seen, kept = float(right.float().mean()), float((right & still).sum() / right.sum().clamp_min(1))
    part = what.partition(": ")[2]
    if seen < LEAST_SEEN / len(emotions):
        raise InputError(
            f"the classifier after the {part} sees the emotion of {seen:.0%} of the held-out frames, too few to tell"
            f" what the {part} keeps; train that longer ({what}: gate_steps), or set {part}: gate to"
            f" 0; either way the {part} is trained anew"
        )
    if kept < gate:
        raise InputError(
            f"the {part} keeps the emotion of {kept:.0%} of the held-out frames in which a classifier sees it"
            f" ({seen:.0%} of all), expected at least {gate:.0%}; train it longer or make it larger"
            f" ({what}: train, codes or channels), or lower {part}: gate, with which it is trained anew"
        )
    return numbers | {"seen": seen, "kept": kept}


def train_teacher(people: PeoplePictures, clips: Sequence[int], emotions: Sequence[str], steps: int) -> EmotionTeacher:
    """The gate's classifier, on clips with a label; draws by torch's global generator."""
    labels = _labels(people, emotions)
    frames = frames_of(people, [n for n in clips if people.clips[n].emotion])
    teacher = EmotionTeacher(len(emotions)).train()
    optimiser = adam(teacher.parameters(), RATE)
    for _ in range(steps):
        chosen = np.sort(frames[torch.randint(0, len(frames), (BATCH,)).numpy()])
        loss = F.cross_entropy(
            teacher(to_signed(torch.from_numpy(people.frames[chosen]))), torch.from_numpy(labels[chosen])
        )
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
    return teacher.eval()


def _labels(people: PeoplePictures, emotions: Sequence[str]) -> NDArray[np.int64]:
    """(N,) number of each frame's emotion, -1 without one."""
    of_clip = np.array([emotions.index(c.emotion) if c.emotion in emotions else -1 for c in people.clips])
    return np.asarray(of_clip[people.clip_numbers()], np.int64)
