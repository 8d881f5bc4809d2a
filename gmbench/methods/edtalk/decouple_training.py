"""Training that takes mouth and pose apart by switched mouths; EDTalk, section 3.2, eqs. 3 to 7."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import Tensor

from gmbench.errors import InputError
from gmbench.methods.edtalk.animator import Animator, Encoded
from gmbench.methods.edtalk.backbone_training import SPACE, load_backbone
from gmbench.methods.edtalk.checkpoints import CHECKPOINTS
from gmbench.methods.edtalk.frames import TrainingFrames
from gmbench.methods.edtalk.mouths import switch_mouth
from gmbench.methods.edtalk.picture_losses import PictureLosses, Update
from gmbench.methods.edtalk.settings import Backbone, Decouple, Spaces
from gmbench.methods.pictures import PeoplePictures, resize
from gmbench.methods.training_jobs import TrainedFile
from gmbench.nn.pictures import to_signed
from gmbench.nn.training import ProgressCallback, TrainState, Updater, train

LEAST_SPREAD, SPREAD_FROM = 1e-3, 20
"""Of the weights of a space over a batch; below it, after so many steps, the space has collapsed."""
START_FRAMES, START_BATCH = 256, 16
SWITCH_SIDE = 128
"""Least side at which mouths are switched."""


@dataclass(frozen=True)
class SwitchedBatch:
    """Pairs of frames a and b of different clips; all pictures (B, 3, S, S).

    Attributes:
        a, b: the frames. mouth_a: I(m_a, p_b), b with a's mouth. mouth_b: I(m_b, p_a), a with b's mouth.
        identity_a, identity_b: another frame of each clip.
        masks_a, masks_b: (B, 1, S, S), 1 in the mouth's box of a and b.
    """

    a: Tensor
    b: Tensor
    mouth_a: Tensor
    mouth_b: Tensor
    identity_a: Tensor
    identity_b: Tensor
    masks_a: Tensor
    masks_b: Tensor

    def to(self, device: torch.device) -> "SwitchedBatch":
        """On a device."""
        return SwitchedBatch(**{name: part.to(device) for name, part in vars(self).items()})


def train_decouple(
    people: PeoplePictures, backbone: Path, settings: Decouple, spaces: Spaces, seed: int,
    folder: Path | None = None, progress: ProgressCallback | None = None,
) -> TrainedFile:  # fmt: skip
    """Spaces of mouth and pose on a trained backbone.

    Args:
        people: frames with landmarks, of side :data:`SWITCH_SIDE` or of the backbone's if that is larger.
        backbone: its file.
        settings: losses, and how long. spaces: sizes.
        seed: of everything random.
        folder: for checkpoints and the log.
        progress: see :func:`gmbench.nn.training.train`.

    Raises:
        InputError: a space collapses: its weights are the same for all pictures of a batch.
    """
    torch.manual_seed(seed)
    whole = load_backbone(backbone)
    frames = TrainingFrames(people, whole.settings.side)
    numbers = frames.usable(range(len(people.clips)))
    animator = started(whole, frames, numbers, settings, spaces)
    if not settings.train_backbone:
        for part in (animator.encoder, animator.generator, animator.spaces.trunk):
            part.requires_grad_(False)
    losses = PictureLosses(whole.settings, settings)
    state = losses.state({"animator": animator}, animator.parameters())
    state.update = _update(state, animator, losses, frames, numbers, settings)
    report = train(state, settings.train.config(seed), folder, progress)
    facts = {"settings": whole.settings.model_dump(mode="json"), "spaces": spaces.model_dump(mode="json")}
    return CHECKPOINTS.pack("decouple", animator, facts), report


def load_decoupled(path: Path) -> Animator:
    """Backbone with spaces of mouth and pose, frozen; raises WeightsError where the file is another's."""
    facts = CHECKPOINTS.read_facts(path, "decouple")
    spaces = Spaces.model_validate(facts["spaces"])
    animator = _animator(Backbone.model_validate(facts["settings"]), spaces)
    CHECKPOINTS.load_weights(path, animator)
    return animator


def _animator(backbone: Backbone, spaces: Spaces) -> Animator:
    return Animator(backbone, {"mouth": spaces.mouth, "pose": spaces.pose}, spaces.bank)


def started(
    backbone: Animator, frames: TrainingFrames, numbers: Sequence[int], settings: Decouple, spaces: Spaces
) -> Animator:
    """The animator that training starts with: the backbone's, and new or divided spaces.

    ``principal`` divides the backbone's space: the directions in which training frames differ most become the pose's
    bases, for the head's pose moves most pixels; the others begin the mouth's. ``switched`` gives the mouth what
    another mouth in the same frame changes, beside what differs between frames, and the pose the rest. Both spaces
    together then do at first what the backbone's did. Without a bank both heads start at random.
    """
    made = _animator(backbone.settings, spaces)
    made.encoder.load_state_dict(backbone.encoder.state_dict())
    made.generator.load_state_dict(backbone.generator.state_dict())
    made.spaces.trunk.load_state_dict(backbone.spaces.trunk.state_dict())
    if settings.start != "random" and made.spaces.banks is not None:
        weights = _weights_of_frames(backbone, frames, numbers)
        switched = None if settings.start == "principal" else _switched_mouths(backbone, frames, numbers, settings)
        _divide(made, backbone, directions(weights, switched))
    return made


