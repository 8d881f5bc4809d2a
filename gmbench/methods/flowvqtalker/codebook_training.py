"""Training of the codebook with its autoencoder, and the gate after it."""

from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import Tensor, nn

from gmbench.errors import InputError
from gmbench.methods.flowvqtalker.checkpoints import CHECKPOINTS
from gmbench.methods.flowvqtalker.face_features import feature_weights, weighted_l1
from gmbench.methods.flowvqtalker.picture_code import EmotionTeacher, PictureCode
from gmbench.methods.flowvqtalker.settings import Codebook
from gmbench.methods.picture_tracks import frames_of, held_out_clips
from gmbench.methods.pictures import PeoplePictures
from gmbench.methods.training_jobs import TrainedFile
from gmbench.nn.gan import PatchDiscriminator, adversarial_step
from gmbench.nn.perceptual import perceptual
from gmbench.nn.pictures import to_signed
from gmbench.nn.training import ProgressCallback, TrainState, Updater, adam, falling_rate, train, weighted_sum
from gmbench.nn.vq import usage

BETAS = (0.5, 0.9)
"""Of Adam, as in VQGAN."""
TEACHER_BATCH, TEACHER_RATE = 32, 2e-3
LEAST_SEEN = 2.0
"""Of the gate's classifier, in shares of chance: below it, anything would pass."""
GATE_STEP, GATE_BATCH = 5, 256
"""Frames between those that the gate looks at, and how many of these are in memory at a time."""


def train_codebook(
    people: PeoplePictures, settings: Codebook, seed: int,
    folder: Path | None = None, progress: ProgressCallback | None = None,
) -> TrainedFile:  # fmt: skip
    """Encoder, codebook and decoder for all people; eqs. 14 to 17.

    Args:
        people: frames of the settings' side.
        settings: sizes, losses, gate, and how long.
        seed: of everything random.
        folder: for checkpoints and the log.
        progress: see :func:`gmbench.nn.training.train`.

    Raises:
        InputError: held-out frames lose their emotion, see :func:`check_gate`.
    """
    torch.manual_seed(seed)
    network = PictureCode(settings)
    modules = nn.ModuleDict({"code": network})
    optimisers = {"code": adam(network.parameters(), settings.train.rate, BETAS)}
    if settings.weights["adv"]:
        modules["discriminator"] = discriminator = PatchDiscriminator(settings.discriminator)
        optimisers["discriminator"] = adam(discriminator.parameters(), settings.train.rate, BETAS)
    held_out = held_out_clips(people.clips)
    rest = [n for n in range(len(people.clips)) if n not in set(held_out)]
    if settings.start == "patches":
        network.start_from(_start_pictures(people, frames_of(people, rest), settings.start_frames))
    state = TrainState(modules, optimisers, lambda step, updater: {})
    state.update = _update(state, network, people, frames_of(people, rest), settings)
    report = train(state, settings.train.config(seed), folder, progress)
    torch.manual_seed(seed)
    facts = {"settings": settings.model_dump(mode="json"), "gate": check_gate(network, people, rest, held_out)}
    return CHECKPOINTS.pack("codebook", network, facts), report


def _start_pictures(people: PeoplePictures, frames: NDArray[np.int64], count: int) -> Tensor:
    """At most so many of the frames (N, 3, S, S), drawn by torch's global generator."""
    chosen = frames[torch.randperm(len(frames))[:count].numpy()]
    return to_signed(torch.from_numpy(people.frames[np.sort(chosen)]))


def codebook_losses(
    network: PictureCode, pictures: Tensor, perceptual_loss: nn.Module | None, weights: Tensor | None = None
) -> tuple[Tensor, dict[str, Tensor]]:
    """Reconstructions, and ``rec``, ``per``, ``code``, ``commitment``; eqs. 14, 16 and 17.

    The weight 0.25 stands on the commitment, not on the code's own term. ``weights`` (B, 1, S, S) are those of ``rec``.
    """
    drawn, quantised = network(pictures)
    rec = weighted_l1(drawn, pictures, weights)
    terms = {"rec": rec, "code": quantised.code, "commitment": quantised.commitment}
    if perceptual_loss is not None:
        terms["per"] = perceptual_loss(drawn, pictures)
    return drawn, terms


