"""Training of the teachers: coefficients and emotions of single frames, and sound that belongs to lips."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import Tensor, nn

from gmbench.emotions import SUITE_ORDER
from gmbench.errors import InputError
from gmbench.methods.edtalk.checkpoints import CHECKPOINTS
from gmbench.methods.edtalk.frames import TrainingFrames
from gmbench.methods.edtalk.picture_losses import Update
from gmbench.methods.edtalk.settings import Teachers
from gmbench.methods.edtalk.sounds import ClipMels
from gmbench.methods.edtalk.sync_windows import SyncWindows
from gmbench.methods.edtalk.teachers import TeacherPair
from gmbench.methods.picture_tracks import ClipMotion
from gmbench.methods.scaling import Scale
from gmbench.methods.tracks import POSE
from gmbench.methods.training_jobs import TrainedFile
from gmbench.nn.sync import contrastive_loss
from gmbench.nn.training import ProgressCallback, TrainState, Updater, adam, falling_rate, train


@dataclass(frozen=True)
class FaceLabels:
    """What the face's teacher is told of each frame.

    Attributes:
        coefficients: (N, n) standardised expressions and poses; NaN where they are unknown.
        emotions: (N,) number of the emotion, -1 where it is unknown.
        names: emotions in order.
    """

    coefficients: NDArray[np.float32]
    emotions: NDArray[np.int64]
    names: tuple[str, ...]


def face_labels(frames: TrainingFrames, motion: Mapping[int, ClipMotion]) -> FaceLabels:
    """Coefficients of the clips that have some, and labels of all clips, of the pre-training people's too.

    Raises:
        InputError: no clip has coefficients.
    """
    if not motion:
        raise InputError("edtalk: no training clip has coefficients; run the stage fit")
    clips = frames.people.clips
    names = tuple(name for name in SUITE_ORDER if name in {clip.emotion for clip in clips})
    rows = {n: np.concatenate([m.beta, m.rho[:, POSE]], axis=1) for n, m in motion.items()}
    scale = Scale.of([values[motion[n].known] for n, values in rows.items()])
    numbers = np.array([names.index(clip.emotion) if clip.emotion in names else -1 for clip in clips], np.int64)
    coefficients = np.full((len(frames.people.frames), len(scale.mean)), np.nan, np.float32)
    for n, values in rows.items():
        known = motion[n].known
        coefficients[clips[n].first : clips[n].stop][known] = scale.standardise(values[known])
    return FaceLabels(coefficients, numbers[frames.people.clip_numbers()], names)


def train_teachers(
    frames: TrainingFrames, labels: FaceLabels, mels: ClipMels, settings: Teachers, seed: int,
    folder: Path | None = None, progress: ProgressCallback | None = None,
) -> TrainedFile:  # fmt: skip
    """Both teachers for all people; steps take turns.

    Args:
        frames: with a face. labels: of them. mels: sound of their clips.
        settings: sizes, and how long.
        seed: of everything random.
        folder: for checkpoints and the log.
        progress: see :func:`gmbench.nn.training.train`.
    """
    torch.manual_seed(seed)
    pair = TeacherPair(settings, labels.coefficients.shape[1], len(labels.names))
    optimiser = adam(pair.parameters(), settings.train.rate)
    state = TrainState(nn.ModuleDict({"teachers": pair}), {"teachers": optimiser}, lambda step, updater: {})
    state.update = _update(state, pair, frames, labels, mels, settings)
    report = train(state, settings.train.config(seed), folder, progress)
    facts = {
        "settings": settings.model_dump(mode="json"), "coefficients": labels.coefficients.shape[1],
        "emotions": list(labels.names),
    }  # fmt: skip
    return CHECKPOINTS.pack("teachers", pair, facts), report


def _update(
    state: TrainState, pair: TeacherPair, frames: TrainingFrames, labels: FaceLabels, mels: ClipMels, s: Teachers
) -> Update:
    """One step of both teachers."""
    numbers = frames.usable(range(len(frames.people.clips)))
    runs = SyncWindows(frames, numbers)

    def update(step: int, updater: Updater) -> dict[str, Tensor]:
        falling_rate(state.optimisers["teachers"], s.train, step)
        _, rows = frames.draw_drivers(numbers, s.train.batch)
        told = pair.face(frames.pictures(rows).to(updater.device))
        terms = _face_terms(told.coefficients, told.logits, labels, rows)
        if runs.clips:
            clips, first = runs.draw(s.train.batch)
            lips = pair.sync.embed_lips(runs.lips(first, s.mouth).to(updater.device))
            sound = runs.sounds(mels, clips, first).to(updater.device)
            terms["sync"] = contrastive_loss(lips, pair.sync.embed_sound(sound))
        updater.backward_and_step(torch.stack(list(terms.values())).sum(), "teachers")
        return terms

    return update


def _face_terms(coefficients: Tensor, logits: Tensor, labels: FaceLabels, rows: NDArray[np.int64]) -> dict[str, Tensor]:
    truth = torch.from_numpy(labels.coefficients[rows]).to(coefficients)
    known = torch.isfinite(truth)
    emotion = torch.from_numpy(labels.emotions[rows]).to(logits.device)
    terms = {"coefficients": (coefficients[known] - truth[known]).square().sum() / known.sum().clamp_min(1)}
    if (emotion >= 0).any():
        terms["emotion"] = F.cross_entropy(logits, emotion, ignore_index=-1)
    return terms