def directions(weights: Tensor, switched: Tensor | None = None) -> Tensor:
    """Orthonormal directions (n, n), those of the pose first, of weights (N, n) of frames.

    Without ``switched`` (M, n), how weights change with the mouth alone, those in which frames differ most come first;
    with it those whose share in the frames' variance most exceeds that in the mouth's.
    """
    if switched is None:
        return torch.linalg.svd(weights - weights.mean(0), full_matrices=True)[2]
    shares = [rows.T @ rows / rows.square().sum() for rows in (weights - weights.mean(0), switched)]
    return torch.linalg.eigh(shares[1] - shares[0])[1].T


@torch.no_grad()
def _switched_mouths(backbone: Animator, frames: TrainingFrames, numbers: Sequence[int], settings: Decouple) -> Tensor:
    """How weights (N, n) of frames change with another frame's mouth, by torch's global generator."""
    changes = []
    for _ in range(START_FRAMES // START_BATCH):
        _, hosts = frames.draw_drivers(numbers, START_BATCH, settings.even_lips)
        _, donors = frames.draw_drivers(numbers, START_BATCH, settings.even_lips)
        pictures = torch.cat([_switched(frames, hosts, donors, settings), frames.pictures(hosts)])
        switched, own = backbone.weights(pictures)[SPACE].chunk(2)
        changes.append(switched - own)
    return torch.cat(changes)


@torch.no_grad()
def _divide(made: Animator, backbone: Animator, turns: Tensor) -> None:
    """Give the spaces the backbone's bases turned to directions (n, n), the pose's first."""
    if made.spaces.banks is None or backbone.spaces.banks is None:
        raise ValueError("only banks can be divided")
    (bases,) = backbone.spaces.banks()
    pose = min(made.spaces.sizes["pose"], len(turns))
    head = backbone.spaces.heads[SPACE]
    for place, (name, rows) in enumerate((("mouth", turns[pose:]), ("pose", turns[:pose]))):
        count = min(made.spaces.sizes[name], len(rows))
        made.spaces.heads[name].load_state_dict(_turned(head.state_dict(), made.spaces.heads[name], rows[:count]))
        fresh = made.spaces.banks.raw[place]
        fresh.sub_(bases @ (bases.T @ fresh))  # what stays random must not take part of what is divided
        fresh[:, :count] = bases @ rows[:count].T


def _turned(head: dict[str, Tensor], target: torch.nn.Module, rows: Tensor) -> dict[str, Tensor]:
    """A head's layers, the last one turned to other directions; further outputs keep the target's weights."""
    last = max(name.partition(".")[0] for name in head)
    result = target.state_dict() | {name: part for name, part in head.items() if not name.startswith(f"{last}.")}
    for kind in ("weight", "bias"):
        part = result[f"{last}.{kind}"].clone()
        part[: len(rows)] = rows @ head[f"{last}.{kind}"]
        result[f"{last}.{kind}"] = part
    return result


@torch.no_grad()
def _weights_of_frames(backbone: Animator, frames: TrainingFrames, numbers: Sequence[int]) -> Tensor:
    """Weights (N, n) of frames spread over all clips, by torch's global generator."""
    rows, places = np.unique(frames.draw_drivers(numbers, START_FRAMES)[1], return_inverse=True)
    parts = np.array_split(rows, -(-len(rows) // START_BATCH))
    return torch.cat([backbone.weights(frames.pictures(part))[SPACE] for part in parts])[places]


def draw_switched(frames: TrainingFrames, numbers: Sequence[int], count: int, settings: Decouple) -> SwitchedBatch:
    """Pairs of frames, their mouths switched; by torch's global generator."""
    of_a, a = frames.draw_drivers(numbers, count, settings.even_lips)
    of_b, b = frames.draw_drivers(numbers, count, settings.even_lips)
    mouth_a, mouth_b = (_switched(frames, hosts, donors, settings) for hosts, donors in ((b, a), (a, b)))
    identity = [frames.pictures(frames.draw_sources(clips, 0.0)) for clips in (of_a, of_b)]
    masks = [frames.mouth_masks(rows, settings.box) for rows in (a, b)]
    return SwitchedBatch(frames.pictures(a), frames.pictures(b), mouth_a, mouth_b, *identity, *masks)


def _switched(
    frames: TrainingFrames, hosts: NDArray[np.int64], donors: NDArray[np.int64], settings: Decouple
) -> Tensor:
    """Frames (B, 3, S, S) with other ones' mouths, made at the stored side, then shrunk."""
    stored, made = frames.people.frames, []
    side = stored.shape[1]
    for host, donor in zip(hosts, donors, strict=True):
        points = [frames.points[row] * (side / frames.side) for row in (host, donor)]
        widths = settings.box * side, settings.feather * side
        made.append(resize(switch_mouth(stored[host], points[0], stored[donor], points[1], *widths)[0], frames.side))
    return to_signed(torch.from_numpy(np.stack(made)))


def feature_loss(switched: Sequence[Tensor], real: Sequence[Tensor]) -> Tensor:
    """Sum of exp(-cosine) of features (B, d) of switched and of real pictures, mean over the batch; eq. 7."""
    pairs = zip(switched, real, strict=True)
    return torch.stack([torch.exp(-F.cosine_similarity(a, b)).mean() for a, b in pairs]).sum()


def _update(
    state: TrainState, animator: Animator, losses: PictureLosses, frames: TrainingFrames, numbers: Sequence[int],
    s: Decouple,
) -> Update:  # fmt: skip
    """One step: six encodings, and up to four pictures drawn of each pair."""

    def update(step: int, updater: Updater) -> dict[str, Tensor]:
        losses.set_rates(state, step)
        batch = draw_switched(frames, numbers, s.train.batch, s).to(updater.device)
        moved, weights = _encoded(animator, batch)
        if step >= SPREAD_FROM:
            _check_spread(weights, step)
        drawn, target, masks = _drawings(animator, batch, moved, s.cross)
        counts = 1 + (s.mouth - 1) * masks
        terms = losses.terms(drawn, target, counts)
        fakes = drawn[: 2 * s.train.batch] if s.cross else drawn
        terms |= losses.adversarial(step, updater, torch.cat([batch.a, batch.b]), fakes, drawn)
        total = losses.total(terms)
        if s.fea:
            terms["fea"] = feature_loss(*_agreeing(moved))
            total = total + s.fea * terms["fea"]
        updater.backward_and_step(total, "animator")
        return terms

    return update


Moved = dict[str, dict[str, Tensor]]
"""What spaces add, by picture of the batch and space."""


def _encoded(animator: Animator, batch: SwitchedBatch) -> tuple[Moved, dict[str, Tensor]]:
    names = ("a", "b", "mouth_a", "mouth_b")
    weights = animator.weights(torch.cat([getattr(batch, name) for name in names]))
    features = animator.spaces.features(weights)
    chunks = {space: dict(zip(names, part.chunk(len(names)), strict=True)) for space, part in features.items()}
    return {name: {space: parts[name] for space, parts in chunks.items()} for name in names}, weights


def _agreeing(moved: Moved) -> tuple[list[Tensor], list[Tensor]]:
    """Features of switched pictures, and those of the frames that they took mouth or pose from."""
    pairs = (("mouth_a", "mouth", "a"), ("mouth_b", "mouth", "b"), ("mouth_b", "pose", "a"), ("mouth_a", "pose", "b"))
    return [moved[x][space] for x, space, _ in pairs], [moved[x][space] for _, space, x in pairs]


def _drawings(animator: Animator, batch: SwitchedBatch, moved: Moved, cross: bool) -> tuple[Tensor, Tensor, Tensor]:
    """Pictures, their targets and their mouths' boxes: crossed a and b (eqs. 5 and 6), then a and b by themselves."""
    plan = [("mouth_a", "mouth_b"), ("mouth_b", "mouth_a")] if cross else []  # (mouth of, pose of)
    plan += [("a", "a"), ("b", "b")]
    source = animator.encoder(torch.cat([batch.identity_a, batch.identity_b]))
    repeats = len(plan) // 2
    sources = Encoded(source.latents.repeat(repeats, 1), tuple(x.repeat(repeats, 1, 1, 1) for x in source.features))
    given = {
        "mouth": torch.cat([moved[mouth]["mouth"] for mouth, _ in plan]),
        "pose": torch.cat([moved[pose]["pose"] for _, pose in plan]),
    }
    drawn = animator.draw_features(sources, given).pictures
    target = torch.cat([batch.a, batch.b]).repeat(repeats, 1, 1, 1)
    return drawn, target, torch.cat([batch.masks_a, batch.masks_b]).repeat(repeats, 1, 1, 1)


def _check_spread(weights: dict[str, Tensor], step: int) -> None:
    for name, values in weights.items():
        if (spread := float(values.detach().std(0).mean())) < LEAST_SPREAD:
            raise InputError(
                f"edtalk: weights of the {name} are the same for all pictures at step {step} (deviation {spread:.2g});"
                " lower the rate (edtalk: decouple: train) or raise decouple: fea"
            )
