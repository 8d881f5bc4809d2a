"""EDTalk's training as jobs: which network learns from what, and which one starts from another's file."""

import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from safetensors.numpy import load_file, save

from gmbench.corpus.track_people import TrackClip
from gmbench.datasets.manifest import TRAIN
from gmbench.errors import InputError
from gmbench.media import Audio
from gmbench.methods.edtalk.backbone_training import train_backbone
from gmbench.methods.edtalk.decouple_training import SWITCH_SIDE, load_decoupled, train_decouple
from gmbench.methods.edtalk.encoding import encode_clips
from gmbench.methods.edtalk.expression_training import load_whole, train_expression
from gmbench.methods.edtalk.frames import TrainingFrames
from gmbench.methods.edtalk.lip_training import train_lips
from gmbench.methods.edtalk.pose_training import train_posemotion
from gmbench.methods.edtalk.semantics_training import SpokenClip, train_semantics
from gmbench.methods.edtalk.settings import STAGES, DrawnPeople, Settings
from gmbench.methods.edtalk.sounds import read_features, read_mels, read_words, sounds, sounds_digest
from gmbench.methods.edtalk.teacher_training import face_labels, train_teachers
from gmbench.methods.interface import FitReport, PreparedDataset, TrainingContext
from gmbench.methods.picture_tracks import read_motion
from gmbench.methods.pictures import PeoplePictures, draw_pictures, people_digest, people_sounds, read_people
from gmbench.methods.pretraining import pretraining_digest
from gmbench.methods.shipped_networks import take_shipped
from gmbench.methods.track_people import (
    check_corpus_people,
    check_people_with_coefficients,
    draw_pictured,
    track_people_digest,
)
from gmbench.methods.tracks import track_digests
from gmbench.methods.training_jobs import (
    TrainedFile,
    TrainingFolder,
    TrainingJob,
    allow_atomics,
    chosen_stages,
    file_digests,
    train_all,
)
from gmbench.names import some
from gmbench.nn.training import TrainReport
from gmbench.store import digest, write_atomically

EDTALK_TRAINING_VERSION = 4
GENERATION = "generation.json"
"""What generation does beside the networks; none depends on it."""
FURTHER = "further people"
"""Their pictures, which are drawn while the networks are trained that those that learn from them start from."""
DRAWN_BEFORE = ("expression", "lips", "semantics")
"""Networks for which they are."""
EXPRESSION_STEP = 3
"""Frames between those that a clip's mean expression is taken of."""


@dataclass(frozen=True)
class _Data:
    """What a network learns from."""

    dataset: PreparedDataset
    pretraining: PreparedDataset
    settings: Settings
    seed: int

    def people(
        self, folder: TrainingFolder, least: int = 0, drawn: Sequence[TrackClip] = (),
        pictures: Sequence[NDArray[np.uint8]] = (),
    ) -> PeoplePictures:  # fmt: skip
        """All frames, of the backbone's side or of a least one; ``drawn`` clips last, perhaps as ``pictures``."""
        side = max(least, self.settings.backbone.side)
        return read_people(self.dataset, self.pretraining, folder.scratch / "pictures", side, drawn, pictures)

    def further(self, name: str) -> tuple[list[TrackClip], list[TrackClip]]:
        """Clips of the further people that a network learns from, whole, and the parts that are drawn."""
        part = self.settings.drawn.get(name, DrawnPeople())
        whole = draw_pictured(part.people, self.dataset.split(TRAIN), part.frames, self.settings.after(name))
        return whole, [clip.part(part.frames) for clip in whole]

    def pictures(self, name: str, folder: TrainingFolder) -> list[NDArray[np.uint8]]:
        """Frames (T, S, S, 3) of each of a network's further clips, as they were drawn before."""
        part = self.settings.drawn.get(name)
        return [] if part is None else list(load_file(folder.needed[drawing_of(part)])["pictures"])

    def sounds(self, drawn: Sequence[TrackClip] = ()) -> list[Path | Audio]:
        """The sounds of :meth:`people`: files, and those of ``drawn`` clips."""
        return [*people_sounds(self.dataset, self.pretraining), *(clip.sound for clip in drawn)]


def drawing_of(part: DrawnPeople) -> str:
    """Name of the job that draws people; networks that learn from the same parts of their clips share it."""
    return f"{FURTHER}, {part.people} x {part.frames}"


