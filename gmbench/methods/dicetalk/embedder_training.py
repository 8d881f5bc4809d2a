"""Contrastive training of the emotion embedder, and the prompt priors after it."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from gmbench.errors import InputError
from gmbench.methods.dicetalk.checkpoints import CHECKPOINTS
from gmbench.methods.dicetalk.embedder import EmotionEmbedder, contrastive_loss, drop_modalities
from gmbench.methods.dicetalk.prior_reader import PriorReader
from gmbench.methods.dicetalk.settings import Embedder
from gmbench.methods.expression_code import ExpressionCode
from gmbench.methods.scaling import Scale
from gmbench.methods.track_windows import WindowSampler
from gmbench.methods.tracks import ClipTracks
from gmbench.methods.training_jobs import TrainedFile
from gmbench.morphable.model import FaceModel
from gmbench.nn.training import ProgressCallback, TrainState, Updater, adam, falling_rate, train

GRADIENT_NORM = 1.0
GROUPS_OF_PERSON = 4
"""Emotions of a person in a batch: what tells a person's emotions apart is learnt from batches that hold several."""


class PairSampler:
    """Pairs of segments that show the same person's emotion at one level, drawn by torch's global generator.

    A group is the clips of a person, emotion and level; a clip without label is a group of its own. Two clips of it
    make a pair, or two segments of its only one.

    Args:
        clips: labelled ones (codes (T, 64), states (T, a) and labels as of :class:`ClipTracks`), then the others.
        labelled: how many of them have labels.
        window: least and greatest number of frames.
    """

    def __init__(
        self, tracks: Sequence[tuple[NDArray[np.float32], NDArray[np.float32]]], clips: Sequence[ClipTracks],
        labelled: int, window: tuple[int, int],
    ) -> None:  # fmt: skip
        self._windows = WindowSampler(tracks, window)
        names = [
            (clip.speaker, clip.emotion, str(clip.level)) if n < labelled else (clip.speaker, "", clip.clip_id)
            for n, clip in enumerate(clips)
        ]
        self._members: dict[tuple[str, str, str], list[int]] = {}
        for number, name in enumerate(names):
            self._members.setdefault(name, []).append(number)
        self._of_person: dict[str, list[tuple[str, str, str]]] = {}
        for name in self._members:
            self._of_person.setdefault(name[0], []).append(name)
        groups, kinds = list(self._members), list(dict.fromkeys(name[:2] for name in self._members))
        self._group = torch.tensor([groups.index(name) for name in names])
        # clips without label of one person may show one emotion: all of them are of one kind
        self._kind = torch.tensor([kinds.index(name[:2]) for name in names])

    def draw(self, count: int) -> tuple[Tensor, Tensor, Tensor, Tensor, Tensor]:
        """Codes and states (B, T, ...), the mask (B, T), and groups and kinds (B,) of about ``count`` segments."""
        chosen: list[int] = []
        people = list(self._of_person)
        while len(chosen) < count:
            person = people[int(torch.randint(0, len(people), ()))]
            groups = self._of_person[person]
            for place in torch.randperm(len(groups))[:GROUPS_OF_PERSON].tolist():
                members = self._members[groups[place]]
                pair = torch.randperm(len(members))[:2].tolist()
                chosen += [members[pair[0]], members[pair[-1]]]
        chosen = chosen[:count]
        (codes, states), valid = self._windows.batch(chosen)
        return codes, states, valid, self._group[chosen], self._kind[chosen]


def train_embedder(
    labelled: Sequence[ClipTracks], others: Sequence[ClipTracks], emotions: Sequence[str], speech: Mapping[str, Any],
    model: FaceModel, settings: Embedder, seed: int,
    folder: Path | None = None, progress: ProgressCallback | None = None,
) -> TrainedFile:  # fmt: skip
    """The embedder of all people, and the mean prior of each emotion.

    Args:
        labelled: clips with emotions; the field ``audio`` holds the speech states.
        others: clips whose labels are not used.
        emotions: in the order of the prompt priors.
        speech: description of the states, kept in the file.
        model: that the coefficients belong to.
        settings: sizes and how long.
        seed: of everything random.
        folder: for checkpoints and the log.
        progress: see :func:`gmbench.nn.training.train`.

    Raises:
        InputError: fewer than two groups of clips, so that nothing is unlike.
    """
    every = [*labelled, *others]
    code = ExpressionCode.fit(every, model, settings.coefficients)
    scale = Scale.of([clip.audio for clip in every])
    tracks = [(code.encode(clip.beta, clip.rho), scale.standardise(clip.audio)) for clip in every]
    sampler = PairSampler(tracks, every, len(labelled), settings.window)
    if len({(clip.speaker, clip.emotion) for clip in every}) < 2:
        raise InputError("the emotion embedder needs clips of two people or emotions, to tell them apart")
    torch.manual_seed(seed)
    network = EmotionEmbedder(settings, tracks[0][0].shape[1], tracks[0][1].shape[1])
    state = TrainState(
        nn.ModuleDict({"embedder": network}), {"embedder": adam(network.parameters(), settings.train.rate)},
        lambda step, updater: {},
    )  # fmt: skip

    def update(step: int, updater: Updater) -> dict[str, Tensor]:
        falling_rate(state.optimisers["embedder"], settings.train, step)
        codes, states, valid, groups, kinds = (x.to(updater.device) for x in sampler.draw(settings.train.batch))
        seen = None
        if settings.fusion == "attention":
            seen = drop_modalities(len(codes), settings.modality_dropout).to(updater.device)
        found = network(codes, states, valid, seen)
        drawn = found.sample() if settings.prior == "gaussian" else found.mean
        loss = contrastive_loss(drawn, groups, kinds, settings.temperature)
        updater.backward_and_step(loss, "embedder", GRADIENT_NORM)
        return {"contrastive": loss}

    state.update = update
    report = train(state, settings.train.config(seed), folder, progress)
    reader = PriorReader(network, code, scale)
    facts = {
        "settings": settings.model_dump(mode="json"), "emotions": list(emotions), "speech": dict(speech),
        "states": int(tracks[0][1].shape[1]), "codes": int(tracks[0][0].shape[1]),
    }  # fmt: skip
    constants = reader.constants() | {"prompt_priors": prompt_priors(reader, labelled, emotions)}
    return CHECKPOINTS.pack("embedder", network, facts, constants), report


def prompt_priors(reader: PriorReader, clips: Sequence[ClipTracks], emotions: Sequence[str]) -> NDArray[np.float32]:
    """Mean over each emotion's clips of their means (K, d), for prompts in place of a reference; section 4.1."""
    means = np.stack([reader.of_tracks(clip.beta, clip.rho, clip.audio).mean[0].numpy() for clip in clips])
    labels = np.array([clip.emotion for clip in clips])
    return np.stack([means[labels == emotion].mean(axis=0) for emotion in emotions]).astype(np.float32)
