"""GMTalker's training as jobs: which network learns from what, and which one starts from another's file."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from gmbench.datasets.manifest import TRAIN, ClipRow
from gmbench.errors import InputError
from gmbench.methods.gmtalker import pictures
from gmbench.methods.gmtalker.head_training import train_head
from gmbench.methods.gmtalker.settings import STAGES, Settings
from gmbench.methods.gmtalker.training import train_gmeg, train_nfmg
from gmbench.methods.interface import FitReport, PreparedDataset, TrainingContext
from gmbench.methods.lips import lip_motion
from gmbench.methods.pictures import check_mattes, matte_digests
from gmbench.methods.pretraining import check_drawn_people, pretraining_digest, read_pretraining
from gmbench.methods.track_people import check_track_people, draw_clips, track_people_digest
from gmbench.methods.tracks import emotions_of, read_clips, track_digests
from gmbench.methods.training_jobs import (
    TrainedFile,
    TrainingFolder,
    TrainingJob,
    chosen_stages,
    file_digests,
    train_all,
)
from gmbench.morphable import coefficient_io
from gmbench.morphable.model import load as load_model
from gmbench.shards import shard_path
from gmbench.store import digest, file_digest, write_atomically

GMTALKER_TRAINING_VERSION = 5


@dataclass(frozen=True)
class _Data:
    """What a network learns from: clips of a dataset, and the description of the audio features."""

    dataset: PreparedDataset
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
        InputError: no training clips, an unknown stage, a clip without a matte for the head generators, or a training
            that failed.
    """
    chosen = chosen_stages("gmtalker", STAGES, stages)
    jobs = [job for job in training_jobs(dataset, pretraining, settings, seed) if _stage(job) in chosen]
    if "head" in chosen:
        check_mattes(dataset, dataset.split(TRAIN))
    report = train_all(jobs, out, dataset.dataset, context)
    write_atomically(out / "face_model.npz", dataset.face_model.read_bytes())
    write_atomically(out / "face_model.json", dataset.face_model.with_suffix(".json").read_bytes())
    return report


def training_jobs(
    dataset: PreparedDataset, pretraining: PreparedDataset, settings: Settings, seed: int
) -> Iterator[TrainingJob]:
    """All jobs: one head per speaker, the expression generator, and one motion generator per speaker.

    Heads draw pictures of the size of the dataset's crops where the settings name no other.

    Raises:
        InputError: no training clips, a size that heads cannot draw, or track people beside data that are not the
            corpus'.
    """
    settings = settings.model_copy(update={"head": settings.head.for_crops(dataset.size)})
    if settings.gmeg.track_people:
        check_track_people("gmtalker: gmeg", dataset)
    rows = dataset.split(TRAIN)
    if not rows:
        raise InputError(f"{dataset.dataset}: no training clips; see the splits in the manifest")
    speakers = sorted({row.speaker for row in rows})
    by_speaker = {name: tuple(row for row in rows if row.speaker == name) for name in speakers}
    audio = dict(dataset.audio_facts)
    tracks = track_digests(dataset, by_speaker)
    base = digest("gmtalker", GMTALKER_TRAINING_VERSION, seed, tracks, audio)
    head_seed = seed if settings.head.seed is None else settings.head.seed
    head_base = digest("gmtalker", GMTALKER_TRAINING_VERSION, head_seed, tracks, audio)
    # With its own seed or the system's, the same training gives the same file.
    drawn = settings.model_copy(update={"head": settings.head.model_copy(update={"seed": None})})
    for name, of_speaker in by_speaker.items():
        renders = shard_path(dataset.renders, name)
        content = file_digest(renders) if renders.exists() else ""  # the job reports what is missing
        files = [*file_digests(settings.needed_files()), *matte_digests(dataset, of_speaker)]
        key = digest("head", head_base, name, drawn.head.model_dump(mode="json"), content, *files)
        yield TrainingJob(f"head-{name}", key, _head, _Data(dataset, of_speaker, audio, drawn, head_seed))
    further = track_people_digest(settings.gmeg.track_people)
    model = file_digest(dataset.face_model) if "lips" in settings.gmeg.weights else ""
    key = digest("gmeg", base, settings.gmeg.model_dump(mode="json"), further, model)
    yield TrainingJob("gmeg", key, _gmeg, _Data(dataset, rows, audio, settings, seed))
    yield from _motion_jobs(dataset, pretraining, settings, seed, base, by_speaker)


