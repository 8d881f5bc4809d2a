"""GMTalker's training as jobs: which network learns from what, and which one starts from another's file."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from gmbench.datasets.manifest import TRAIN, ClipRow
from gmbench.emotions import SUITE_ORDER
from gmbench.errors import GmbenchError, InputError
from gmbench.methods.gmtalker import pictures
from gmbench.methods.gmtalker.head_training import train_head
from gmbench.methods.gmtalker.settings import DRAWN, RENDERING_SIDE, STAGES, Settings
from gmbench.methods.gmtalker.starting_points import (
    check_start,
    draw_start,
    expression_start,
    motion_start,
    start_digest,
)
from gmbench.methods.gmtalker.training import train_gmeg, train_nfmg
from gmbench.methods.interface import FitReport, PreparedDataset, TrainingContext, TrainingNeeds
from gmbench.methods.lips import lip_motion
from gmbench.methods.pictures import check_mattes, matte_digests, matte_problems
from gmbench.methods.pretraining import check_drawn_people, draw_pretraining, pretraining_digest, read_pretraining
from gmbench.methods.track_people import check_track_people, draw_clips, track_people_digest
from gmbench.methods.tracks import emotions_of, frames_used, read_clips, track_digests
from gmbench.methods.training_jobs import (
    TrainedFile,
    TrainingFolder,
    TrainingJob,
    chosen_stages,
    file_digests,
    train_all,
    write_face_model,
)
from gmbench.morphable import coefficient_io
from gmbench.morphable.model import load as load_model
from gmbench.shards import shard_path
from gmbench.store import digest, file_digest

GMTALKER_TRAINING_VERSION = 5
START = "start"
"""Name of the expression generator that learnt from drawn people alone."""


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
    write_face_model(dataset.face_model, out)
    return report


def training_problems(dataset: PreparedDataset, settings: Settings) -> Iterator[str]:
    """What keeps GMTalker from being trained: mattes, the user's files, sizes, and its starting point."""
    yield from matte_problems(dataset, dataset.split(TRAIN))
    for place, path in settings.needed_files().items():
        if not path.is_file():
            yield f"systems.gmtalker.{place}: {path}: no such file"
    for check in (lambda: settings.head.for_crops(dataset.size), lambda: check_start(settings, dataset)):
        try:
            check()
        except GmbenchError as error:
            yield str(error)


def training_needs(dataset: PreparedDataset, settings: Settings) -> TrainingNeeds:
    """Bytes of the pictures that heads learn from, of all people at once, and of the tracks of two trainings."""
    frames, head = frames_used(dataset, dataset.split(TRAIN))["used"], settings.head
    side_out = head.size_out or dataset.size
    side_in = head.size_in or min(RENDERING_SIDE, side_out)
    kept = min(frames, settings.most_frames) if settings.most_frames else frames
    columns = 169 + 12 + int(dataset.audio_facts["audio_dim"])
    return TrainingNeeds(kept * (3 * side_out**2 + 4 * side_in**2), 2 * 2 * 4 * frames * columns)


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
    check_start(settings, dataset)
    if settings.gmeg.track_people:
        check_track_people("gmtalker: gmeg: track_people", dataset)
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
        files += [str(settings.most_frames)] if settings.most_frames else []
        key = digest("head", head_base, name, drawn.head.model_dump(mode="json"), content, *files)
        yield TrainingJob(f"head-{name}", key, _head, _Data(dataset, of_speaker, audio, drawn, head_seed))
    further = track_people_digest(settings.gmeg.track_people)
    model = file_digest(dataset.face_model) if "lips" in settings.gmeg.weights else ""
    begun = [start for start in (start_digest(settings, seed),) if start]
    needs: tuple[str, ...] = ()
    if settings.start.source == DRAWN:
        needs = (START,)
        key = digest("start", GMTALKER_TRAINING_VERSION, audio, model, *begun)
        yield TrainingJob(START, key, _start, _Data(dataset, (), audio, settings, seed))
    key = digest("gmeg", base, settings.gmeg.model_dump(mode="json"), further, model, *begun)
    yield TrainingJob("gmeg", key, _gmeg, _Data(dataset, rows, audio, settings, seed), needs)
    yield from _motion_jobs(dataset, pretraining, settings, seed, base, by_speaker)


