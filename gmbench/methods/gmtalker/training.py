"""Training of GMTalker's three networks, each a function from data to the bytes of a checkpoint and a report."""

import copy
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from gmbench.methods import checkpoint
from gmbench.methods.gmtalker import gmeg, nfmg
from gmbench.methods.gmtalker.data import (
    ClipTracks,
    Pictures,
    Scale,
    Windows,
    balanced,
    reference_mask,
    relative_motion,
    weight_label,
)
from gmbench.methods.gmtalker.head import Discriminator, HeadGenerator, r1_penalty
from gmbench.methods.gmtalker.settings import Gmeg, Head, Nfmg
from gmbench.methods.gmtalker.settings import Training as TrainingSettings
from gmbench.nn.perceptual import perceptual
from gmbench.nn.training import ProgressCallback, TrainConfig, TrainReport, TrainState, Updater, adam, train, warm_up

CLIP = 1.0
HELD_OUT_EVERY = 5
"""Every fifth clip of a person tells fine-tuning when to stop."""
CHECKS = 10
MASKS = 48
"""Shoulder masks kept for ``per_frame_nearest``."""

TrainedFile = tuple[bytes, TrainReport]
"""Bytes of a checkpoint, and how it was trained."""


def train_gmeg(
    clips: Sequence[ClipTracks], emotions: Sequence[str], audio: Mapping[str, Any], settings: Gmeg, seed: int,
    folder: Path | None = None, progress: ProgressCallback | None = None,
) -> TrainedFile:  # fmt: skip
    """One expression generator for all speakers of a dataset."""
    torch.manual_seed(seed)
    scale = Scale.of([clip.beta for clip in clips])
    speakers = sorted({clip.speaker for clip in clips})
    weights = torch.from_numpy(
        np.stack([weight_label(c.emotion, c.level, emotions, settings.intensity) for c in clips])
    )
    numbers = torch.tensor([speakers.index(clip.speaker) for clip in clips])
    windows = Windows([(scale.to(clip.beta), clip.audio) for clip in clips], settings.window)
    network = gmeg.ExpressionGenerator(
        settings, clips[0].beta.shape[1], clips[0].audio.shape[1], len(emotions), len(speakers)
    )
    labels = [clip.emotion for clip in clips]

    def update(step: int, updater: Updater) -> dict[str, Tensor]:
        warm_up(state.optimisers["gmeg"], settings.train.rate, step, settings.train.steps)
        chosen = balanced(labels, settings.train.batch)
        (beta, audio_features), valid = windows.batch(chosen)
        inputs = (beta, audio_features, valid, weights[chosen], numbers[chosen])
        on_device = [x.to(updater.device) for x in inputs]
        found = gmeg.losses(network, *on_device, step / settings.train.steps)  # type: ignore[call-arg]
        updater.backward_and_step(found["total"], "gmeg", CLIP)
        return found

    optimiser = adam(network.parameters(), settings.train.rate)
    state = TrainState(nn.ModuleDict({"gmeg": network}), {"gmeg": optimiser}, update)
    report = train(state, _config(settings.train, seed), folder, progress)
    facts = {
        "settings": settings.model_dump(mode="json"), "emotions": list(emotions), "speakers": speakers,
        "audio": dict(audio), "beta": int(clips[0].beta.shape[1]), "audio_dim": int(clips[0].audio.shape[1]),
    }  # fmt: skip
    return checkpoint.pack("gmeg", network, facts, {"mean": scale.mean, "deviation": scale.deviation}), report


