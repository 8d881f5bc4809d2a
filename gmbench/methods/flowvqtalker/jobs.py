"""FlowVQTalker's training as jobs: which network learns from what, and which one starts from another's file."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from gmbench.datasets.manifest import TRAIN, ClipRow
from gmbench.errors import InputError
from gmbench.methods.expression_code import ExpressionCode
from gmbench.methods.flowvqtalker.codebook_training import train_codebook
from gmbench.methods.flowvqtalker.flow_training import train_expflow, train_poseflow
from gmbench.methods.flowvqtalker.image_training import frame_pairs, load_code, train_vqig
from gmbench.methods.flowvqtalker.settings import STAGES, Settings
from gmbench.methods.interface import FitReport, PreparedDataset, TrainingContext
from gmbench.methods.picture_tracks import read_motion
from gmbench.methods.pictures import PeoplePictures, people_digest, read_people
from gmbench.methods.pretraining import pretraining_digest, read_pretraining
from gmbench.methods.scaling import Scale
from gmbench.methods.track_people import check_track_people, draw_clips, track_people_digest
from gmbench.methods.tracks import POSE, ClipTracks, emotions_of, read_clips, track_digests
from gmbench.methods.training_jobs import (
    TrainedFile,
    TrainingFolder,
    TrainingJob,
    allow_atomics,
    chosen_stages,
    file_digests,
    train_all,
    write_face_model,
)
from gmbench.morphable.model import load as load_model
from gmbench.store import digest, file_digest, write_atomically

FLOWVQTALKER_TRAINING_VERSION = 3
SAMPLING = "sampling.json"
"""How latents are drawn; no network depends on it."""


@dataclass(frozen=True)
class _Data:
    """What a network learns from."""

    dataset: PreparedDataset
    pretraining: PreparedDataset
    rows: tuple[ClipRow, ...]
    audio: Mapping[str, Any]
    settings: Settings
    seed: int


def fit_all(
    dataset: PreparedDataset, pretraining: PreparedDataset, out: Path, settings: Settings, seed: int,
    context: TrainingContext,
    stages: Sequence[str] | None = None,
) -> FitReport:  # fmt: skip
    """Train what the store lacks and write the checkpoints below ``out``.

    Raises:
        InputError: no training clips, an unknown stage, or a training that failed.
    """
    chosen = chosen_stages("flowvqtalker", STAGES, stages)
    jobs = [job for job in training_jobs(dataset, pretraining, settings, seed) if job.name in chosen]
    report = train_all(jobs, out, dataset.dataset, context)
    write_face_model(dataset.face_model, out)
    write_atomically(out / SAMPLING, settings.sampling.model_dump_json(indent=1).encode())
    return report


def training_jobs(
    dataset: PreparedDataset, pretraining: PreparedDataset, settings: Settings, seed: int
) -> Iterator[TrainingJob]:
    """All jobs: codebook, expflow and poseflow need no other; vqig needs the codebook.

    Raises:
        InputError: no training clips, or track people beside data that are not the corpus'.
    """
    rows = dataset.split(TRAIN)
    if not rows:
        raise InputError(f"{dataset.dataset}: no training clips; see the splits in the manifest")
    speakers = sorted({row.speaker for row in rows})
    by_speaker = {name: tuple(row for row in rows if row.speaker == name) for name in speakers}
    audio = dict(dataset.audio_facts)
    data = _Data(dataset, pretraining, rows, audio, settings, seed)
    base = digest(
        "flowvqtalker", FLOWVQTALKER_TRAINING_VERSION, seed, track_digests(dataset, by_speaker), audio,
        pretraining_digest(pretraining), file_digest(dataset.face_model),
    )  # fmt: skip
    people = people_digest(dataset, pretraining)

    def key(name: str, *more: str) -> str:
        return digest(name, getattr(settings, name).model_dump(mode="json"), *more)

    codebook = key("codebook", people, base, *file_digests(settings.needed_files()))
    yield TrainingJob("codebook", codebook, _codebook, data)
    if settings.expflow.track_people:
        check_track_people("flowvqtalker: expflow: track_people", dataset)
    further = track_people_digest(settings.expflow.track_people)
    yield TrainingJob("expflow", key("expflow", base, further), _expflow, data)
    yield TrainingJob("poseflow", key("poseflow", base), _poseflow, data)
    code_of = settings.expflow.coefficients
    yield TrainingJob("vqig", key("vqig", codebook, code_of), _vqig, data, ("codebook",))


def _labelled(data: _Data) -> list[ClipTracks]:
    return read_clips(data.dataset, data.rows)


def _others(data: _Data) -> list[ClipTracks]:
    """Clips of many people; none where they are the labelled ones themselves."""
    same = data.pretraining.dataset == data.dataset.dataset and data.pretraining.true_tracks is None
    return [] if same else read_pretraining(data.pretraining)


def _people(data: _Data, folder: TrainingFolder) -> PeoplePictures:
    return read_people(data.dataset, data.pretraining, folder.scratch / "pictures", data.settings.codebook.side)


def _codebook(data: _Data, folder: TrainingFolder) -> TrainedFile:
    allow_atomics()
    return train_codebook(_people(data, folder), data.settings.codebook, data.seed, folder.scratch, folder.progress)


def _expflow(data: _Data, folder: TrainingFolder) -> TrainedFile:
    settings = data.settings.expflow
    others = _others(data) if settings.unlabelled else []
    further = draw_clips(settings.track_people, data.rows, settings.window, str(data.audio["pair"]))
    return train_expflow(
        _labelled(data), others, emotions_of(data.rows), data.audio, load_model(data.dataset.face_model), settings,
        data.seed, folder.scratch, folder.progress, further,
    )  # fmt: skip


def _poseflow(data: _Data, folder: TrainingFolder) -> TrainedFile:
    clips = [*_labelled(data), *_others(data)]
    return train_poseflow(clips, data.audio, data.settings.poseflow, data.seed, folder.scratch, folder.progress)


def _vqig(data: _Data, folder: TrainingFolder) -> TrainedFile:
    allow_atomics()
    people = _people(data, folder)
    motion = read_motion(data.dataset, data.pretraining, people)
    clips = [*_labelled(data), *_others(data)]
    code = ExpressionCode.fit(clips, load_model(data.dataset.face_model), data.settings.expflow.coefficients)
    pose = Scale.of([values.rho[values.known][:, POSE] for values in motion.values()])
    pairs = frame_pairs(people, motion, code, pose)
    autoencoder = load_code(folder.needed["codebook"])
    return train_vqig(pairs, autoencoder, code, pose, data.settings.vqig, data.seed, folder.scratch, folder.progress)
