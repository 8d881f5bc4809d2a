"""Contrastive training of the emotion embedder, its sound's second one, and the prompt priors after them."""

import copy
import dataclasses
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from gmbench.errors import InputError
from gmbench.methods.dicetalk.checkpoints import CHECKPOINTS
from gmbench.methods.dicetalk.embedder import EmotionEmbedder, Gaussian, contrastive_loss, drop_modalities, seen_in
from gmbench.methods.dicetalk.prior_reader import PriorReader
from gmbench.methods.dicetalk.settings import Embedder, SoundTraining
from gmbench.methods.expression_code import ExpressionCode
from gmbench.methods.scaling import Scale
from gmbench.methods.track_windows import WindowSampler
from gmbench.methods.tracks import ClipTracks
from gmbench.methods.training_jobs import TrainedFile
from gmbench.morphable.model import FaceModel
from gmbench.nn.training import ProgressCallback, TrainReport, TrainState, Updater, adam, falling_rate, train

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

    Attributes:
        groups: speaker, emotion and level of each group; of a clip without label speaker, nothing and its name.
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
        self.groups = groups = list(self._members)
        kinds = list(dict.fromkeys(name[:2] for name in groups))
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
    folder: Path | None = None, progress: ProgressCallback | None = None, further: Sequence[ClipTracks] = (),
) -> TrainedFile:  # fmt: skip
    """The embedder of all people, with its sound's second training where asked, and the mean prior of each emotion.

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
        further: labelled clips for the sound's second training alone.

    Raises:
        InputError: fewer than two groups of clips, so that nothing is unlike; one emotion for a second training.
    """
    every = [*labelled, *others]
    code = ExpressionCode.fit(every, model, settings.coefficients)
    scale = Scale.of([clip.audio for clip in every])
    tracks = [(code.encode(clip.beta, clip.rho), scale.standardise(clip.audio)) for clip in every]
    sampler = PairSampler(tracks, every, len(labelled), settings.window)
    if len({(clip.speaker, clip.emotion) for clip in every}) < 2:
        raise InputError("the emotion embedder needs clips of two people or emotions, to tell them apart")
    again = settings.sound_again
    if again is not None and len({clip.emotion for clip in [*labelled, *further]}) < 2:
        raise InputError("embedder: sound_again needs labelled clips of two emotions; set it to null without them")
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
        loss = contrastive_loss(_drawn(found, settings), groups, kinds, settings.temperature)
        updater.backward_and_step(loss, "embedder", GRADIENT_NORM)
        return {"contrastive": loss}

    state.update = update
    steps = settings.train.steps + (0 if again is None else again.train.steps)
    report = train(state, settings.train.config(seed), folder, _of_both(progress, 0, steps))
    reader = PriorReader(network, code, scale)
    if again is not None:
        progress = _of_both(progress, settings.train.steps, steps)
        report = _joined(report, teach_sound(reader, [*labelled, *further], again, seed, folder, progress))
    facts = {
        "settings": settings.model_dump(mode="json"), "emotions": list(emotions), "speech": dict(speech),
        "states": int(tracks[0][1].shape[1]), "codes": int(tracks[0][0].shape[1]),
    }  # fmt: skip
    constants = reader.constants() | {"prompt_priors": prompt_priors(reader, labelled, emotions)}
    return CHECKPOINTS.pack("embedder", network, facts, constants), report