def fit_all(
    dataset: PreparedDataset, pretraining: PreparedDataset, out: Path, settings: Settings, seed: int,
    context: TrainingContext,
    stages: Sequence[str] | None = None,
) -> FitReport:  # fmt: skip
    """Train what the store lacks and write the checkpoints below ``out``.

    Raises:
        InputError: no training clips, an unknown stage, or a training that failed.
    """
    chosen = chosen_stages("edtalk", STAGES, stages)
    every = list(training_jobs(dataset, pretraining, settings, seed))
    jobs = [job for job in every if job.name in chosen]
    needed = {name for job in jobs for name in job.needs}
    jobs += [job for job in every if not job.network and job.name in needed]
    report = train_all(jobs, out, dataset.dataset, context)
    write_atomically(out / GENERATION, settings.generation.model_dump_json(indent=1).encode())
    return report


def training_jobs(
    dataset: PreparedDataset, pretraining: PreparedDataset, settings: Settings, seed: int
) -> Iterator[TrainingJob]:
    """All jobs: backbone and teachers need no other; what each further one needs stands in its ``needs``.

    Raises:
        InputError: no training clips.
    """
    if not dataset.split(TRAIN):
        raise InputError(f"{dataset.dataset}: no training clips; see the splits in the manifest")
    data = _Data(dataset, pretraining, settings, seed)
    if settings.drawn:
        check_corpus_people(f"edtalk: drawn: people of {some(list(settings.drawn))}", dataset)
    if "teachers" in settings.drawn:
        check_people_with_coefficients("edtalk: teachers: drawn: people", dataset)
    base = digest("edtalk", EDTALK_TRAINING_VERSION, seed, people_digest(dataset, pretraining))
    heard = sounds_digest(dataset, pretraining)
    keys: dict[str, str] = {}

    def job(name: str, needs: tuple[str, ...], *more: str) -> TrainingJob:
        own = getattr(settings, name).model_dump(mode="json")
        further = []
        if name in settings.drawn:
            further = [track_people_digest(settings.drawn[name].people, settings.after(name))]
        key = digest(name, digest(own), base, *(keys[other] for other in needs), *more, *further)
        made = TrainingJob(name, key, _FUNCTIONS[name], data, needs)
        if settings.source == "shipped":
            made = take_shipped("edtalk", made, dataset, {"settings": own})
        keys[name] = made.key
        return made

    spaces, side = digest(settings.spaces.model_dump(mode="json")), digest(settings.backbone.side)
    files = settings.needed_files()
    loss = {name: path for name, path in files.items() if name.startswith("backbone")}
    yield job("backbone", (), *file_digests(loss))
    yield job("decouple", ("backbone",), spaces)
    yield job("teachers", (), side, heard, *_coefficients(dataset, pretraining))
    labels = sorted({(row.emotion, row.level) for row in dataset.split(TRAIN)})
    learning = {name: part for name, part in settings.drawn.items() if name in DRAWN_BEFORE}
    for name, part in {drawing_of(part): (name, part) for name, part in learning.items()}.values():
        people = track_people_digest(part.people, settings.after(name))
        key = digest(FURTHER, EDTALK_TRAINING_VERSION, part.model_dump(), labels, people, side, dataset.size)
        yield TrainingJob(drawing_of(part), key, _draw_further, (data, name), network=False)
        keys[drawing_of(part)] = key
    pictures = {name: [drawing_of(part)] for name, part in learning.items()}
    yield job("expression", ("decouple", "teachers", *pictures.get("expression", [])))
    yield job("lips", ("decouple", "teachers", *pictures.get("lips", [])), heard)
    yield job("posemotion", ("decouple",), heard)
    yield job("semantics", ("expression", *pictures.get("semantics", [])), heard, *_folder_digests(files))


def _coefficients(dataset: PreparedDataset, pretraining: PreparedDataset) -> list[str]:
    speakers = sorted({row.speaker for row in dataset.split(TRAIN)})
    rows = {name: [row for row in dataset.split(TRAIN) if row.speaker == name] for name in speakers}
    return [*track_digests(dataset, rows), pretraining_digest(pretraining)]


def _folder_digests(files: dict[str, Path]) -> list[str]:
    """Digests of all files beside the configuration of a network that the user brings."""
    folders = [path.parent for name, path in sorted(files.items()) if name.startswith("semantics")]
    every = {str(path): path for folder in folders for path in sorted(folder.glob("*")) if path.is_file()}
    return file_digests(every)


def _backbone(data: _Data, folder: TrainingFolder) -> TrainedFile:
    allow_atomics()
    return train_backbone(data.people(folder), data.settings.backbone, data.seed, folder.scratch, folder.progress)


