"""What the denoiser learns from: windows of latents at 12.5 frames per second with their conditions."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from gmbench.errors import InputError
from gmbench.methods.dicetalk.denoiser import Conditions, pooled_latent
from gmbench.methods.dicetalk.embedder import Gaussian
from gmbench.methods.dicetalk.settings import Diffusion
from gmbench.methods.dicetalk.speech import SpeechStates
from gmbench.methods.picture_tracks import ClipMotion
from gmbench.methods.pictures import PeoplePictures, PictureClip
from gmbench.methods.scaling import Scale
from gmbench.methods.track_windows import draw_balanced
from gmbench.methods.tracks import POSE

NEUTRAL = "neutral"
STRIDE = 2
"""Frames at 25 per second for one at 12.5."""
USUAL = (8.0, 16.0)
"""Numbers of motion that a clip of median motion has, as the released code asks for at generation."""


@dataclass(frozen=True)
class ClipConditions:
    """Conditions of a whole clip: Gaussian of its emotion, face box (4,) in shares, numbers (2,), class or -1."""

    prior: Gaussian
    speech: SpeechStates
    box: NDArray[np.float32]
    numbers: tuple[float, float]
    label: int


@dataclass(frozen=True)
class Batch:
    """Clean latents (B, N, c, H, W), their conditions, and classes (B,) or -1."""

    latents: Tensor
    conditions: Conditions
    labels: Tensor


class LatentWindows:
    """Windows of clips, drawn by torch's global generator.

    Args:
        people: frames; only the clips' places are read.
        latents: (N, c, H, W) of all frames.
        clips: conditions by the clip's place.
        pictures: (N, p) picture embeddings of all frames; None where the token is made of the latent.
        speech: scale of the speech states.
        settings: window, reference, and what is denoised.

    Raises:
        InputError: no clip is as long as a window.
    """

    def __init__(
        self, people: PeoplePictures, latents: NDArray[np.float32], clips: Mapping[int, ClipConditions],
        pictures: NDArray[np.float32] | None, speech: Scale, settings: Diffusion,
    ) -> None:  # fmt: skip
        self.people, self.latents, self.pictures, self.settings, self.clips = people, latents, pictures, settings, clips
        self.speech = speech
        span = STRIDE * (settings.window - 1) + 1
        self._span = span
        long = [n for n, clip in enumerate(people.clips) if n in clips and clip.stop - clip.first >= span]
        if not long:
            raise InputError(f"dicetalk: no clip has {span} frames, a window of {settings.window} at 12.5 per second")
        self.labelled = [n for n in long if clips[n].label >= 0]
        self.others = [n for n in long if clips[n].label < 0]
        self._neutral: dict[tuple[str, bool], list[PictureClip]] = {}
        for clip in people.clips:
            if clip.emotion == NEUTRAL and not clip.pretraining:
                self._neutral.setdefault((clip.speaker, clip.pretraining), []).append(clip)
        self.spread = self._spread(long) if settings.latent == "residual" else np.ones(latents.shape[1], np.float32)

    def draw(self, count: int, sample: bool = True) -> Batch:
        """A batch of windows: labelled ones, of classes that are equally likely, and others."""
        chosen = []
        share = self.settings.labelled if self.others else 1.0
        of_labelled = round(share * count) if self.labelled else 0
        if of_labelled:
            labels = [str(self.clips[n].label) for n in self.labelled]
            chosen += [self.labelled[k] for k in draw_balanced(labels, of_labelled)]
        for _ in range(count - of_labelled):
            chosen.append(self.others[int(torch.randint(0, len(self.others), ()))])
        return self.batch([(n, self._start(n), self._reference(n)) for n in chosen], sample)

    def batch(self, chosen: Sequence[tuple[int, int, int]], sample: bool = True) -> Batch:
        """Windows given by clip, first frame within it, and the frame of all that is the reference.

        Args:
            chosen: one triple a window.
            sample: whether priors are drawn, or are the Gaussians' means.
        """
        clips = [self.clips[n] for n, _, _ in chosen]
        steps = STRIDE * np.arange(self.settings.window)
        frames = np.stack([self.people.clips[n].first + start + steps for n, start, _ in chosen])
        latents = torch.from_numpy(np.asarray(self.latents[frames.ravel()], np.float32)).unflatten(0, frames.shape)
        places = [place for _, _, place in chosen]
        reference = torch.from_numpy(np.asarray(self.latents[places], np.float32))
        if self.settings.latent == "residual":
            latents = (latents - reference[:, None]) / torch.from_numpy(self.spread)[:, None, None]
        picture = (
            pooled_latent(reference) if self.pictures is None else torch.from_numpy(np.asarray(self.pictures[places]))
        )
        sounds = [heard(c.speech, start + steps, self.speech) for c, (_, start, _) in zip(clips, chosen, strict=True)]
        priors = [c.prior.sample() if sample else c.prior.mean for c in clips]
        conditions = Conditions(
            reference, picture, torch.stack(sounds), torch.cat(priors),
            torch.from_numpy(np.stack([c.box for c in clips])), torch.tensor([c.numbers for c in clips]),
        )  # fmt: skip
        return Batch(latents, conditions, torch.tensor([c.label for c in clips]))

    def _start(self, clip: int) -> int:
        frames = self.people.clips[clip].stop - self.people.clips[clip].first
        return int(torch.randint(0, frames - self._span + 1, ()))

    def _reference(self, clip: int) -> int:
        own = self.people.clips[clip]
        pool = self._neutral.get((own.speaker, own.pretraining), []) if self.settings.reference == "neutral" else []
        source = pool[int(torch.randint(0, len(pool), ()))] if pool else own
        return source.first + int(torch.randint(0, source.stop - source.first, ()))

    def _spread(self, long: Sequence[int]) -> NDArray[np.float32]:
        """Deviation (c,) of differences between frames and references of the clips."""
        squares, count = np.zeros(self.latents.shape[1]), 0
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(0)
            for n in long:
                clip = self.people.clips[n]
                frames = np.asarray(self.latents[clip.first : clip.stop : 5], np.float64)
                squares += ((frames - self.latents[self._reference(n)]) ** 2).mean((0, 2, 3))
                count += 1
        return np.sqrt(np.maximum(squares / count, 1e-8)).astype(np.float32)


def heard(speech: SpeechStates, frames: NDArray[np.integer], scale: Scale) -> Tensor:
    """What the denoiser hears around frames (n,), standardised (n, s)."""
    values = speech.around(frames).reshape(len(frames), -1, speech.values.shape[1])
    return torch.from_numpy(scale.standardise(values).reshape(len(frames), -1))


def face_boxes(people: PeoplePictures) -> NDArray[np.float32]:
    """(clips, 4) left, top, right and bottom of the landmarks over each clip, in shares of the picture.

    Clips without a face take the mean of the others; the whole picture where none has one.
    """
    side = people.frames.shape[1]
    boxes = np.full((len(people.clips), 4), np.nan, np.float32)
    for n, clip in enumerate(people.clips):
        points = people.landmarks[clip.first : clip.stop].reshape(-1, 2)
        points = points[np.isfinite(points).all(axis=1)]
        if len(points):
            boxes[n] = np.concatenate([points.min(axis=0), points.max(axis=0)]) / side
    known = np.isfinite(boxes).all(axis=1)
    boxes[~known] = boxes[known].mean(axis=0) if known.any() else np.array([0, 0, 1, 1], np.float32)
    return boxes.clip(0, 1)


def motion_numbers(motion: Mapping[int, ClipMotion], count: int) -> list[tuple[float, float]]:
    """Numbers of each clip, 0 to 127: mean change of pose and of expression a frame, in medians of all clips.

    Clips without coefficients have the usual ones.
    """
    raw = {
        n: tuple(float(np.abs(np.diff(values[m.known], axis=0)).mean()) if m.known.sum() > 1 else 0.0
                 for values in (m.rho[:, POSE], m.beta))
        for n, m in motion.items()
    }  # fmt: skip
    middle = np.median([list(pair) for pair in raw.values()], axis=0) if raw else np.ones(2)
    scale = [usual / value if value > 0 else 0.0 for usual, value in zip(USUAL, middle, strict=True)]
    found = {n: (min(127.0, pair[0] * scale[0]), min(127.0, pair[1] * scale[1])) for n, pair in raw.items()}
    return [found.get(n, USUAL) for n in range(count)]
