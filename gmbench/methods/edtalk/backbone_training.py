"""Training of the latent image animator with one space of motion, and the gate after it; EDTalk, section 3.1."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn

from gmbench.errors import InputError
from gmbench.methods.edtalk.animator import Animator, Drawn
from gmbench.methods.edtalk.checkpoints import CHECKPOINTS
from gmbench.methods.edtalk.frames import MOUTH, TrainingFrames
from gmbench.methods.edtalk.picture_losses import PictureLosses, Update
from gmbench.methods.edtalk.settings import Backbone
from gmbench.methods.picture_tracks import held_out_clips
from gmbench.methods.pictures import PeoplePictures
from gmbench.methods.training_jobs import TrainedFile
from gmbench.nn.stylegan import EqualLinear
from gmbench.nn.training import ProgressCallback, TrainState, Updater, train
from gmbench.nn.warp import flow_at

SPACE = "motion"
"""The backbone's only space."""
BOX = 5 / 256
"""How far the mouth's box reaches beyond the lips, in sides."""
GATE_STEP, GATE_BATCH = 5, 16
"""Frames between those that the gate looks at, and how many are drawn at once."""


def train_backbone(
    people: PeoplePictures, settings: Backbone, seed: int,
    folder: Path | None = None, progress: ProgressCallback | None = None,
) -> TrainedFile:  # fmt: skip
    """Encoder, generator and a space of ``settings.bases`` for all people.

    Args:
        people: frames with landmarks.
        settings: sizes, losses, gate, and how long.
        seed: of everything random.
        folder: for checkpoints and the log.
        progress: see :func:`gmbench.nn.training.train`.

    Raises:
        InputError: no frames with a face, or the gate is not passed, see :func:`check_gate`.
    """
    torch.manual_seed(seed)
    frames = TrainingFrames(people, settings.side)
    held_out = held_out_clips(people.clips)
    numbers = frames.usable([n for n in range(len(people.clips)) if n not in set(held_out)])
    animator = Animator(settings, {SPACE: settings.bases})
    losses = PictureLosses(settings, settings)
    modules: dict[str, nn.Module] = {"animator": animator}
    if settings.landmark_aux:
        modules["landmarks"] = EqualLinear(settings.latent, 2 * 68)
    state = losses.state(modules, (p for module in modules.values() for p in module.parameters()))
    state.update = _update(state, animator, losses, frames, numbers, settings)
    report = train(state, settings.train.config(seed), folder, progress)
    errors = check_gate(animator, frames, held_out) if settings.gate else {}
    return CHECKPOINTS.pack("backbone", animator, {"settings": settings.model_dump(mode="json")} | errors), report


def load_backbone(path: Path) -> Animator:
    """A trained backbone, frozen; raises WeightsError where the file is another's."""
    facts = CHECKPOINTS.read_facts(path, "backbone")
    settings = Backbone.model_validate(facts["settings"])
    animator = Animator(settings, {SPACE: settings.bases})
    CHECKPOINTS.load_weights(path, animator)
    return animator


def landmark_losses(
    predicted: Tensor, drawn: Drawn, own: Tensor, source: Tensor, target: Tensor, lips: float = 1.0
) -> dict[str, Tensor]:
    """How far landmarks predicted from latents are off, and where the flow of each scale leads from the target's.

    Args:
        predicted: (B', 136) from latents of pictures.
        drawn: pictures with their flows.
        own: (B', 68, 2) landmarks of those pictures.
        source, target: (B, 68, 2) landmarks that the flow must lead between, in the flows' units.
        lips: how often those of the lips count, beside the others.
    """
    counts = torch.ones(68, 1, device=own.device)
    counts[MOUTH] = lips
    counts = counts / counts.mean()
    found = (counts * (predicted.view_as(own) - own).abs()).mean()
    led = [(counts * (target + flow_at(flow, target) - source).abs()).mean() for flow in drawn.flows]
    return {"landmarks": found, "flow": torch.stack(led).mean()}


def _update(
    state: TrainState, animator: Animator, losses: PictureLosses, frames: TrainingFrames, numbers: Sequence[int],
    s: Backbone,
) -> Update:  # fmt: skip
    """One step: a source of the person is moved as the driver."""

    def update(step: int, updater: Updater) -> dict[str, Tensor]:
        losses.set_rates(state, step)
        chosen, drivers = frames.draw_drivers(numbers, s.train.batch, s.even_lips)
        sources = frames.draw_sources(chosen)
        both = frames.pictures(np.concatenate([sources, drivers])).to(updater.device)
        encoded, count = animator.encoder(both), len(drivers)
        source = encoded.take(torch.arange(count))
        drawn = animator.draw(source, animator.spaces.weights(encoded.latents[count:]))
        target = both[count:]
        counts = None if s.mouth == 1 else 1 + (s.mouth - 1) * frames.mouth_masks(drivers, BOX).to(updater.device)
        terms = losses.terms(drawn.pictures, target, counts)
        terms |= losses.adversarial(step, updater, target, drawn.pictures, drawn.pictures)
        total = losses.total(terms)
        if s.landmark_aux:
            places = frames.places(np.concatenate([sources, drivers])).to(updater.device)
            predicted = state.modules["landmarks"](encoded.latents)
            further = landmark_losses(predicted, drawn, places, places[:count], places[count:], s.lips)
            total = total + s.landmark_aux * torch.stack(list(further.values())).sum()
            terms |= further
        updater.backward_and_step(total, "animator")
        return terms

    return update


def check_gate(animator: Animator, frames: TrainingFrames, held_out: Sequence[int]) -> dict[str, float]:
    """Mean absolute errors on held-out clips (``l1``), and of the still source (``l1_still``), pictures in [0, 1].

    The source of a clip is the person's first neutral frame, else the clip's own first frame.

    Raises:
        InputError: the pictures that are drawn are no nearer than the still source, with both numbers.
    """
    animator.eval()
    errors, still = [], []
    for number in held_out:
        rows = frames.of_clip[number][::GATE_STEP]
        if not len(rows):
            continue
        first = [*frames.neutral_of_clip[number][:1], *frames.of_clip[number][:1]][:1]
        source = frames.pictures(np.array(first))
        for part in np.array_split(rows, -(-len(rows) // GATE_BATCH)):
            target = frames.pictures(part)
            with torch.inference_mode():
                encoded = animator.encoder(source).take(torch.zeros(len(part), dtype=torch.int64))
                drawn = animator.draw(encoded, animator.weights(target)).pictures
            errors.append((drawn.clamp(-1, 1) - target).abs().mean((1, 2, 3)) / 2)
            still.append((source - target).abs().mean((1, 2, 3)) / 2)
    if not errors:
        return {}
    found, held = float(torch.cat(errors).mean()), float(torch.cat(still).mean())
    if found >= held:
        raise InputError(
            f"the animator draws held-out frames with an error of {found:.4f}, the still source has {held:.4f}; train"
            " it longer (edtalk: backbone: train), or set backbone: gate to false, with which it is trained anew"
        )
    return {"l1": found, "l1_still": held}
