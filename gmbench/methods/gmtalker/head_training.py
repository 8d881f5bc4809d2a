"""Training of GMTalker's head generator: from pictures of one person to the bytes of a checkpoint and a report."""

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import Tensor, nn

from gmbench.methods.gmtalker.checkpoints import CHECKPOINTS
from gmbench.methods.gmtalker.head import Discriminator, HeadGenerator, r1_penalty
from gmbench.methods.gmtalker.pictures import Pictures, reference_mask
from gmbench.methods.gmtalker.preview import Preview
from gmbench.methods.gmtalker.settings import Head
from gmbench.methods.training_jobs import TrainedFile
from gmbench.nn.perceptual import perceptual
from gmbench.nn.training import Ahead, ProgressCallback, TrainState, Updater, adam, train

MASKS = 48
"""Shoulder masks kept for ``per_frame_nearest``."""


def train_head(
    pictures: Pictures, emotions: Sequence[str], person: Mapping[str, NDArray[np.float32]], settings: Head, seed: int,
    folder: Path | None = None, progress: ProgressCallback | None = None, preview: Path | None = None,
) -> TrainedFile:  # fmt: skip
    """The head generator of one person, all emotions together.

    Args:
        pictures: of the person.
        emotions: in the order of the mapping network's branches.
        person: arrays that are kept beside the weights: shape, texture, mean motion.
        settings: sizes, losses, and how long.
        seed: of everything random.
        folder: for checkpoints and the log.
        progress: see :func:`gmbench.nn.training.train`.
        preview: a JPEG that shows now and then what is drawn so far.
    """
    torch.manual_seed(seed)
    generator, discriminator = HeadGenerator(settings, len(emotions)), Discriminator(settings)
    for network in (generator, discriminator):
        network.to(memory_format=torch.channels_last)  # faster on CPUs
    modules = nn.ModuleDict({"generator": generator, "discriminator": discriminator})
    update = _update(generator, discriminator, pictures, emotions, settings, Preview(preview, len(pictures.frames)))
    state = TrainState(modules, _optimisers(generator, discriminator, settings), update, {"generator": settings.ema})
    report = train(state, settings.train.config(seed), folder, progress)
    facts = {"settings": settings.model_dump(mode="json"), "emotions": list(emotions)}
    spread = np.unique(np.linspace(0, len(pictures.masks) - 1, MASKS).astype(int))
    constants = dict(person) | {
        "mask": reference_mask(pictures), "masks": np.asarray(pictures.masks[spread]), "poses": pictures.rho[spread],
    }  # fmt: skip
    return CHECKPOINTS.pack("head", generator, facts, constants), report


def generator_input(rendering: NDArray[np.uint8], mask: NDArray[np.uint8]) -> NDArray[np.float32]:
    """Input of the generator (4, S, S) in [-1, 1] of a rendering (S, S, 3) and a mask (S, S)."""
    joined = np.concatenate([rendering, mask[..., None]], axis=2).astype(np.float32)
    return np.ascontiguousarray(joined.transpose(2, 0, 1)) / 127.5 - 1


def to_signed(pictures: NDArray[np.uint8]) -> Tensor:
    """(B, 3, S, S) in [-1, 1] of (B, S, S, 3) uint8."""
    return torch.from_numpy(np.ascontiguousarray(pictures.transpose(0, 3, 1, 2))).float() / 127.5 - 1


def _optimisers(generator: nn.Module, discriminator: nn.Module, settings: Head) -> dict[str, torch.optim.Optimizer]:
    """StyleGAN2's: rates and betas follow from how often the discriminator's penalty is added."""
    every = settings.r1_every
    return {
        "generator": adam(
            generator.parameters(), settings.train.rate * 4 / 5, (settings.momentum, 0.99 ** (4 / 5))
        ),
        "discriminator": adam(
            discriminator.parameters(), settings.rate_d * every / (every + 1), (0.0, 0.99 ** (every / (every + 1)))
        ),
    }  # fmt: skip


