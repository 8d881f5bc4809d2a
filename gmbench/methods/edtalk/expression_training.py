"""Training of expressions: what frozen mouth and pose cannot explain; EDTalk, section 3.2, eqs. 8 to 10."""

import copy
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import Tensor, nn

from gmbench.emotions import SUITE_ORDER
from gmbench.errors import InputError
from gmbench.methods.edtalk.animator import Animator
from gmbench.methods.edtalk.checkpoints import CHECKPOINTS
from gmbench.methods.edtalk.decouple_training import load_decoupled
from gmbench.methods.edtalk.encoding import encode_clips
from gmbench.methods.edtalk.frames import TrainingFrames
from gmbench.methods.edtalk.picture_losses import PictureLosses, Update
from gmbench.methods.edtalk.settings import SPACES, Backbone, Expression, Spaces
from gmbench.methods.edtalk.teachers import EmotionSight, FaceTeacher, TeacherPair, load_teachers
from gmbench.methods.pictures import PeoplePictures, PictureClip
from gmbench.methods.training_jobs import TrainedFile
from gmbench.nn.training import ProgressCallback, TrainState, Updater, train

LABEL_STEP = 5
"""Frames between those that the stored weights of a label are means of."""
FACE_BOX = 5 / 256
"""How far the face's box reaches beyond the landmarks, in sides."""


@dataclass(frozen=True)
class WholeAnimator:
    """The animator with all three spaces, and the weights that are stored for labels.

    Attributes:
        network: frozen.
        window: frames whose expression is averaged.
        emotions: labels in the suite's order.
        labels: (K, n) mean weights of the expression in each label's training clips.
    """

    network: Animator
    window: int
    emotions: tuple[str, ...]
    labels: NDArray[np.float32]


def train_expression(
    people: PeoplePictures, decouple: Path, teachers: Path, settings: Expression, spaces: Spaces, seed: int,
    folder: Path | None = None, progress: ProgressCallback | None = None,
) -> TrainedFile:  # fmt: skip
    """The space of expressions and EEM on a frozen animator.

    Args:
        people: frames with landmarks; labelled clips are learnt from, all where labels are one.
        decouple, teachers: files of those networks.
        settings: losses, and how long. spaces: sizes.
        seed: of everything random.
        folder: for checkpoints and the log.
        progress: see :func:`gmbench.nn.training.train`.

    Raises:
        InputError: expressions are read from a teacher that knows no emotions.
    """
    torch.manual_seed(seed)
    teacher = load_teachers(teachers)
    if settings.reads == "teacher" and teacher.face.logits.out_features < 2:
        raise InputError(
            "edtalk: expression: reads is teacher, but the clips that the teacher has learnt from have fewer than two"
            " emotions; set it to latent, or label the clips"
        )
    animator = with_expression(load_decoupled(decouple), settings, spaces, teacher.face)
    frames = TrainingFrames(people, animator.settings.side)
    numbers = frames.usable(_labelled(people.clips))
    losses = PictureLosses(animator.settings, settings)
    modules: dict[str, nn.Module] = {"animator": animator} | ({"teachers": teacher} if settings.mot else {})
    state = losses.state(modules, (p for module in modules.values() for p in module.parameters()))
    state.update = _update(animator, teacher, losses, state, frames, numbers, settings)
    report = train(state, settings.train.config(seed), folder, progress)
    facts = {
        "settings": settings.model_dump(mode="json"), "backbone": animator.settings.model_dump(mode="json"),
        "spaces": spaces.model_dump(mode="json"), "face": teacher.face.sizes,
    }  # fmt: skip
    emotions, labels = stored_weights(animator, frames)
    return CHECKPOINTS.pack("expression", animator, facts | {"emotions": list(emotions)}, {"labels": labels}), report


def load_whole(path: Path) -> WholeAnimator:
    """The animator with all spaces; raises WeightsError where the file is another's."""
    facts = CHECKPOINTS.read_facts(path, "expression")
    settings, spaces = Expression.model_validate(facts["settings"]), Spaces.model_validate(facts["spaces"])
    network = _animator(Backbone.model_validate(facts["backbone"]), settings, spaces, FaceTeacher(**facts["face"]))
    constants = CHECKPOINTS.load_weights(path, network)
    return WholeAnimator(network, settings.window, tuple(facts["emotions"]), constants["labels"])


def with_expression(decoupled: Animator, settings: Expression, spaces: Spaces, face: FaceTeacher) -> Animator:
    """A decoupled animator with a further space, what its head reads, and EEM, which alone can be trained.

    Expressions add nothing at first, so that it draws as before, unless EEM is literal.
    """
    made = _animator(decoupled.settings, settings, spaces, copy.deepcopy(face))
    made.load_state_dict(made.state_dict() | decoupled.state_dict())
    made.requires_grad_(False)
    for parameter in made.spaces.heads["expression"][-1].parameters():
        nn.init.zeros_(parameter)
    made.spaces.heads["expression"].requires_grad_(True)
    made.enhancement.requires_grad_(True)
    if made.sight is not None:
        made.sight.latent.requires_grad_(True)
    if made.spaces.banks is not None:
        made.spaces.banks.raw[SPACES.index("expression")].requires_grad_(True)
    return made