def teach_sound(
    reader: PriorReader, clips: Sequence[ClipTracks], settings: SoundTraining, seed: int,
    folder: Path | None = None, progress: ProgressCallback | None = None,
) -> TrainReport:  # fmt: skip
    """Train an embedder's sound stream anew and alone, so that a sound has its emotion's prior whoever speaks.

    Eq. 8 tells people apart as well as emotions, and a voice says more of who speaks than of what is felt. Here
    priors of an emotion are alike whoever shows it: those of sounds beside those of whole clips (``heard``), and
    those of whole clips at one level (``whole``). ``likeness`` is how far whole clips' priors moved.

    Args:
        reader: the embedder, changed in place; its face, fusion and pooling stay.
        clips: labelled ones.
        settings: weights and how long.
        seed: of everything random.
        folder: for checkpoints and the log, in a folder ``sound`` there.
        progress: see :func:`gmbench.nn.training.train`.
    """
    torch.manual_seed(seed)
    network, old = reader.network, copy.deepcopy(reader.network)
    s = network.settings
    fresh = EmotionEmbedder(s, network.of_face.in_features, network.of_sound.in_features)
    network.requires_grad_(False)
    network.of_sound, network.audio = fresh.of_sound, fresh.audio
    learnt = [*network.of_sound.parameters(), *network.audio.parameters()]
    tracks = [(reader.code.encode(clip.beta, clip.rho), reader.scale.standardise(clip.audio)) for clip in clips]
    sampler = PairSampler(tracks, clips, len(clips), s.window)
    emotions = _numbers([name[1] for name in sampler.groups])
    at_levels = _numbers([name[1:] for name in sampler.groups])
    modules = nn.ModuleDict({"embedder": network, "former": old.requires_grad_(False)})
    state = TrainState(modules, {"sound": adam(learnt, settings.train.rate)}, lambda step, updater: {})

    def update(step: int, updater: Updater) -> dict[str, Tensor]:
        falling_rate(state.optimisers["sound"], settings.train, step)
        for frozen in (old, network.visual, network.fusion):
            frozen.eval()  # without dropout
        codes, states, valid, groups, _ = sampler.draw(settings.train.batch)
        sound_alone = seen_in("sound", len(codes))
        codes, states, valid, sound_alone, emotion, at_level = updater.given(
            codes, states, valid, sound_alone, emotions[groups], at_levels[groups]
        )
        whole, heard = network(codes, states, valid), network(codes, states, valid, sound_alone)
        every, both = torch.cat([_drawn(heard, s), _drawn(whole, s)]), emotion.repeat(2)
        terms = {
            "heard": contrastive_loss(every, both, both, s.temperature),
            "whole": contrastive_loss(_drawn(whole, s), at_level, emotion, s.temperature),
            "likeness": _distance(whole, old(codes, states, valid)),
        }
        loss = terms["heard"] + terms["whole"] + settings.likeness * terms["likeness"]
        updater.backward_and_step(loss, "sound", GRADIENT_NORM)
        return terms

    state.update = update
    return train(state, settings.train.config(seed), folder and folder / "sound", progress)


def _numbers(names: Sequence[Any]) -> Tensor:
    """(n,) place of each name among the different ones."""
    different = sorted(set(names))
    return torch.tensor([different.index(name) for name in names])


def _drawn(found: Gaussian, settings: Embedder) -> Tensor:
    return found.sample() if settings.prior == "gaussian" else found.mean


def _distance(found: Gaussian, former: Gaussian) -> Tensor:
    """Mean squares of how far means and deviations moved, in the deviation of the former means over the batch."""
    unit = former.mean.std(0).mean()
    means, deviations = found.mean - former.mean, found.deviation - former.deviation
    return (means / unit).square().mean() + (deviations / unit).square().mean()


def _of_both(progress: ProgressCallback | None, before: int, steps: int) -> ProgressCallback | None:
    """The callback for a training that begins after some of all steps."""
    return progress and (lambda step, _, losses: progress(before + step, steps, losses))


def _joined(first: TrainReport, second: TrainReport) -> TrainReport:
    """One report of two trainings of a network, the second's steps after the first's; the last row has all losses."""
    later = [row | {"step": row["step"] + first.steps} for row in second.log]
    later[-1] = first.log[-1] | later[-1]
    return dataclasses.replace(
        first, steps=first.steps + second.steps, seconds=round(first.seconds + second.seconds, 1),
        stopped_early=first.stopped_early or second.stopped_early, log=[*first.log, *later],
        peak_memory=max((m for m in (first.peak_memory, second.peak_memory) if m is not None), default=None),
    )  # fmt: skip


def prompt_priors(reader: PriorReader, clips: Sequence[ClipTracks], emotions: Sequence[str]) -> NDArray[np.float32]:
    """Mean over each emotion's clips of their means (K, d), for prompts in place of a reference; section 4.1."""
    means = np.stack([reader.of_tracks(clip.beta, clip.rho, clip.audio).mean[0].numpy() for clip in clips])
    labels = np.array([clip.emotion for clip in clips])
    return np.stack([means[labels == emotion].mean(axis=0) for emotion in emotions]).astype(np.float32)