def _motion_jobs(
    dataset: PreparedDataset, pretraining: PreparedDataset, settings: Settings, seed: int, base: str,
    by_speaker: Mapping[str, tuple[ClipRow, ...]],
) -> Iterator[TrainingJob]:  # fmt: skip
    nfmg, audio = settings.nfmg, dict(dataset.audio_facts)
    shared_key = ""
    needs: tuple[str, ...] = ()
    brought = motion_start(settings)
    if brought is not None:
        shared_key = file_digest(brought)
    elif nfmg.pretrained:
        shared = nfmg.model_dump(mode="json", exclude={"finetune"})
        if nfmg.pretrain_people and settings.start.source != DRAWN:
            check_drawn_people(pretraining)
        drawn = nfmg.pretrain_people or (settings.start.people if settings.start.source == DRAWN else 0)
        content = pretraining_digest(pretraining, drawn)
        shared_key = digest("pretrained", GMTALKER_TRAINING_VERSION, seed, content, audio, shared)
        needs = ("pretrained",)
        yield TrainingJob("pretrained", shared_key, _pretrained, _Data(pretraining, (), audio, settings, seed))
    for name, of_speaker in by_speaker.items():
        key = digest("nfmg", base, name, nfmg.model_dump(mode="json"), shared_key)
        yield TrainingJob(f"nfmg-{name}", key, _nfmg, _Data(dataset, of_speaker, audio, settings, seed), needs)


def _stage(job: TrainingJob) -> str:
    kind = job.name.partition("-")[0]
    return {"pretrained": "nfmg", START: "gmeg"}.get(kind, kind)


def _start(data: _Data, folder: TrainingFolder) -> TrainedFile:
    """The expression generator of drawn people in all emotions."""
    settings = data.settings.gmeg.model_copy(update={"train": data.settings.start.train})
    clips = draw_start(data.settings, str(data.audio["pair"]))
    lips = lip_motion(load_model(data.dataset.face_model)) if "lips" in settings.weights else None
    return train_gmeg(clips, SUITE_ORDER, data.audio, settings, data.seed, folder.scratch, folder.progress, lips=lips)


def _gmeg(data: _Data, folder: TrainingFolder) -> TrainedFile:
    clips, settings = read_clips(data.dataset, data.rows), data.settings.gmeg
    further = draw_clips(settings.track_people, data.rows, settings.window[1], str(data.audio["pair"]))
    lips = lip_motion(load_model(data.dataset.face_model)) if "lips" in settings.weights else None
    return train_gmeg(
        clips, emotions_of(data.rows), data.audio, settings, data.seed, folder.scratch, folder.progress, further, lips,
        folder.needed.get(START) or expression_start(data.settings),
    )  # fmt: skip


def _pretrained(data: _Data, folder: TrainingFolder) -> TrainedFile:
    settings = data.settings.nfmg
    if data.settings.start.source == DRAWN:
        people = settings.pretrain_people or data.settings.start.people
        clips = draw_pretraining(people, settings.window[1], str(data.audio["pair"]))
    else:
        clips = read_pretraining(data.dataset, settings.pretrain_people, settings.window[1])
    return train_nfmg(clips, data.audio, settings, settings.pretrain, data.seed, None, folder.scratch, folder.progress)


def _nfmg(data: _Data, folder: TrainingFolder) -> TrainedFile:
    clips, settings = read_clips(data.dataset, data.rows), data.settings.nfmg
    start, training = folder.needed.get("pretrained") or motion_start(data.settings), settings.finetune
    if start is None:  # as many updates on as many windows as with pre-training
        both = {"steps": settings.pretrain.steps + training.steps, "batch": settings.pretrain.batch}
        training = training.model_copy(update=both | {"rate": settings.pretrain.rate})
    return train_nfmg(clips, data.audio, settings, training, data.seed, start, folder.scratch, folder.progress)


def _head(data: _Data, folder: TrainingFolder) -> TrainedFile:
    settings = data.settings.head
    frames = pictures.read_pictures(
        data.dataset, data.rows, folder.scratch / "pictures", settings.size_in, settings.size_out,
        data.settings.most_frames,
    )  # fmt: skip
    coefficients = coefficient_io.read_speaker(data.dataset.coefficients, data.rows[0].speaker)
    person = {name: coefficients[name].astype(np.float32) for name in ("shape", "texture", "rho_mean")}
    emotions = emotions_of(data.rows)
    return train_head(frames, emotions, person, settings, data.seed, folder.scratch, folder.progress, folder.preview)