def _animator(backbone: Backbone, settings: Expression, spaces: Spaces, face: FaceTeacher) -> Animator:
    counts: dict[str, int] = {name: getattr(spaces, name) for name in SPACES}
    sight = EmotionSight(face, backbone.latent) if settings.reads == "teacher" else None
    return Animator(backbone, counts, spaces.bank, settings.eem, sight)


def _labelled(clips: Sequence[PictureClip]) -> list[int]:
    """Clips of people whose labels may be used; all where those have one emotion."""
    labelled = [n for n, clip in enumerate(clips) if clip.emotion and not clip.pretraining]
    return labelled if len({clips[n].emotion for n in labelled}) > 1 else list(range(len(clips)))


def _update(
    animator: Animator, teacher: TeacherPair, losses: PictureLosses, state: TrainState,
    frames: TrainingFrames, numbers: Sequence[int], s: Expression,
) -> Update:  # fmt: skip
    """One step: a source of the person is moved as the driver, with the mean expression of frames around it."""

    def update(step: int, updater: Updater) -> dict[str, Tensor]:
        losses.set_rates(state, step)
        chosen, drivers = frames.draw_drivers(numbers, s.train.batch)
        target = frames.pictures(drivers).to(updater.device)
        around = frames.pictures(window_rows(frames, chosen, drivers, s.window)).to(updater.device)
        source = frames.pictures(frames.draw_sources(chosen, s.neutral)).to(updater.device)
        with torch.no_grad():
            weights = animator.weights(target, ("mouth", "pose"))
            encoded = animator.encoder(source)
        own = animator.weights(around, ("expression",))["expression"]
        weights["expression"] = own.view(len(target), s.window, -1).mean(1)
        drawn = animator.draw(encoded, weights).pictures
        counts = None if s.face == 1 else 1 + (s.face - 1) * frames.face_masks(drivers, FACE_BOX).to(updater.device)
        terms = losses.terms(drawn, target, counts)
        terms |= losses.adversarial(step, updater, target, drawn, drawn)
        total = losses.total(terms)
        if s.mot:
            terms["mot"] = motion_loss(teacher, drawn, target)
            total = total + s.mot * terms["mot"]
        if s.mc:
            terms["mc"] = mouth_loss(animator, drawn, weights["mouth"])
            total = total + s.mc * terms["mc"]
        updater.backward_and_step(total, "animator")
        return terms

    return update


def window_rows(
    frames: TrainingFrames, clips: NDArray[np.int64], rows: NDArray[np.int64], window: int
) -> NDArray[np.int64]:
    """(B K,) frames with a face around each frame of a clip, its first and last ones repeated beyond the ends."""
    parts = []
    for number, row in zip(clips.tolist(), rows, strict=True):
        own = frames.of_clip[number]
        place = int(np.searchsorted(own, row)) + np.arange(window) - window // 2
        parts.append(own[place.clip(0, len(own) - 1)])
    return np.concatenate(parts)


def motion_loss(teacher: TeacherPair, drawn: Tensor, target: Tensor) -> Tensor:
    """Root mean square distance of both features of the face's teacher; eq. 9."""
    with torch.no_grad():
        wanted = teacher.face(target)
    found = teacher.face(drawn)
    pairs = ((found.motion, wanted.motion), (found.emotion, wanted.emotion))
    return torch.stack([torch.sqrt((a - b).square().mean(1) + 1e-8).mean() for a, b in pairs]).sum()


def mouth_loss(animator: Animator, drawn: Tensor, wanted: Tensor) -> Tensor:
    """exp(-cosine) of what the mouth adds in a picture that was drawn and in the driver (B, n); eq. 10."""
    found = animator.weights(drawn, ("mouth",))["mouth"]
    features = [animator.spaces.features({"mouth": weights})["mouth"] for weights in (found, wanted)]
    return torch.exp(-F.cosine_similarity(*features)).mean()


def stored_weights(animator: Animator, frames: TrainingFrames) -> tuple[tuple[str, ...], NDArray[np.float32]]:
    """Emotions of the labelled clips, and the mean weights (K, n) of each one's frames."""
    clips = frames.people.clips
    by_emotion: dict[str, list[NDArray[Any]]] = {}
    for number, clip in enumerate(clips):
        if clip.emotion and not clip.pretraining and len(rows := frames.of_clip[number][::LABEL_STEP]):
            by_emotion.setdefault(clip.emotion, []).append(rows)
    emotions = tuple(name for name in SUITE_ORDER if name in by_emotion)
    means = [encode_clips(animator, frames, by_emotion[name], ("expression",)) for name in emotions]
    labels = np.zeros((len(emotions), animator.spaces.sizes["expression"]), np.float32)
    for row, part in zip(labels, means, strict=True):
        row[:] = np.concatenate(part["expression"]).mean(axis=0)
    return emotions, labels