def _motion_jobs(
    dataset: PreparedDataset, pretraining: PreparedDataset, settings: Settings, seed: int, base: str,
    by_speaker: Mapping[str, tuple[ClipRow, ...]],
) -> Iterator[TrainingJob]:  # fmt: skip
    nfmg, audio = settings.nfmg, dict(dataset.audio_facts)
    shared_key = ""
    needs: tuple[str, ...] = ()
    if nfmg.pretrained:
        shared = nfmg.model_dump(mode="json", exclude={"finetune"})
        if nfmg.pretrain_people:
            check_drawn_people(pretraining)
        content = pretraining_digest(pretraining, nfmg.pretrain_people)
        shared_key = digest("pretrained", GMTALKER_TRAINING_VERSION, seed, content, audio, shared)
        needs = ("pretrained",)
        yield TrainingJob("pretrained", shared_key, _pretrained, _Data(pretraining, (), audio, settings, seed))
    for name, of_speaker in by_speaker.items():
        key = digest("nfmg", base, name, nfmg.model_dump(mode="json"), shared_key)
        yield TrainingJob(f"nfmg-{name}", key, _nfmg, _Data(dataset, of_speaker, audio, settings, seed), needs)


def _stage(job: TrainingJob) -> str:
    kind = job.name.partition("-")[0]
    return "nfmg" if kind == "pretrained" else kind


def _gmeg(data: _Data, folder: TrainingFolder) -> TrainedFile:
    clips, settings = read_clips(data.dataset, data.rows), data.settings.gmeg
    further = draw_clips(settings.track_people, data.rows, settings.window[1], str(data.audio["pair"]))
    lips = lip_motion(load_model(data.dataset.face_model)) if "lips" in settings.weights else None
    return train_gmeg(
        clips, emotions_of(data.rows), data.audio, settings, data.seed, folder.scratch, folder.progress, further, lips
    )


def _pretrained(data: _Data, folder: TrainingFolder) -> TrainedFile:
    settings = data.settings.nfmg
    clips = read_pretraining(data.dataset, settings.pretrain_people, settings.window[1])
    return train_nfmg(clips, data.audio, settings, settings.pretrain, data.seed, None, folder.scratch, folder.progress)


def _nfmg(data: _Data, folder: TrainingFolder) -> TrainedFile:
    clips, settings = read_clips(data.dataset, data.rows), data.settings.nfmg
    start, training = folder.needed.get("pretrained"), settings.finetune
    if start is None:  # as many updates on as many windows as with pre-training
        both = {"steps": settings.pretrain.steps + training.steps, "batch": settings.pretrain.batch}
        training = training.model_copy(update=both | {"rate": settings.pretrain.rate})
    return train_nfmg(clips, data.audio, settings, training, data.seed, start, folder.scratch, folder.progress)


def _head(data: _Data, folder: TrainingFolder) -> TrainedFile:
    settings = data.settings.head
    frames = pictures.read_pictures(
        data.dataset, data.rows, folder.scratch / "pictures", settings.size_in, settings.size_out
    )
    coefficients = coefficient_io.read_speaker(data.dataset.coefficients, data.rows[0].speaker)
    person = {name: coefficients[name].astype(np.float32) for name in ("shape", "texture", "rho_mean")}
    emotions = emotions_of(data.rows)
    return train_head(frames, emotions, person, settings, data.seed, folder.scratch, folder.progress)
