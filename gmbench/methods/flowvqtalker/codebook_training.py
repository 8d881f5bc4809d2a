"""Training of the codebook with its autoencoder, and the gate after it."""

from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from gmbench.methods.emotion_gate import check_gate
from gmbench.methods.flowvqtalker.checkpoints import CHECKPOINTS
from gmbench.methods.flowvqtalker.face_features import feature_cells, feature_weights, weighted_l1
from gmbench.methods.flowvqtalker.picture_code import PictureCode
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
        InputError: held-out frames lose their emotion, see :func:`gmbench.methods.emotion_gate.check_gate`.
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
        network.start_from(*_start_pictures(people, frames_of(people, rest), settings))
    state = TrainState(modules, optimisers, lambda step, updater: {})
    state.update = _update(state, network, people, frames_of(people, rest), settings)
    report = train(state, settings.train.config(seed), folder, progress)
    torch.manual_seed(seed)
    facts = {"settings": settings.model_dump(mode="json"), "gate": code_gate(network, people, rest, held_out)}
    return CHECKPOINTS.pack("codebook", network, facts), report


def _start_pictures(people: PeoplePictures, frames: NDArray[np.int64], s: Codebook) -> tuple[Tensor, Tensor | None]:
    """At most ``start_frames`` of the frames (N, 3, S, S), drawn by torch's global generator, and weights of places."""
    chosen = np.sort(frames[torch.randperm(len(frames))[: s.start_frames].numpy()])
    pictures = to_signed(torch.from_numpy(people.frames[chosen]))
    if not s.face:
        return pictures, None
    return pictures, 1 + s.face * feature_cells(people.landmarks[chosen], s.side, s.cells)


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


def code_gate(
    network: PictureCode, people: PeoplePictures, rest: Sequence[int], held_out: Sequence[int]
) -> dict[str, float]:
    """What :func:`check_gate` finds of the codebook, with ``used`` and ``perplexity`` of its codes."""
    codes: list[Tensor] = []

    def through(pictures: Tensor) -> Tensor:
        drawn, indices = reconstruct(network, pictures)
        codes.append(indices)
        return drawn

    s = network.settings
    numbers = check_gate(people, rest, held_out, through, s.gate, s.gate_steps, "flowvqtalker: codebook")
    if not codes:
        return numbers
    used, perplexity = usage(torch.cat(codes), s.codes)
    return numbers | {"used": used, "perplexity": perplexity}


@torch.inference_mode()
def reconstruct(network: PictureCode, pictures: Tensor, batch: int = 16) -> tuple[Tensor, Tensor]:
    """Reconstructions (N, 3, S, S) in [-1, 1] and indices (N, s, s), some pictures at a time."""
    network.eval()
    parts = [network(rows) for rows in pictures.split(batch)]
    return torch.cat([p.clamp(-1, 1) for p, _ in parts]), torch.cat([q.indices for _, q in parts])
