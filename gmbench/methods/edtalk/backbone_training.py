"""Training of the latent image animator with one space of motion, and the gate after it; EDTalk, section 3.1."""

from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from gmbench.errors import InputError
from gmbench.methods.edtalk.animator import Animator, Drawn, start_at_source
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
MOUTH_BOX = 5 / 256
"""How far the mouth's box reaches beyond the lips, in sides."""
START_FRAMES, START_BATCH = 1024, 16
LATENT_SPREAD, START_SPREAD, RIDGE = 0.4, 2.0, 0.1
"""Deviations of latents and weights that a training starts from, and the regression's ridge in mean squares."""
ENCODER_FRAMES = 4
"""How many times as many frames a batch has while the encoder learns alone."""
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
    if settings.start == "source":
        start_at_source(animator.encoder, animator.generator)
        spread_latents(animator, frames, numbers)
    losses = PictureLosses(settings, settings)
    modules: dict[str, nn.Module] = {"animator": animator}
    if settings.landmark_aux:
        modules["landmarks"] = EqualLinear(settings.latent, 2 * 68)
        modules["told"] = EqualLinear(settings.bases, 2 * 68)
        for name in ("landmarks", "told"):
            nn.init.zeros_(modules[name].weight)
    state = losses.state(modules, (p for module in modules.values() for p in module.parameters()))
    state.update = _update(state, animator, losses, frames, numbers, settings)
    report = train(state, settings.train.config(seed), folder, progress)
    errors = check_gate(animator, frames, held_out) if settings.gate else {}
    return CHECKPOINTS.pack("backbone", animator, {"settings": settings.model_dump(mode="json")} | errors), report


@torch.no_grad()
def start_space(animator: Animator, frames: TrainingFrames, numbers: Sequence[int], mouth: float) -> None:
    """Let weights tell landmarks: the leading components of what latents say of them, by regression.

    The layers of trunk and head become the identity, the last one the regression; weights of training frames then have
    mean 0 and deviation :data:`START_SPREAD`. Chance alone would give weights that tell little of the motion, through
    seven layers in a row that learn slowly. Raises ValueError for a trunk with rectifiers.
    """
    if animator.spaces.activated:
        raise ValueError("only a linear trunk can begin by regression")
    rows, latents = latents_of_frames(animator, frames, numbers)
    points = frames.places(rows)
    lips = points[:, MOUTH]
    told = torch.cat([points, mouth * (lips - lips.mean(1, keepdim=True))], 1).flatten(1)
    centred = latents - latents.mean(0)
    ridge = RIDGE * centred.square().sum(0).mean() * torch.eye(centred.shape[1])
    maps = torch.linalg.solve(centred.T @ centred + ridge, centred.T @ (told - told.mean(0)))
    found = centred @ maps
    *hidden, last = animator.spaces.heads[SPACE]
    leading = torch.linalg.svd(found, full_matrices=False)[2][: last.weight.shape[0]]
    scale = START_SPREAD / (found @ leading.T).std(0)
    for layer in (*animator.spaces.trunk, *hidden):
        layer.weight.copy_(torch.eye(len(layer.weight)) * len(layer.weight) ** 0.5)
        layer.bias.zero_()
    of_latents = (maps @ leading.T * scale).T
    last.weight[: len(leading)] = of_latents * of_latents.shape[1] ** 0.5
    last.bias[: len(leading)] = -of_latents @ latents.mean(0)


@torch.no_grad()
def spread_latents(animator: Animator, frames: TrainingFrames, numbers: Sequence[int]) -> None:
    """Let latents of training frames have mean 0 and deviation :data:`LATENT_SPREAD`, by the encoder's last layer.

    Those of an untrained encoder differ by little beside what they share, and hardly change what the generator does.
    """
    encoder, weight = animator.encoder, animator.encoder.last.weight
    given = torch.cat([encoder.maps(part)[0].cpu() for part in _parts(animator, _spread_rows(frames, numbers), frames)])
    mean = given.mean(0).to(weight)
    weight.sub_(torch.outer(weight @ mean, mean) / mean.square().sum())
    spread = ((given @ weight.cpu().T) / weight.shape[1] ** 0.5).std(0).mean()
    weight.mul_(LATENT_SPREAD / spread.to(weight))


@torch.no_grad()
def latents_of_frames(
    animator: Animator, frames: TrainingFrames, numbers: Sequence[int]
) -> tuple[NDArray[np.int64], Tensor]:
    """Frames (N,) spread over all clips, by torch's global generator, and their latents (N, d)."""
    rows = _spread_rows(frames, numbers)
    return rows, torch.cat([animator.encoder(part).latents.cpu() for part in _parts(animator, rows, frames)])