def _decouple(data: _Data, folder: TrainingFolder) -> TrainedFile:
    allow_atomics()
    return train_decouple(
        data.people(folder, SWITCH_SIDE), folder.needed["backbone"], data.settings.decouple, data.settings.spaces,
        data.seed, folder.scratch, folder.progress,
    )  # fmt: skip


def _teachers(data: _Data, folder: TrainingFolder) -> TrainedFile:
    allow_atomics()
    _, drawn = data.further("teachers")
    people = data.people(folder, drawn=drawn)
    frames = TrainingFrames(people, data.settings.backbone.side)
    labels = face_labels(frames, read_motion(data.dataset, data.pretraining, people, drawn))
    mels = read_mels(people, data.sounds(drawn), folder.scratch / "sounds")
    return train_teachers(frames, labels, mels, data.settings.teachers, data.seed, folder.scratch, folder.progress)


def _draw_further(argument: tuple[_Data, str], folder: TrainingFolder) -> TrainedFile:
    """Pictures of the further people that a network learns from, drawn while others are trained."""
    (data, name), began = argument, time.process_time()
    _, clips = data.further(name)
    pictures = draw_pictures(clips, data.dataset.size, data.settings.backbone.side)
    content = save({"pictures": np.stack(list(pictures))})
    return content, TrainReport(0, time.process_time() - began, 0, False, [])


def _expression(data: _Data, folder: TrainingFolder) -> TrainedFile:
    allow_atomics()
    _, drawn = data.further("expression")
    return train_expression(
        data.people(folder, drawn=drawn, pictures=data.pictures("expression", folder)), folder.needed["decouple"],
        folder.needed["teachers"], data.settings.expression, data.settings.spaces, data.seed, folder.scratch,
        folder.progress,
    )  # fmt: skip


def _lips(data: _Data, folder: TrainingFolder) -> TrainedFile:
    allow_atomics()
    whole, drawn = data.further("lips")
    people = data.people(folder, drawn=drawn, pictures=data.pictures("lips", folder))
    mels = read_mels(people, data.sounds(whole), folder.scratch / "sounds", drawn)
    return train_lips(
        people, mels, folder.needed["decouple"], folder.needed["teachers"], data.settings.lips, data.seed,
        folder.scratch, folder.progress,
    )  # fmt: skip


def _posemotion(data: _Data, folder: TrainingFolder) -> TrainedFile:
    people = data.people(folder)
    animator = load_decoupled(folder.needed["decouple"])
    frames = TrainingFrames(people, animator.settings.side)
    features = read_features(people, data.sounds(), data.dataset)
    runs = [(number, rows) for number in range(len(people.clips)) for rows in _runs(frames.of_clip[number])]
    tracks = encode_clips(animator, frames, [rows for _, rows in runs], ("pose",))["pose"]
    audio = [features[number][rows - people.clips[number].first] for number, rows in runs]
    settings, facts = data.settings.posemotion, data.dataset.audio_facts
    return train_posemotion(tracks, audio, facts, settings, data.seed, folder.scratch, folder.progress)


def _semantics(data: _Data, folder: TrainingFolder) -> TrainedFile:
    whole, drawn = data.further("semantics")
    people = data.people(folder, drawn=drawn, pictures=data.pictures("semantics", folder))
    animator = load_whole(folder.needed["expression"]).network
    frames = TrainingFrames(people, animator.settings.side)
    kept = frames.usable(range(len(people.clips)))
    found = encode_clips(animator, frames, [frames.of_clip[n][::EXPRESSION_STEP] for n in kept], ("expression",))
    means = {n: track.mean(axis=0) for n, track in zip(kept, found["expression"], strict=True)}
    heard = data.sounds(whole)
    features = read_features(people, heard, data.dataset)
    texts = read_words(people, data.dataset, data.pretraining, whole)
    clips = [
        SpokenClip(audio, features[n], texts[n], means[n])
        for n, audio in enumerate(sounds(people, heard))
        if n in means
    ]
    settings, facts = data.settings.semantics, data.dataset.audio_facts
    return train_semantics(clips, facts, settings, data.seed, folder.scratch, folder.progress)


_FUNCTIONS = {
    "backbone": _backbone, "decouple": _decouple, "teachers": _teachers, "expression": _expression, "lips": _lips,
    "posemotion": _posemotion, "semantics": _semantics,
}  # fmt: skip


def _runs(rows: NDArray[np.int64]) -> list[NDArray[np.int64]]:
    """Frames that follow one another without a gap, at least two."""
    parts = np.split(rows, np.flatnonzero(np.diff(rows) > 1) + 1)
    return [part for part in parts if len(part) > 1]
