"""Training of the image generator: codes first, then pictures too, from pairs of frames of one person."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import Tensor, nn

from gmbench.errors import InputError
from gmbench.methods.expression_code import ExpressionCode
from gmbench.methods.flowvqtalker.checkpoints import CHECKPOINTS
from gmbench.methods.flowvqtalker.face_features import feature_cells, weighted_l1
from gmbench.methods.flowvqtalker.flows import EXPRESSION as EXPRESSION_COLUMNS
from gmbench.methods.flowvqtalker.flows import POSE as POSE_COLUMNS
from gmbench.methods.flowvqtalker.image_generator import Drawn, ImageGenerator, motion_windows
from gmbench.methods.flowvqtalker.picture_code import PictureCode
from gmbench.methods.flowvqtalker.settings import Codebook, Vqig
from gmbench.methods.lips import by_opening
from gmbench.methods.picture_tracks import ClipMotion
from gmbench.methods.pictures import PeoplePictures
from gmbench.methods.scaling import Scale
from gmbench.methods.tracks import POSE
from gmbench.methods.training_jobs import TrainedFile
from gmbench.nn.gan import PatchDiscriminator, adversarial_step
from gmbench.nn.perceptual import perceptual
from gmbench.nn.pictures import to_signed
from gmbench.nn.training import ProgressCallback, TrainState, Updater, adam, falling_rate, train, weighted_sum
from gmbench.nn.warp import flow_at

BETAS = (0.5, 0.9)
GRADIENT_NORM = 1.0


def load_code(path: Path) -> PictureCode:
    """The autoencoder of a codebook's checkpoint, frozen; raises WeightsError where it is another's."""
    facts = CHECKPOINTS.read_facts(path, "codebook")
    network = PictureCode(Codebook.model_validate(facts["settings"]))
    CHECKPOINTS.load_weights(path, network)
    return network


@dataclass(frozen=True)
class PairBatch:
    """Pictures (B, 3, S, S) in [-1, 1], the target's window (B, 27, 70) and the source's coefficients (B, 70).

    Landmarks (B, 478, 2) of both are in pixels.
    """

    source: Tensor
    target: Tensor
    window: Tensor
    source_motion: Tensor
    source_landmarks: NDArray[np.float32]
    landmarks: NDArray[np.float32]


@dataclass(frozen=True)
class FramePairs:
    """Pairs of a source and a target frame of one person, drawn by torch's global generator.

    Attributes:
        people: frames.
        motion: (T, 70) standardised coefficients by clip.
        targets: indices of frames that may be targets, with the clip and the place in it (M, 3).
        same: frames of the person of each clip.
        own: frames of each clip itself.
        numbers: (N,) clip of each frame.
        by_opening: rows of ``targets`` whose lips are open about as far, from shut to widest; see :func:`by_opening`.
    """

    people: PeoplePictures
    motion: Mapping[int, Tensor]
    targets: NDArray[np.int64]
    same: Mapping[int, NDArray[np.int64]]
    own: Mapping[int, NDArray[np.int64]]
    numbers: NDArray[np.int64]
    by_opening: Sequence[NDArray[np.int64]] = ()

    def draw(self, count: int, own_clip: float = 0.0, even_lips: float = 0.0) -> PairBatch:
        """Pairs.

        Args:
            count: how many.
            own_clip: share whose source is of the target's own clip; the others' are of any clip.
            even_lips: share of targets that are drawn evenly over how far lips are open; the others all alike.
        """
        rows = self.targets[[self._target(even_lips) for _ in range(count)]]
        sources = np.array([self._source(int(clip), own_clip) for _, clip, _ in rows])
        known = torch.stack([self._coefficients(n) for n in sources])
        windows = [motion_windows(self.motion[int(clip)], int(t), int(t) + 1) for _, clip, t in rows]
        frames = self.people.frames
        pictures = [torch.from_numpy(np.stack([frames[n] for n in chosen])) for chosen in (sources, rows[:, 0])]
        landmarks = [np.asarray(self.people.landmarks[chosen]) for chosen in (sources, rows[:, 0])]
        return PairBatch(to_signed(pictures[0]), to_signed(pictures[1]), torch.cat(windows), known, *landmarks)

    def _coefficients(self, frame: int) -> Tensor:
        """(70,) of a frame with a face."""
        clip = int(self.numbers[frame])
        return self.motion[clip][frame - self.people.clips[clip].first]

    def _target(self, even_lips: float) -> int:
        if even_lips and self.by_opening and float(torch.rand(())) < even_lips:
            alike = self.by_opening[int(torch.randint(0, len(self.by_opening), ()))]
            return int(alike[int(torch.randint(0, len(alike), ()))])
        return int(torch.randint(0, len(self.targets), ()))

    def _source(self, clip: int, own_clip: float) -> int:
        members = self.own[clip] if own_clip and float(torch.rand(())) < own_clip else self.same[clip]
        return int(members[int(torch.randint(0, len(members), ()))])


def frame_pairs(
    people: PeoplePictures, motion: Mapping[int, ClipMotion], code: ExpressionCode, pose: Scale
) -> FramePairs:
    """Pairs of all clips with coefficients; raises InputError where no clip has any.

    Sources are frames of the same person in any clip. Frames without a face are no targets, and take the coefficients
    of the frame before them in the windows of others.
    """
    by_person: dict[tuple[str, bool], list[NDArray[np.int64]]] = {}
    targets, tracks, own = [], {}, {}
    for number, values in motion.items():
        clip = people.clips[number]
        places = np.flatnonzero(values.known)
        if not len(places):
            continue
        kept = np.maximum.accumulate(np.where(values.known, np.arange(len(values.known)), places[0]))
        tracks[number] = encode_motion(values.beta[kept], values.rho[kept], code, pose)
        targets.append(np.stack([clip.first + places, np.full_like(places, number), places], 1))
        own[number] = clip.first + places
        by_person.setdefault((clip.speaker, clip.pretraining), []).append(own[number])
    if not targets:
        raise InputError("no training clip has coefficients; run the stage fit")
    joined = {person: np.concatenate(frames) for person, frames in by_person.items()}
    same = {n: joined[people.clips[n].speaker, people.clips[n].pretraining] for n in tracks}
    rows = np.concatenate(targets)
    alike = by_opening(np.asarray(people.landmarks[rows[:, 0]]))
    return FramePairs(people, tracks, rows, same, own, people.clip_numbers(), alike)


def encode_motion(beta: NDArray[np.float32], rho: NDArray[np.float32], code: ExpressionCode, pose: Scale) -> Tensor:
    """(T, 70): codes of expressions (T, 169), and poses of motion (T, 12), standardised."""
    return torch.from_numpy(np.concatenate([code.encode(beta, rho), pose.standardise(rho[:, POSE])], 1))


def motion_gains(code: ExpressionCode) -> Tensor:
    """(70,) factors by which expressions count by their effect, squared and summed as much as the pose, whose are 1.

    Standardised, the 64 components are alike, while they move the landmarks by 1 to 0.02: an image generator would find
    an opened mouth in one of 64 columns, beside noise.
    """
    expressions = torch.from_numpy(code.effects()) * (POSE_COLUMNS / EXPRESSION_COLUMNS) ** 0.5
    return torch.cat([expressions, torch.ones(POSE_COLUMNS)])


def image_losses(
    generator: ImageGenerator, drawn: Drawn, target: Tensor, image: bool, perceptual_loss: nn.Module | None,
    weights: Tensor | None = None,
) -> dict[str, Tensor]:  # fmt: skip
    """``ce`` and ``feat`` of eq. 18, and with ``image`` ``rec`` and ``per``; unweighted.

    ``weights`` (B, 1, s, s) are those of places in ``ce``, ``feat`` and ``rec``; without them all count alike.
    """
    with torch.no_grad():
        wanted = generator.code.quantise(target)
    places = target.new_ones(len(target), 1, generator.cells, generator.cells) if weights is None else weights
    terms = {"feat": (places * (drawn.features - wanted.values).square()).mean()}
    if drawn.logits is not None:
        each = F.cross_entropy(drawn.logits.flatten(0, 1), wanted.indices.flatten(), reduction="none")
        terms["ce"] = (places.flatten() * each).mean()
    if image:
        terms["rec"] = weighted_l1(drawn.picture, target, F.interpolate(places, target.shape[-2:]))
        if perceptual_loss is not None:
            terms["per"] = perceptual_loss(drawn.picture, target)
    return terms


def flow_loss(flow: Tensor, source: NDArray[np.float32], target: NDArray[np.float32], side: int) -> Tensor:
    """How far from the source's landmarks the flow leads from the target's, mean in the flow's units; 0 without any.

    Args:
        flow: (B, 2, h, w), see :mod:`gmbench.nn.warp`.
        source, target: (B, 478, 2) in pixels, NaN where there is no face.
        side: S of the pictures.
    """
    wanted, places = (torch.from_numpy(points).to(flow) * (2 / (side - 1)) - 1 for points in (source, target))
    known = torch.isfinite(wanted) & torch.isfinite(places)
    off = places + flow_at(flow, places.nan_to_num()) - wanted
    return off[known].abs().sum() / known.sum().clamp_min(1)


def train_vqig(
    pairs: FramePairs, code: PictureCode, expressions: ExpressionCode, pose: Scale, settings: Vqig, seed: int,
    folder: Path | None = None, progress: ProgressCallback | None = None,
) -> TrainedFile:  # fmt: skip
    """The image generator of all people around a trained codebook.

    Args:
        pairs: frames to learn from.
        code: autoencoder with codebook; it is frozen and stands in the file too.
        expressions, pose: how coefficients become numbers, kept in the file.
        settings: variant, sizes, losses, and how long.
        seed: of everything random.
        folder: for checkpoints and the log.
        progress: see :func:`gmbench.nn.training.train`.
    """
    torch.manual_seed(seed)
    generator = ImageGenerator(code, settings)
    if settings.coefficients == "effect":
        generator.mapping.gains.copy_(motion_gains(expressions))
    trained = [p for p in generator.parameters() if p.requires_grad]
    modules = nn.ModuleDict({"generator": generator})
    optimisers = {"generator": adam(trained, settings.train.rate, BETAS)}
    if settings.weights["adv"]:
        modules["discriminator"] = discriminator = PatchDiscriminator(code.settings.discriminator)
        optimisers["discriminator"] = adam(discriminator.parameters(), settings.train.rate, BETAS)
    state = TrainState(modules, optimisers, lambda step, updater: {})
    state.update = _update(state, generator, pairs, settings)
    report = train(state, settings.train.config(seed), folder, progress)
    facts = {"settings": settings.model_dump(mode="json"), "codebook": code.settings.model_dump(mode="json")}
    constants = expressions.constants() | {"pose.mean": pose.mean, "pose.deviation": pose.deviation}
    return CHECKPOINTS.pack("vqig", generator, facts, constants), report


def warp_losses(
    flow: Tensor, warped: Tensor, batch: PairBatch, s: Vqig, perceptual_loss: nn.Module | None
) -> dict[str, Tensor]:
    """``warp``, the perceptual distance of the warped source, L1 without such a network, and ``flow`` where it counts.

    Args:
        flow: (B, 2, h, w), see :mod:`gmbench.nn.warp`.
        warped: (B, 3, S, S) source pictures that it moved.
        batch: the pairs. s: weights.
        perceptual_loss: on the device of ``warped``.
    """
    target = batch.target.to(warped.device)
    l1 = (warped - target).abs().mean()
    terms = {"warp": l1 if perceptual_loss is None else perceptual_loss(warped, target)}
    if s.weights.get("flow"):
        terms["flow"] = flow_loss(flow, batch.source_landmarks, batch.landmarks, target.shape[-1])
    return terms


def _update(
    state: TrainState, generator: ImageGenerator, pairs: FramePairs, s: Vqig
) -> Callable[[int, Updater], dict[str, Tensor]]:
    """One step of the generator, and in the last part of the training of the discriminator where there is one."""
    perceptual_loss = perceptual(generator.code.settings.perceptual, squared=True)

    def update(step: int, updater: Updater) -> dict[str, Tensor]:
        for optimiser in state.optimisers.values():
            falling_rate(optimiser, s.train, step)
        batch = pairs.draw(s.train.batch, s.own_clip, s.even_lips)
        asked = batch.window - batch.source_motion[:, None] if s.relative else batch.window
        source, target, window = (x.to(updater.device) for x in (batch.source, batch.target, asked))
        loss_network = None if perceptual_loss is None else perceptual_loss.to(updater.device)
        if step < s.warp_until and generator.warping is not None:
            terms = warp_losses(*generator.warped(source, generator.mapping(window)), batch, s, loss_network)
            updater.backward_and_step(weighted_sum(terms, s.weights), "generator", GRADIENT_NORM)
            return terms
        covered = feature_cells(batch.landmarks, target.shape[-1], generator.cells)
        weights = (1 + s.face * covered).to(updater.device)
        image = s.parts != "full" or step >= s.image_from
        drawn = generator(source, window, draw=image)
        terms = image_losses(generator, drawn, target, image, loss_network, weights)
        if drawn.flow is not None and drawn.warped is not None:
            terms |= warp_losses(drawn.flow, drawn.warped, batch, s, loss_network)
        total = weighted_sum(terms, s.weights)
        if image and "discriminator" in state.modules:
            pictured, last = terms["rec"] + terms.get("per", 0.0), generator.of_image.parts.weight
            players, adversarial = adversarial_step(
                updater, state.modules["discriminator"], target, drawn.picture, pictured, last
            )
            terms |= players
            total = total + s.weights["adv"] * adversarial
        updater.backward_and_step(total, "generator", GRADIENT_NORM)
        return terms

    return update