def _spread_rows(frames: TrainingFrames, numbers: Sequence[int]) -> NDArray[np.int64]:
    return np.unique(frames.draw_drivers(numbers, START_FRAMES)[1])


def _parts(animator: Animator, rows: NDArray[np.int64], frames: TrainingFrames) -> Iterator[Tensor]:
    for part in np.array_split(rows, -(-len(rows) // START_BATCH)):
        yield frames.pictures(part).to(animator.generator.start.device)


def load_backbone(path: Path) -> Animator:
    """A trained backbone, frozen; raises WeightsError where the file is another's."""
    facts = CHECKPOINTS.read_facts(path, "backbone")
    settings = Backbone.model_validate(facts["settings"])
    animator = Animator(settings, {SPACE: settings.bases})
    CHECKPOINTS.load_weights(path, animator)
    return animator


def landmark_losses(
    predicted: Tensor, told: Tensor, drawn: Drawn, source: Tensor, target: Tensor, mouth: float = 1.0
) -> dict[str, Tensor]:
    """How far predicted landmarks are off, and where the flow of each scale leads from the target's.

    Args:
        predicted: (2 B, 136) from latents of sources and targets.
        told: (B, 136) from the targets' weights, which are all that the generator hears of them.
        drawn: pictures with their flows.
        source, target: (B, 68, 2) landmarks, in the flows' units.
        mouth: how often the mouth's landmarks count.
    """
    led = [landmarks_off(target + flow_at(flow, target), source, mouth) for flow in drawn.flows]
    return {
        "landmarks": landmarks_off(predicted, torch.cat([source, target]), mouth),
        "told": landmarks_off(told, target, mouth), "flow": torch.stack(led).mean(),
    }  # fmt: skip


def landmarks_off(found: Tensor, true: Tensor, mouth: float) -> Tensor:
    """Mean distance by coordinate of landmarks (B, 136) or (B, 68, 2) to (B, 68, 2), the mouth's times ``mouth``."""
    counts = true.new_ones(68, 1)
    counts[MOUTH] = mouth
    return (counts * (found.view_as(true) - true).abs()).mean()


def _update(
    state: TrainState, animator: Animator, losses: PictureLosses, frames: TrainingFrames, numbers: Sequence[int],
    s: Backbone,
) -> Update:  # fmt: skip
    """One step: a source of the person is moved as the driver."""

    def update(step: int, updater: Updater) -> dict[str, Tensor]:
        losses.set_rates(state, step)
        if step < s.encoder_until:
            return encoder_step(updater, state, animator, frames, numbers, s)
        if s.encoder_until and step == s.encoder_until:
            start_space(animator, frames, numbers, s.mouth)
        chosen, drivers = frames.draw_drivers(numbers, s.train.batch)
        sources = frames.draw_sources(chosen)
        both = frames.pictures(np.concatenate([sources, drivers])).to(updater.device)
        encoded, count = animator.encoder(both), len(drivers)
        source = encoded.take(torch.arange(count))
        weights = animator.spaces.weights(encoded.latents[count:])
        drawn = animator.draw(source, weights)
        target = both[count:]
        counts = 1 + (s.mouth - 1) * frames.mouth_masks(drivers, MOUTH_BOX).to(updater.device) if s.mouth != 1 else None
        terms = losses.terms(drawn.pictures, target, counts)
        terms |= losses.adversarial(step, updater, target, drawn.pictures, drawn.pictures)
        total = losses.total(terms)
        if s.landmark_aux:
            places = frames.places(np.concatenate([sources, drivers])).to(updater.device)
            predicted = state.modules["landmarks"](encoded.latents), state.modules["told"](weights[SPACE])
            further = landmark_losses(*predicted, drawn, places[:count], places[count:], s.mouth)
            total = total + s.landmark_aux * torch.stack(list(further.values())).sum()
            terms |= further
        updater.backward_and_step(total, "animator")
        return terms

    return update


def encoder_step(
    updater: Updater, state: TrainState, animator: Animator, frames: TrainingFrames, numbers: Sequence[int], s: Backbone
) -> dict[str, Tensor]:
    """One step in which latents learn to tell landmarks, without the generator."""
    rows = frames.draw_drivers(numbers, ENCODER_FRAMES * s.train.batch)[1]
    latents = animator.encoder(frames.pictures(rows).to(updater.device)).latents
    off = landmarks_off(state.modules["landmarks"](latents), frames.places(rows).to(updater.device), s.mouth)
    updater.backward_and_step(off, "animator")
    return {"landmarks": off}


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
