"""Training of the mouth from sound, with a sync teacher; EDTalk, eqs. 11 and 12."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from gmbench.errors import InputError
from gmbench.methods.edtalk.animator import Animator
from gmbench.methods.edtalk.checkpoints import CHECKPOINTS
from gmbench.methods.edtalk.decouple_training import load_decoupled
from gmbench.methods.edtalk.encoding import encode_clips
from gmbench.methods.edtalk.frames import TrainingFrames
from gmbench.methods.edtalk.lips import LipEncoder
from gmbench.methods.edtalk.picture_losses import Update
from gmbench.methods.edtalk.settings import Lips
from gmbench.methods.edtalk.sounds import ClipMels
from gmbench.methods.edtalk.sync_windows import SyncWindows
from gmbench.methods.edtalk.teachers import SYNC_FRAMES, TeacherPair, load_teachers
from gmbench.methods.pictures import PeoplePictures
from gmbench.methods.training_jobs import TrainedFile
from gmbench.nn.sync import sync_loss
from gmbench.nn.training import ProgressCallback, TrainState, Updater, adam, falling_rate, train, weighted_sum

MOUTH_BOX = 5 / 256
"""How far the mouth's box reaches beyond the lips, in sides."""


@dataclass(frozen=True)
class _Material:
    """What a step draws from: frames, sound, and weights of all frames (N, n) in the spaces of mouth and pose."""

    frames: TrainingFrames
    mels: ClipMels
    runs: SyncWindows
    weights: dict[str, Tensor]


def train_lips(
    people: PeoplePictures, mels: ClipMels, decouple: Path, teachers: Path, settings: Lips, seed: int,
    folder: Path | None = None, progress: ProgressCallback | None = None,
) -> TrainedFile:  # fmt: skip
    """E_a and its linear layer; everything else is frozen.

    Args:
        people: frames with landmarks. mels: sound of their clips.
        decouple, teachers: files of those networks.
        settings: sizes, losses, and how long.
        seed: of everything random.
        folder: for checkpoints and the log.
        progress: see :func:`gmbench.nn.training.train`.

    Raises:
        InputError: no clip has so many frames with a face in a row.
    """
    torch.manual_seed(seed)
    animator = load_decoupled(decouple)
    frames = TrainingFrames(people, animator.settings.side)
    runs = SyncWindows(frames, frames.usable(range(len(people.clips))), settings.frames)
    if not runs.clips:
        raise InputError(f"edtalk: no training clip shows a face in {settings.frames} frames in a row")
    material = _Material(frames, mels, runs, _all_weights(animator, frames))
    teacher = load_teachers(teachers) if settings.sync else None
    network = LipEncoder(settings.widths, animator.spaces.sizes["mouth"])
    if settings.standardised:
        seen = material.weights["mouth"][np.concatenate(frames.of_clip)]
        network.mean.copy_(seen.mean(0))
        network.deviation.copy_(seen.std(0).clamp_min(1e-6))
    modules: dict[str, nn.Module] = {"lips": network, "animator": animator}
    state = TrainState(
        nn.ModuleDict(modules | ({"teachers": teacher} if teacher else {})),
        {"lips": adam(network.parameters(), settings.train.rate)}, lambda step, updater: {},
    )  # fmt: skip
    state.update = _update(state, network, animator, teacher, material, settings)
    report = train(state, settings.train.config(seed), folder, progress)
    facts = {"settings": settings.model_dump(mode="json"), "weights": animator.spaces.sizes["mouth"]}
    return CHECKPOINTS.pack("lips", network, facts), report


def _all_weights(animator: Animator, frames: TrainingFrames) -> dict[str, Tensor]:
    """Weights (N, n) of mouth and pose of all frames, zero where there is no face."""
    names = ("mouth", "pose")
    found = encode_clips(animator, frames, frames.of_clip, names)
    result = {name: torch.zeros(len(frames.people.frames), animator.spaces.sizes[name]) for name in names}
    for name in names:
        for rows, values in zip(frames.of_clip, found[name], strict=True):
            result[name][rows] = torch.from_numpy(values)
    return result


def _update(
    state: TrainState, network: LipEncoder, animator: Animator, teacher: TeacherPair | None, material: _Material,
    s: Lips,
) -> Update:  # fmt: skip
    """One step: runs of frames are drawn with the mouth that their sound asks for."""

    def update(step: int, updater: Updater) -> dict[str, Tensor]:
        falling_rate(state.optimisers["lips"], s.train, step)
        animator.eval()  # its bases are kept, and no layer of it differs in training
        clips, first = material.runs.draw(s.train.batch)
        rows = first[:, None] + np.arange(s.frames)
        heard = network(_mels(material, clips, rows).to(updater.device))
        wanted = material.weights["mouth"][rows.reshape(-1)].to(heard)
        error = (heard - wanted) / network.deviation
        terms = {"fea": error.square().mean()}
        if s.weights["velocity"]:
            terms["velocity"] = error.view(*rows.shape, -1).diff(dim=1).square().mean()
        if step % s.pictures_every == 0 and (s.weights["rec"] or s.weights["mouth"] or teacher is not None):
            terms |= _picture_terms(animator, teacher, material, clips, rows, heard, s)
        total = weighted_sum(terms, s.weights | {"sync": s.sync})
        updater.backward_and_step(total, "lips")
        return terms

    return update


def _mels(material: _Material, clips: NDArray[np.int64], rows: NDArray[np.int64]) -> Tensor:
    """(B F, 80, 16) windows of runs of frames (B, F)."""
    own = material.frames.people.clips
    parts = [material.mels.windows(int(c), of_run - own[int(c)].first) for c, of_run in zip(clips, rows, strict=True)]
    return torch.from_numpy(np.concatenate(parts))


def _picture_terms(
    animator: Animator, teacher: TeacherPair | None, material: _Material, clips: NDArray[np.int64],
    rows: NDArray[np.int64], heard: Tensor, s: Lips,
) -> dict[str, Tensor]:  # fmt: skip
    """L1 of pictures with the mouth that was heard and the clip's own pose, in all and in the mouth's box, and sync."""
    frames, count = material.frames, rows.shape[1]
    flat = rows.reshape(-1)
    with torch.no_grad():
        source = animator.encoder(frames.pictures(frames.draw_sources(clips, 0.0)).to(heard.device))
    repeated = source.take(torch.arange(len(clips), device=heard.device).repeat_interleave(count))
    drawn = animator.draw(repeated, {"mouth": heard, "pose": material.weights["pose"][flat].to(heard)}).pictures
    error = (drawn - frames.pictures(flat).to(drawn)).abs()
    terms = {"rec": error.mean()}
    if s.weights["mouth"]:
        mask = frames.mouth_masks(flat, MOUTH_BOX).to(drawn)
        terms["mouth"] = (error * mask).sum() / (3 * mask.sum()).clamp_min(1)
    if teacher is not None:
        seen = np.arange(SYNC_FRAMES)
        pictures = drawn.view(len(clips), count, *drawn.shape[1:])[:, :SYNC_FRAMES].flatten(0, 1)
        lips = material.runs.crops(pictures, rows[:, seen].reshape(-1), teacher.settings.mouth)
        sound = material.runs.sounds(material.mels, clips, rows[:, 0]).to(drawn)
        terms["sync"] = sync_loss(teacher.sync.embed_lips(lips), teacher.sync.embed_sound(sound))
    return terms