def train_nfmg(
    clips: Sequence[ClipTracks], audio: Mapping[str, Any], settings: Nfmg, training: TrainingSettings, seed: int,
    start: Path | None = None, folder: Path | None = None, progress: ProgressCallback | None = None,
    early: bool = False,
) -> TrainedFile:  # fmt: skip
    """A motion generator, from scratch or from a checkpoint ``start``, whose scale it keeps.

    ``early`` holds every fifth clip out and keeps the weights with the least loss on them.
    """
    torch.manual_seed(seed)
    network = nfmg.MotionGenerator(settings, clips[0].audio.shape[1])
    motions = [relative_motion(clip.rho) for clip in clips]
    if start is None:
        scale = Scale.of(motions, centred=False)
    else:
        constants = checkpoint.unpack(start, network)
        network.requires_grad_(True)
        scale = Scale(constants["mean"], constants["deviation"])
    tracks = [(scale.to(m), clip.audio) for m, clip in zip(motions, clips, strict=True)]
    held = tracks[::HELD_OUT_EVERY] if early and len(tracks) >= HELD_OUT_EVERY else []
    used = [t for n, t in enumerate(tracks) if not held or n % HELD_OUT_EVERY]
    windows, tests = Windows(used, settings.window), Windows(held, settings.window)
    modules = nn.ModuleDict({"nfmg": network})
    if held:
        modules["best"] = copy.deepcopy(network).requires_grad_(False)
        modules.register_buffer("best_loss", torch.tensor(float("inf")))

    def update(step: int, updater: Updater) -> dict[str, Tensor]:
        warm_up(state.optimisers["nfmg"], training.rate, step, training.steps)
        (motion, features), valid = windows.batch(torch.randint(0, len(used), (training.batch,)).tolist())
        on_device = [x.to(updater.device) for x in (motion, features, valid)]
        found = nfmg.losses(network, *on_device, step / training.steps)  # type: ignore[call-arg]
        updater.backward_and_step(found["total"], "nfmg", CLIP)
        if held and (step + 1) % max(1, training.steps // CHECKS) == 0:
            found["held_out"] = _keep_best(modules, tests, len(held), updater.device)
        return found

    state = TrainState(modules, {"nfmg": adam(network.parameters(), training.rate)}, update, copies=("best",))
    report = train(state, _config(training, seed), folder, progress)
    kept = modules["best"] if held and torch.isfinite(modules.get_buffer("best_loss")) else network
    facts = {
        "settings": settings.model_dump(mode="json"), "audio": dict(audio), "audio_dim": int(clips[0].audio.shape[1]),
    }  # fmt: skip
    return checkpoint.pack("nfmg", kept, facts, {"mean": scale.mean, "deviation": scale.deviation}), report


@torch.no_grad()
def _keep_best(modules: nn.ModuleDict, tests: Windows, count: int, device: torch.device) -> Tensor:
    network = modules["nfmg"].eval()
    (motion, features), valid = tests.batch(range(count))
    found = nfmg.losses(network, motion.to(device), features.to(device), valid.to(device), 0.5)["total"]
    network.train()
    if found < modules.get_buffer("best_loss"):
        modules.get_buffer("best_loss").copy_(found)
        modules["best"].load_state_dict(network.state_dict())
    return found


def train_head(
    pictures: Pictures, emotions: Sequence[str], person: Mapping[str, np.ndarray], settings: Head, seed: int,
    folder: Path | None = None, progress: ProgressCallback | None = None,
) -> TrainedFile:  # fmt: skip
    """The head generator of one person, all emotions together; ``person`` is kept beside the weights."""
    torch.manual_seed(seed)
    generator, discriminator = HeadGenerator(settings, len(emotions)), Discriminator(settings)
    for network in (generator, discriminator):
        network.to(memory_format=torch.channels_last)  # faster on CPUs
    labels = np.array([emotions.index(name) for name in pictures.emotion])
    members = [np.flatnonzero(labels == k) for k in range(len(emotions)) if (labels == k).any()]
    far = perceptual(settings.perceptual)
    weights = settings.weights

    def update(step: int, updater: Updater) -> dict[str, Tensor]:
        chosen = _frames(members, settings.train.batch)
        condition, real, label = (x.to(updater.device) for x in _batch(pictures, labels, chosen, len(emotions)))
        rendering = condition[:, :3]
        style = generator.mapping(torch.randn(len(chosen), settings.style).to(real), label)
        fake = generator(condition, style)
        away = (fake - real).abs()
        found: dict[str, Tensor] = {"l1": away.mean()}
        total = weights["l1"] * found["l1"]
        if settings.face:
            shown = F.interpolate((rendering.amax(1, keepdim=True) > -1).to(real), real.shape[-2:])
            total = total + weights["l1"] * settings.face * (away * shown).mean()
        if far is not None:
            found["per"] = far.to(updater.device)(fake, real)
            total = total + weights["per"] * found["per"]
        turn, idle = divmod(step, settings.gan_every)
        if weights["gan"] and not idle:
            on_fake, on_real = discriminator(fake.detach(), rendering), discriminator(real, rendering)
            found["d"] = F.softplus(on_fake).mean() + F.softplus(-on_real).mean()
            updater.backward_and_step(found["d"], "discriminator")
            if turn % settings.r1_every == 0:
                found["r1"] = r1_penalty(discriminator, real, rendering)
                updater.backward_and_step(found["r1"] * settings.r1 / 2 * settings.r1_every, "discriminator")
            found["g"] = F.softplus(-discriminator(fake, rendering)).mean()
            total = total + weights["gan"] * found["g"]
        updater.backward_and_step(total, "generator")
        return found

    rate = settings.train.rate
    every = settings.r1_every
    optimised = {
        "generator": adam(generator.parameters(), rate * 4 / 5, (settings.momentum, 0.99 ** (4 / 5))),
        "discriminator": adam(
            discriminator.parameters(), settings.rate_d * every / (every + 1), (0.0, 0.99 ** (every / (every + 1)))
        ),
    }
    modules = nn.ModuleDict({"generator": generator, "discriminator": discriminator})
    state = TrainState(modules, optimised, update, {"generator": settings.ema})
    report = train(state, _config(settings.train, seed), folder, progress)
    facts = {"settings": settings.model_dump(mode="json"), "emotions": list(emotions)}
    spread = np.unique(np.linspace(0, len(pictures.masks) - 1, MASKS).astype(int))
    constants = dict(person) | {
        "mask": reference_mask(pictures), "masks": np.asarray(pictures.masks[spread]), "poses": pictures.rho[spread],
    }  # fmt: skip
    return checkpoint.pack("head", generator, facts, constants), report


def _frames(members: Sequence[np.ndarray], count: int) -> list[int]:
    """Frames of emotions drawn alike."""
    result = []
    for place in torch.randint(0, len(members), (count,)).tolist():
        group = members[place]
        result.append(int(group[int(torch.randint(0, len(group), ()))]))
    return result


def _batch(pictures: Pictures, labels: np.ndarray, chosen: Sequence[int], count: int) -> tuple[Tensor, Tensor, Tensor]:
    """Conditions (B, 4, S, S), pictures (B, 3, S, S) and one-hot labels (B, K)."""
    condition = np.stack([condition_of(pictures.renders[n], pictures.masks[n]) for n in chosen])
    real = np.stack([pictures.frames[n] for n in chosen])
    label = F.one_hot(torch.from_numpy(labels[list(chosen)]), count).float()
    return torch.from_numpy(condition).contiguous(memory_format=torch.channels_last), signed(real), label


def condition_of(rendering: np.ndarray, mask: np.ndarray) -> np.ndarray:
    """Input of the generator (4, S, S) in [-1, 1] of a rendering (S, S, 3) and a mask (S, S)."""
    joined = np.concatenate([rendering, mask[..., None]], axis=2).astype(np.float32)
    return np.ascontiguousarray(joined.transpose(2, 0, 1)) / 127.5 - 1


def signed(pictures: np.ndarray) -> Tensor:
    """(B, 3, S, S) in [-1, 1] of (B, S, S, 3) uint8."""
    return torch.from_numpy(np.ascontiguousarray(pictures.transpose(0, 3, 1, 2))).float() / 127.5 - 1


def _config(settings: TrainingSettings, seed: int) -> TrainConfig:
    return TrainConfig(settings.steps, seed, settings.budget, log_every=max(1, settings.steps // 50))
