"""GMTalker's training as jobs: which network learns from what, in which order, and where the results lie.

A job's key names everything its network depends on, so ablations share what they do not change, and a training that
was stopped goes on from its last checkpoint.
"""

import hashlib
import shutil
import sys
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np

from gmbench import job_cache
from gmbench.datasets.manifest import TRAIN, ClipRow
from gmbench.errors import InputError
from gmbench.job_cache import Job, JobResult
from gmbench.methods.gmtalker import data
from gmbench.methods.gmtalker.settings import Settings
from gmbench.methods.gmtalker.training import TrainedFile, train_gmeg, train_head, train_nfmg
from gmbench.methods.interface import FitReport, PreparedDataset, TrainedPart, TrainingContext
from gmbench.morphable import coefficient_io
from gmbench.nn.training import ProgressCallback, TrainReport
from gmbench.shards import shard_path
from gmbench.store import digest, file_digest, write_atomically

GMTALKER_TRAINING_VERSION = 3


@dataclass(frozen=True)
class _Lesson:
    """One network to train; ``scratch`` holds its checkpoints and log, ``start`` what it goes on from."""

    part: str
    dataset: PreparedDataset
    rows: tuple[ClipRow, ...]
    settings: Settings
    seed: int
    scratch: Path
    pretraining: PreparedDataset | None = None
    start: tuple[Path, Job] | None = None


def fit_all(
    dataset: PreparedDataset, pretraining: PreparedDataset, out: Path, settings: Settings, seed: int,
    context: TrainingContext,
    stages: Sequence[str] | None = None,
) -> FitReport:  # fmt: skip
    """Train what the store lacks and write the checkpoints below ``out``.

    Raises:
        InputError: no training clips, or an unknown stage.
    """
    rows = dataset.split(TRAIN)
    if not rows:
        raise InputError(f"{dataset.dataset}: no training clips; see the splits in the manifest")
    wanted = set(stages or ("gmeg", "nfmg", "head"))
    if unknown := wanted - {"gmeg", "nfmg", "head"}:
        raise InputError(f"gmtalker has no stage {sorted(unknown)[0]!r}; it has gmeg, nfmg and head")
    by_person = {name: tuple(r for r in rows if r.speaker == name) for name in sorted({r.speaker for r in rows})}
    base = digest("gmtalker", GMTALKER_TRAINING_VERSION, seed, _content(dataset, by_person), dict(dataset.audio_facts))
    nfmg = settings.nfmg

    def job(part: str, of: Sequence[ClipRow], key: str, **more: Any) -> Job:
        lesson = _Lesson(part, dataset, tuple(of), settings, seed, context.store.root / "training" / key, **more)
        return Job(part, key, lesson)

    first: list[Job] = []
    if "head" in wanted:
        head = settings.head.model_dump(mode="json")
        for name, of in by_person.items():
            first.append(job(f"head-{name}", of, digest("head", base, name, head, _pictures(dataset, name))))
    if "gmeg" in wanted:
        first.append(job("gmeg", rows, digest("gmeg", base, settings.gmeg.model_dump(mode="json"))))
    second: list[Job] = []
    if "nfmg" in wanted:
        told = nfmg.model_dump(mode="json", exclude={"finetune"})
        general = None
        if nfmg.pretrained:
            key = digest(
                "pretrained",
                GMTALKER_TRAINING_VERSION,
                seed,
                _pretraining(pretraining),
                dict(dataset.audio_facts),
                told,
            )
            general = job("pretrained", (), key, pretraining=pretraining)
            first.append(general)
        start = (context.store.root, general) if general else None
        for name, of in by_person.items():
            key = digest("nfmg", base, name, nfmg.model_dump(mode="json"), general.key if general else "")
            second.append(job(f"nfmg-{name}", of, key, start=start))
    parts = []
    for jobs in (first, second):
        failures = context.run_jobs(learn, jobs)
        if failures:
            name, reason = next(iter(failures.items()))
            raise InputError(f"training of {name} failed: {reason}")
        for done in jobs:
            feature = job_cache.load(context.store, done)
            content = feature.arrays["file"].tobytes()
            write_atomically(out / f"{done.name}.safetensors", content)
            parts.append(_trained_part(done.name, content, TrainReport(**feature.meta["report"])))
            shutil.rmtree(context.store.root / "training" / done.key, ignore_errors=True)
    write_atomically(out / "face_model.npz", dataset.face_model.read_bytes())
    write_atomically(out / "face_model.json", dataset.face_model.with_suffix(".json").read_bytes())
    return FitReport(tuple(parts))


