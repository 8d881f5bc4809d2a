"""Training of a system as jobs: one per network, run in rounds, cached by key, resumed where they were stopped.

A job's key names everything that its network depends on, so that systems and ablations share what they have in common.
"""

import hashlib
import shutil
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from gmbench import job_cache
from gmbench.errors import InputError
from gmbench.job_cache import Job, JobResult
from gmbench.methods.interface import FitReport, TrainedPart, TrainingContext
from gmbench.nn.training import ProgressCallback, TrainReport
from gmbench.progress import SECONDS, duration
from gmbench.store import Store, file_digest, write_atomically

TrainedFile = tuple[bytes, TrainReport]
"""Bytes of a checkpoint, and how it was trained."""


@dataclass(frozen=True)
class TrainingFolder:
    """What a training function gets beside its argument.

    Attributes:
        scratch: folder for its checkpoints, log and arrays; it outlives a stopped run and is removed after success.
        needed: files of the jobs that it needs, by their names.
        progress: writes losses and the time left to stderr.
        preview: a JPEG that a training of pictures may write now and then; None for none.
    """

    scratch: Path
    needed: Mapping[str, Path]
    progress: ProgressCallback
    preview: Path | None = None


@dataclass(frozen=True)
class TrainingJob:
    """One network to train.

    Attributes:
        name: of the network's file without suffix, and in messages.
        key: digest of everything that the file depends on.
        function: trains; importable by workers; called with ``argument`` and a :class:`TrainingFolder`.
        argument: picklable.
        needs: names of the jobs whose files the function reads.
    """

    name: str
    key: str
    function: Callable[[Any, TrainingFolder], TrainedFile]
    argument: Any
    needs: tuple[str, ...] = ()


@dataclass(frozen=True)
class _Task:
    """A job as a worker gets it."""

    job: TrainingJob
    label: str
    store: Path
    keys: Mapping[str, str] = field(default_factory=dict)
    previews: Path | None = None

    @property
    def scratch(self) -> Path:
        return self.store / "training" / self.job.key


def file_digests(files: Mapping[str, Path]) -> list[str]:
    """Digests of the user's files that are there, for the keys of jobs: another file of that name is another key."""
    return [file_digest(path) for _, path in sorted(files.items()) if path.exists()]


def chosen_stages(system: str, stages: Sequence[str], asked: Sequence[str] | None) -> tuple[str, ...]:
    """Stages of a system that are to be trained, in its order; all where none is asked for.

    Raises:
        InputError: a stage that the system does not have.
    """
    if unknown := sorted(set(asked or ()) - set(stages)):
        raise InputError(f"{system} has no stage {unknown[0]!r}; it has {', '.join(stages[:-1])} and {stages[-1]}")
    return tuple(stage for stage in stages if not asked or stage in asked)


def train_all(jobs: Sequence[TrainingJob], out: Path, label: str, context: TrainingContext) -> FitReport:
    """Train what the store lacks and write each network's file ``<name>.safetensors`` below a folder.

    Jobs run in rounds: the first holds those that need no other, the next those that need only jobs of rounds before.

    Args:
        jobs: of one system.
        out: folder of the files.
        label: begins each line of progress, as the dataset's name.
        context: store and workers.

    Raises:
        InputError: a training failed; the files of the rounds before are there.
        ValueError: a job needs one that is not in the list, or jobs need each other.
    """
    keys = {job.name: job.key for job in jobs}
    root, previews = context.store.root, context.previews
    parts = []
    for jobs_of_round in rounds(jobs):
        tasks = [
            Job(job.name, job.key, _Task(job, label, root, {name: keys[name] for name in job.needs}, previews))
            for job in jobs_of_round
        ]
        failures = context.run_jobs(train_one, tasks)
        if failures:
            name, reason = next(iter(failures.items()))
            raise InputError(f"training of {name} failed: {reason}")
        for task in tasks:
            feature = job_cache.load(context.store, task)
            content = feature.arrays["file"].tobytes()
            write_atomically(out / f"{task.name}.safetensors", content)
            parts.append(_trained_part(task.name, content, TrainReport(**feature.meta["report"])))
            shutil.rmtree(task.argument.scratch, ignore_errors=True)
    return FitReport(tuple(parts))


def rounds(jobs: Sequence[TrainingJob]) -> list[list[TrainingJob]]:
    """Jobs in rounds, in the list's order within each; raises ValueError where needs cannot be met."""
    result: list[list[TrainingJob]] = []
    finished: set[str] = set()
    waiting = list(jobs)
    while waiting:
        ready = [job for job in waiting if finished.issuperset(job.needs)]
        if not ready:
            needs = {job.name: sorted(set(job.needs) - finished) for job in waiting}
            raise ValueError(f"jobs wait for jobs that do not exist or wait themselves: {needs}")
        result.append(ready)
        finished |= {job.name for job in ready}
        waiting = [job for job in waiting if job.name not in finished]
    return result


def train_one(task: _Task) -> JobResult:
    """Train one network, in a worker."""
    import torch

    torch.use_deterministic_algorithms(True)
    torch.utils.deterministic.fill_uninitialized_memory = False  # costs time, and nothing reads such memory
    needed = {}
    for name, key in task.keys.items():
        needed[name] = task.scratch / "needed" / f"{name}.safetensors"
        file = job_cache.load(Store(task.store), Job(name, key, None)).arrays["file"]
        write_atomically(needed[name], file.tobytes())
    preview = task.previews / f"{task.job.name}.jpg" if task.previews else None
    folder = TrainingFolder(task.scratch, needed, _progress(f"{task.label} {task.job.name}"), preview)
    content, report = task.job.function(task.job.argument, folder)
    return {"file": np.frombuffer(content, np.uint8).copy()}, {"report": asdict(report)}


def allow_atomics() -> None:
    """On a GPU some layers of pictures have no deterministic gradient: they warn there instead of failing."""
    import torch

    torch.use_deterministic_algorithms(True, warn_only=torch.cuda.is_available())


def _trained_part(name: str, content: bytes, report: TrainReport) -> TrainedPart:
    return TrainedPart(
        name, report.steps, report.seconds, report.parameters, report.frozen_parameters, report.peak_memory,
        tuple(report.log), report.stopped_early, hashlib.sha256(content).hexdigest(),
    )  # fmt: skip


def _progress(label: str) -> ProgressCallback:
    """Writes step, losses and the time left to stderr, once a minute and at the end."""
    began = written = time.monotonic()
    first: int | None = None

    def write(step: int, steps: int, losses: Mapping[str, float]) -> None:
        nonlocal written, first
        first = step if first is None else first
        now = time.monotonic()
        if step < steps and now - written < SECONDS:
            return
        written = now
        values = ", ".join(f"{name} {value:.4g}" for name, value in losses.items() if name != "step")
        left = f"; {duration((now - began) * (steps - step) / (step - first))} left" if first < step < steps else ""
        sys.stderr.write(f"{label}: {step}/{steps} {values}{left}\n")

    return write