def _update(
    state: TrainState, network: PictureCode, people: PeoplePictures, frames: NDArray[np.int64], s: Codebook
) -> Callable[[int, Updater], dict[str, Tensor]]:
    """One step of the autoencoder, and of the discriminator where there is one."""
    perceptual_loss = perceptual(s.perceptual, squared=True)

    def update(step: int, updater: Updater) -> dict[str, Tensor]:
        for optimiser in state.optimisers.values():
            falling_rate(optimiser, s.train, step)
        chosen = np.sort(frames[torch.randint(0, len(frames), (s.train.batch,)).numpy()])
        real = to_signed(torch.from_numpy(people.frames[chosen])).to(updater.device)
        loss_network = None if perceptual_loss is None else perceptual_loss.to(updater.device)
        weights = feature_weights(people.landmarks[chosen], s.side, s.face, updater.device)
        drawn, terms = codebook_losses(network, real, loss_network, weights)
        total = weighted_sum(terms, s.weights)
        if "discriminator" in state.modules and step >= s.adversarial_from:
            pictured, last = terms["rec"] + terms.get("per", 0.0), network.decoder.last.weight
            players, adversarial = adversarial_step(
                updater, state.modules["discriminator"], real, drawn, pictured, last
            )
            terms |= players
            total = total + s.weights["adv"] * adversarial
        updater.backward_and_step(total, "code")
        return terms

    return update


def check_gate(
    network: PictureCode, people: PeoplePictures, rest: Sequence[int], held_out: Sequence[int]
) -> dict[str, float]:
    """How well held-out frames come back: ``psnr`` in dB, ``used`` and ``perplexity`` of the codes, and emotions.

    A small classifier is trained on the other clips. ``seen`` is the share of held-out frames whose emotion it calls
    right, ``kept`` the share of those that it still calls right in their reconstructions.

    Raises:
        InputError: ``kept`` is below the settings' gate, with both numbers; or the classifier sees less than
            :data:`LEAST_SEEN` times what chance does.
    """
    frames = frames_of(people, held_out, GATE_STEP)
    if not len(frames):
        return {}
    emotions = sorted({clip.emotion for clip in people.clips if clip.emotion})
    gate = network.settings.gate
    teacher = train_teacher(people, rest, emotions, network.settings.gate_steps) if gate else None
    labels = torch.from_numpy(_labels(people, emotions))
    squares, codes, called = 0.0, [], []
    for rows in np.array_split(frames, -(-len(frames) // GATE_BATCH)):  # all at once would fill the memory
        real = to_signed(torch.from_numpy(people.frames[rows]))
        drawn, indices = reconstruct(network, real)
        squares += float((drawn - real).square().mean()) * len(rows)
        codes.append(indices)
        if teacher is not None:
            with torch.inference_mode():
                called.append(torch.stack([teacher(x).argmax(1) == labels[rows] for x in (real, drawn)]))
    used, perplexity = usage(torch.cat(codes), network.settings.codes)
    error = squares / len(frames) / 4  # of pictures in [0, 1]
    numbers = {"psnr": -10 * float(np.log10(error)), "used": used, "perplexity": perplexity}
    if teacher is None:
        return numbers
    right, still = torch.cat(called, 1)
    seen, kept = float(right.float().mean()), float((right & still).sum() / right.sum().clamp_min(1))
    if seen < LEAST_SEEN / len(emotions):
        raise InputError(
            f"the classifier after the codebook sees the emotion of {seen:.0%} of the held-out frames, too few to tell"
            " what the codebook keeps; train that longer (flowvqtalker: codebook: gate_steps), or set codebook: gate to"
            " 0; either way the codebook is trained anew"
        )
    if kept < gate:
        raise InputError(
            f"the codebook keeps the emotion of {kept:.0%} of the held-out frames in which a classifier sees it"
            f" ({seen:.0%} of all), expected at least {gate:.0%}; train it longer or give it more codes"
            " (flowvqtalker: codebook: train, codes), or lower codebook: gate, with which it is trained anew"
        )
    return numbers | {"seen": seen, "kept": kept}


@torch.inference_mode()
def reconstruct(network: PictureCode, pictures: Tensor, batch: int = 16) -> tuple[Tensor, Tensor]:
    """Reconstructions (N, 3, S, S) in [-1, 1] and indices (N, s, s), some pictures at a time."""
    network.eval()
    parts = [network(rows) for rows in pictures.split(batch)]
    return torch.cat([p.clamp(-1, 1) for p, _ in parts]), torch.cat([q.indices for _, q in parts])


def train_teacher(people: PeoplePictures, clips: Sequence[int], emotions: Sequence[str], steps: int) -> EmotionTeacher:
    """The gate's classifier, on clips with a label; draws by torch's global generator."""
    labels = _labels(people, emotions)
    frames = frames_of(people, [n for n in clips if people.clips[n].emotion])
    teacher = EmotionTeacher(len(emotions)).train()
    optimiser = adam(teacher.parameters(), TEACHER_RATE)
    for _ in range(steps):
        chosen = np.sort(frames[torch.randint(0, len(frames), (TEACHER_BATCH,)).numpy()])
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