def _trained_part(name: str, content: bytes, report: TrainReport) -> TrainedPart:
    return TrainedPart(
        name, report.steps, report.seconds, report.parameters, report.frozen_parameters, report.peak_memory,
        tuple(report.log), report.stopped_early, hashlib.sha256(content).hexdigest(),
    )  # fmt: skip


def learn(lesson: _Lesson) -> JobResult:
    """Train one network."""
    import torch

    torch.use_deterministic_algorithms(True)
    torch.utils.deterministic.fill_uninitialized_memory = False  # costs time, and nothing reads such memory
    kind, _, person = lesson.part.partition("-")
    content, report = _LEARN[kind](lesson, person)
    return {"file": np.frombuffer(content, np.uint8).copy()}, {"report": asdict(report)}


def _gmeg(lesson: _Lesson, _: str) -> TrainedFile:
    clips = data.read_clips(lesson.dataset, lesson.rows)
    emotions = data.emotions_of(lesson.rows)
    return train_gmeg(clips, emotions, lesson.dataset.audio_facts, lesson.settings.gmeg, lesson.seed, lesson.scratch)


def _pretrained(lesson: _Lesson, _: str) -> TrainedFile:
    if lesson.pretraining is None:
        raise InputError("no pre-training clips")
    clips = data.read_pretraining(lesson.pretraining)
    settings = lesson.settings.nfmg
    facts = lesson.dataset.audio_facts
    return train_nfmg(clips, facts, settings, settings.pretrain, lesson.seed, None, lesson.scratch, _told(lesson))


def _nfmg(lesson: _Lesson, _: str) -> TrainedFile:
    clips = data.read_clips(lesson.dataset, lesson.rows)
    settings = lesson.settings.nfmg
    training, start = settings.finetune, None
    if lesson.start is None:
        steps = 4 * training.steps
        training = training.model_copy(update={"steps": steps, "rate": settings.pretrain.rate})
    else:
        from gmbench.store import Store

        root, job = lesson.start
        start = lesson.scratch / "start.safetensors"
        write_atomically(start, job_cache.load(Store(root), job).arrays["file"].tobytes())
    facts = lesson.dataset.audio_facts
    return train_nfmg(clips, facts, settings, training, lesson.seed, start, lesson.scratch, _told(lesson), early=True)


def _head(lesson: _Lesson, person: str) -> TrainedFile:
    settings = lesson.settings.head
    pictures = data.read_pictures(
        lesson.dataset, lesson.rows, lesson.scratch / "pictures", settings.size_in, settings.size_out
    )
    known = coefficient_io.read_speaker(lesson.dataset.coefficients, person)
    kept = {name: known[name].astype(np.float32) for name in ("shape", "texture", "rho_mean")}
    emotions = data.emotions_of(lesson.rows)
    return train_head(pictures, emotions, kept, settings, lesson.seed, lesson.scratch, _told(lesson))


def _told(lesson: _Lesson) -> ProgressCallback:
    """Progress with losses to stderr, ten lines a network."""

    def report(step: int, steps: int, losses: Mapping[str, float]) -> None:
        if step == steps or step * 10 // steps > (step - max(1, steps // 50)) * 10 // steps:
            told = ", ".join(f"{name} {value:.4g}" for name, value in losses.items() if name != "step")
            sys.stderr.write(f"{lesson.dataset.dataset} {lesson.part}: {step}/{steps} {told}\n")

    return report


_LEARN = {"gmeg": _gmeg, "pretrained": _pretrained, "nfmg": _nfmg, "head": _head}


def _content(dataset: PreparedDataset, people: Mapping[str, Sequence[ClipRow]]) -> list[str]:
    """Digests of what is learnt from: clips and labels, coefficients, features."""
    found = [digest([(r.clip_id, r.emotion, r.level) for r in rows]) for rows in people.values()]
    for folder in (dataset.coefficients, dataset.audio):
        found += [file_digest(shard_path(folder, name)) for name in people if shard_path(folder, name).exists()]
    return found


def _pictures(dataset: PreparedDataset, person: str) -> str:
    return file_digest(shard_path(dataset.renders, person))


def _pretraining(dataset: PreparedDataset) -> str:
    if dataset.truth is not None:
        return file_digest(dataset.truth / "truth" / "clips.parquet")
    return digest(_content(dataset, {row.speaker: [row] for row in dataset.rows}))