def _update(
    generator: HeadGenerator,
    discriminator: Discriminator,
    pictures: Pictures,
    emotions: Sequence[str],
    settings: Head,
    preview: Preview,
) -> Callable[[int, Updater], dict[str, Tensor]]:
    """One step of both networks: L1, perceptual and adversarial loss."""
    labels = np.array([emotions.index(name) for name in pictures.emotion])
    members = [np.flatnonzero(labels == k) for k in range(len(emotions)) if (labels == k).any()]
    perceptual_loss, weights = perceptual(settings.perceptual), settings.weights

    def make(generator: torch.Generator | None) -> tuple[Tensor, Tensor, Tensor]:
        return _batch(pictures, labels, _draw_frames(members, settings.train.batch, generator), len(emotions))

    batches = Ahead(make)

    def update(step: int, updater: Updater) -> dict[str, Tensor]:
        condition, real, label = updater.given(*batches.get(step, updater))
        rendering = condition[:, :3]
        style = generator.mapping(torch.randn(len(real), settings.style).to(real), label)
        fake = generator(condition, style)
        error = (fake - real).abs()
        terms: dict[str, Tensor] = {"l1": error.mean()}
        total = weights["l1"] * terms["l1"]
        if settings.face:
            covered = F.interpolate((rendering.amax(1, keepdim=True) > -1).to(real), real.shape[-2:])
            total = total + weights["l1"] * settings.face * (error * covered).mean()
        if perceptual_loss is not None:
            terms["per"] = perceptual_loss.to(updater.device)(fake, real)
            total = total + weights["per"] * terms["per"]
        turn, remainder = divmod(step, settings.gan_every)
        if weights["gan"] and not remainder:
            on_fake, on_real = discriminator(fake.detach(), rendering), discriminator(real, rendering)
            terms["d"] = F.softplus(on_fake).mean() + F.softplus(-on_real).mean()
            updater.backward_and_step(terms["d"], "discriminator")
            if turn % settings.r1_every == 0:
                terms["r1"] = r1_penalty(discriminator, real, rendering)
                updater.backward_and_step(terms["r1"] * settings.r1 / 2 * settings.r1_every, "discriminator")
            terms["g"] = F.softplus(-discriminator(fake, rendering)).mean()
            total = total + weights["gan"] * terms["g"]
        updater.backward_and_step(total, "generator")
        if preview.due:
            shown = [x.to(updater.device) for x in _batch(pictures, labels, preview.chosen, len(emotions))]
            with torch.no_grad(), torch.random.fork_rng():
                style = generator.mapping(torch.zeros(len(preview.chosen), settings.style).to(real), shown[2])
            preview.write(generator, shown[0], shown[1], style)
        return terms

    return update


def _draw_frames(
    members: Sequence[NDArray[np.integer]], count: int, generator: torch.Generator | None = None
) -> list[int]:
    """Indices of frames, drawn so that every group of ``members`` is equally likely."""
    result = []
    for place in torch.randint(0, len(members), (count,), generator=generator).tolist():
        group = members[place]
        result.append(int(group[int(torch.randint(0, len(group), (), generator=generator))]))
    return result


def _batch(
    pictures: Pictures, labels: NDArray[np.integer], chosen: Sequence[int], count: int
) -> tuple[Tensor, Tensor, Tensor]:
    """Conditions (B, 4, S, S), pictures (B, 3, S, S) and one-hot labels (B, K)."""
    condition = np.stack([generator_input(pictures.renders[n], pictures.masks[n]) for n in chosen])
    real = np.stack([pictures.frames[n] for n in chosen])
    label = F.one_hot(torch.from_numpy(labels[list(chosen)]), count).float()
    return torch.from_numpy(condition).contiguous(memory_format=torch.channels_last), to_signed(real), label
