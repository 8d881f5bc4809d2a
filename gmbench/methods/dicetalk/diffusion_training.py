"""Training of the denoiser with its bank: EDM's loss, the bank's, and that of the emotion classifier."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import Tensor, nn

from gmbench.methods.dicetalk.checkpoints import CHECKPOINTS
from gmbench.methods.dicetalk.conditions import face_mask
from gmbench.methods.dicetalk.denoiser import Denoised, Denoiser
from gmbench.methods.dicetalk.settings import Bank, Diffusion, Unet
from gmbench.methods.dicetalk.windows import Batch, LatentWindows
from gmbench.methods.training_jobs import TrainedFile
from gmbench.nn.diffusion import denoising_loss, draw_sigmas, over
from gmbench.nn.training import ProgressCallback, TrainState, Updater, adam, falling_rate, train

GRADIENT_NORM = 1.0
STARTED = 512
"""Priors that the bank's entries start from."""


def train_diffusion(
    windows: LatentWindows, classes: Sequence[str], facts: Mapping[str, Any], settings: Diffusion, bank: Bank,
    unet: Unet, seed: int, draw_priors: bool = True,
    folder: Path | None = None, progress: ProgressCallback | None = None,
) -> TrainedFile:  # fmt: skip
    """The denoiser of all people around frozen latents and a frozen embedder; sections 3.2 to 3.4.

    Args:
        windows: to learn from.
        classes: names of the classifier's classes; one unnamed class where nothing is labelled.
        facts: what a loader must know beside the settings.
        settings, bank, unet: sizes, losses, and how long.
        seed: of everything random.
        draw_priors: whether priors are drawn from their Gaussians, or are the means (wo_prior).
        folder: for checkpoints and the log.
        progress: see :func:`gmbench.nn.training.train`.
    """
    torch.manual_seed(seed)
    sizes = _sizes(windows)
    network = Denoiser(settings, bank, unet, **sizes, classes=max(1, len(classes)), pretrained=True)
    network.bank.start(first_priors(windows, draw_priors))
    modules = nn.ModuleDict({"denoiser": network})
    state = TrainState(
        modules, {"denoiser": adam(network.learning(), settings.train.rate)}, lambda step, updater: {},
        {"denoiser": settings.average} if settings.average else {},
    )  # fmt: skip

    def update(step: int, updater: Updater) -> dict[str, Tensor]:
        falling_rate(state.optimisers["denoiser"], settings.train, step)
        batch = on_device(windows.draw(settings.train.batch, draw_priors), updater.device)
        kept = drop_conditions(settings.train.batch, settings.dropped).to(updater.device)
        batch = replace(batch, conditions=replace(batch.conditions, kept=kept))
        terms = diffusion_losses(network, batch, settings, bank, all_entries=bank.training == "mixed" and step % 2 == 1)
        total = terms["denoise"] + bank.weight * terms["bank"]
        if "class" in terms:
            total = total + settings.discrimination * terms["class"]
        updater.backward_and_step(total, "denoiser", GRADIENT_NORM)
        return terms

    state.update = update
    report = train(state, settings.train.config(seed), folder, progress)
    content = dict(facts) | sizes | {
        "settings": settings.model_dump(mode="json"), "bank": bank.model_dump(mode="json"),
        "unet": unet.model_dump(mode="json"), "classes": list(classes),
    }  # fmt: skip
    return CHECKPOINTS.pack("diffusion", network, content, constants(windows)), report


def diffusion_losses(
    network: Denoiser, batch: Batch, settings: Diffusion, bank: Bank, all_entries: bool = False
) -> dict[str, Tensor]:
    """``denoise``, ``bank`` (eq. 17), and of labelled windows ``class`` (eq. 16), unweighted, at drawn noise levels."""
    z = batch.latents
    sigma = draw_sigmas(len(z), settings.sigma_mean, settings.sigma_deviation).to(z.device)
    noisy = z + over(sigma, z) * torch.randn_like(z)
    found: Denoised = network(noisy, sigma, batch.conditions, all_entries)
    places = face_weights(batch.conditions.boxes, z.shape[-1], settings.face) if settings.face else 1.0
    terms = {"denoise": denoising_loss(found.estimate, z, sigma, places), "bank": found.bank_loss}
    labelled = batch.labels >= 0
    if settings.discrimination and bool(labelled.any()):
        terms["class"] = F.cross_entropy(found.logits[labelled], batch.labels[labelled])
    return terms


def face_weights(boxes: Tensor, side: int, face: float) -> Tensor:
    """(B, 1, 1, s, s) with mean 1 in each picture: the cells of the face's box (B, 4) count more."""
    weights = 1 + face * face_mask(boxes, side, 1.0)
    return (weights / weights.mean((1, 2, 3), keepdim=True))[:, None]


def drop_conditions(count: int, dropped: Mapping[Any, float]) -> Tensor:
    """(count, 3) whether sound, picture and emotion are there; at most one kind of loss befalls a window."""
    draw = torch.rand(count)
    kept = torch.ones(count, 3)
    first = 0.0
    for name, lost in (("sound", [0]), ("picture", [1]), ("emotion", [2]), ("all", [0, 1, 2])):
        hit = (draw >= first) & (draw < first + dropped[name])
        for column in lost:
            kept[hit, column] = 0
        first += dropped[name]
    return kept


def on_device(batch: Batch, device: torch.device) -> Batch:
    """The batch on a device."""
    return Batch(batch.latents.to(device), batch.conditions.to(device), batch.labels.to(device))


def first_priors(windows: LatentWindows, draw_priors: bool) -> Tensor:
    """Priors (512, d) of random clips, for the bank's start."""
    clips = [windows.clips[n] for n in (*windows.labelled, *windows.others)]
    chosen = torch.randint(0, len(clips), (STARTED,)).tolist()
    return torch.cat([clips[k].prior.sample() if draw_priors else clips[k].prior.mean for k in chosen])


def constants(windows: LatentWindows) -> dict[str, NDArray[Any]]:
    """Arrays that generation needs: scales, and the mean face box of the training clips."""
    boxes = np.stack([clip.box for clip in windows.clips.values()])
    return {
        "spread": windows.spread, "box": boxes.mean(axis=0).astype(np.float32),
        "speech.mean": windows.speech.mean, "speech.deviation": windows.speech.deviation,
    }  # fmt: skip


def _sizes(windows: LatentWindows) -> dict[str, int]:
    """Widths of the network's inputs."""
    with torch.random.fork_rng(devices=[]):
        first = next(n for n in (*windows.labelled, *windows.others))
        example = windows.batch([(first, 0, windows.people.clips[first].first)])
    c = example.conditions
    return {
        "channels": example.latents.shape[2], "sound": c.sound.shape[2], "picture": c.picture.shape[1],
        "prior": c.prior.shape[1],
    }  # fmt: skip
