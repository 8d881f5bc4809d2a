"""Training of a system as jobs: one per network, begun when what it needs is there, cached by key, resumed.

A job's key names everything that its network depends on, so that systems and ablations share what they have in common.
"""

import contextlib
import hashlib
import shutil
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import Future
from dataclasses import asdict, dataclass, field, replace
from graphlib import CycleError, TopologicalSorter
from pathlib import Path
from typing import Any

import numpy as np

from gmbench import devices, job_cache
from gmbench.devices import CPU, current
from gmbench.devices.choice import FLOAT32, memory
from gmbench.devices.slots import slot
from gmbench.errors import DeviceError, InputError
from gmbench.executor import pool
from gmbench.job_cache import Job, JobResult
from gmbench.methods.interface import FitReport, TrainedPart, TrainingContext
from gmbench.nn.training import ProgressCallback, TrainReport, training_in
from gmbench.progress import SECONDS, duration
from gmbench.store import Store, digest, file_digest, write_atomically

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
        network: whether the file is one; else it is something that networks need, which stays in the store.
    """

    name: str
    key: str
    function: Callable[[Any, TrainingFolder], TrainedFile]
    argument: Any
    needs: tuple[str, ...] = ()
    network: bool = True


@dataclass(frozen=True)
class _Task:
    """A job as a worker gets it."""

    job: TrainingJob
    label: str
    store: Path
    keys: Mapping[str, str] = field(default_factory=dict)
    previews: Path | None = None
    precision: str = FLOAT32
    jobs_per_device: int = 1

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


def write_face_model(model: Path, out: Path) -> None:
    """Copy the face model that coefficients belong to, and what it says of itself, beside the networks."""
    write_atomically(out / "face_model.npz", model.read_bytes())
    write_atomically(out / "face_model.json", model.with_suffix(".json").read_bytes())


def train_all(jobs: Sequence[TrainingJob], out: Path, label: str, context: TrainingContext) -> FitReport:
    """Train what the store lacks and write each network's file ``<name>.safetensors`` below a folder.

    A job begins when those that it needs are done; of several that could, the one that the longest chain waits for, and
    of these the first one of the system.
    Where the context takes one call at a time they run one after another.

    Args:
        jobs: of one system.
        out: folder of the files.
        label: begins each line of progress, as the dataset's name.
        context: store and workers.

    Raises:
        InputError: a training failed; side by side, files of those that do not need it are there.
        ValueError: a job needs one that is not in the list, or jobs need each other.
    """
    ready = in_order([replace(job, key=_key_on(context, job.key)) for job in jobs])
    keys, waiting = {job.name: job.key for job in ready}, chains(ready)
    priorities = {job.name: waiting[job.name] - place / len(jobs) for place, job in enumerate(jobs)}
    how = (context.previews, context.precision, context.jobs_per_device)

    def make(job: TrainingJob) -> TrainedPart | None:
        for name in job.needs:
            if name in begun:
                begun[name].result()
        needed = {name: keys[name] for name in job.needs}
        task = _Task(job, label, context.store.root, needed, *how)
        return _make(task, out, context, priorities[job.name])

    begun: dict[str, Future[TrainedPart | None]] = {}
    if not context.at_once:
        return FitReport(tuple(part for part in map(make, ready) if part))
    with pool(max(1, len(ready))) as threads:
        for job in ready:
            begun[job.name] = threads.submit(make, job)
        return FitReport(tuple(part for future in begun.values() if (part := future.result())))


def _make(task: _Task, out: Path, context: TrainingContext, priority: float) -> TrainedPart | None:
    """Train one network, or take it from the store, and write its file; nothing is written of what is no network."""
    job = Job(task.job.name, task.job.key, task)
    for reason in context.run_jobs(train_one, [job], priority).values():
        raise InputError(f"training of {job.name} failed: {reason}")
    shutil.rmtree(task.scratch, ignore_errors=True)
    if not task.job.network:
        return None
    feature = job_cache.load(context.store, job)
    content = feature.arrays["file"].tobytes()
    write_atomically(out / f"{job.name}.safetensors", content)
    return _trained_part(job.name, content, TrainReport(**feature.meta["report"]))


def in_order(jobs: Sequence[TrainingJob]) -> list[TrainingJob]:
    """Jobs after those that they need; raises ValueError where needs cannot be met."""
    named = {job.name: job for job in jobs}
    if missing := {job.name: absent for job in jobs if (absent := sorted(set(job.needs) - set(named)))}:
        raise ValueError(f"jobs need others that are not in the list: {missing}")
    try:
        return [named[name] for name in TopologicalSorter({job.name: job.needs for job in jobs}).static_order()]
    except CycleError as error:
        raise ValueError(f"jobs need each other: {', '.join(error.args[1])}") from error


def chains(ordered: Sequence[TrainingJob]) -> dict[str, int]:
    """How many jobs wait for each, one after another in the longest chain, by name."""
    waiting = dict.fromkeys((job.name for job in ordered), 0)
    for job in reversed(ordered):
        for name in job.needs:
            waiting[name] = max(waiting[name], waiting[job.name] + 1)
    return waiting


def train_one(task: _Task) -> JobResult:
    """Train one network, in a worker."""
    import torch

    # On other devices some layers of pictures have no deterministic gradient: they warn there instead of failing.
    torch.use_deterministic_algorithms(True, warn_only=current() != CPU)
    torch.utils.deterministic.fill_uninitialized_memory = False  # costs time, and nothing reads such memory
    needed = {}
    for name, key in task.keys.items():
        needed[name] = task.scratch / "needed" / f"{name}.safetensors"
        file = job_cache.load(Store(task.store), Job(name, key, None)).arrays["file"]
        write_atomically(needed[name], file.tobytes())
    preview = task.previews / f"{task.job.name}.jpg" if task.previews else None
    folder = TrainingFolder(task.scratch, needed, _progress(f"{task.label} {task.job.name}"), preview)
    with slot(current(), task.jobs_per_device), training_in(task.precision), _memory_named(task):
        content, report = task.job.function(task.job.argument, folder)
    return {"file": np.frombuffer(content, np.uint8).copy()}, {"report": asdict(report)}


def allow_atomics() -> None:
    """On a GPU some layers of pictures have no deterministic gradient: they warn there instead of failing."""
    import torch

    torch.use_deterministic_algorithms(True, warn_only=current() != CPU)


def _key_on(context: TrainingContext, content: str) -> str:
    """A job's key on the context's device: the bits of a network depend on it, and on the precision there."""
    parts = devices.key(context.device, FLOAT32 if context.device == CPU else context.precision)
    return digest(content, *parts) if parts else content


@contextlib.contextmanager
def _memory_named(task: _Task) -> Iterator[None]:
    """Say what helps where the device's memory does not hold a training."""
    import torch

    try:
        yield
    except torch.OutOfMemoryError as error:
        of_all = memory(current())
        size = f" of {of_all[1] / 2**30:.0f} GiB" if of_all else ""
        raise DeviceError(
            f"{current()}: its memory{size} does not hold the training of {task.job.name}; lower train.batch of its "
            "settings, train with --precision bfloat16, or set training.jobs_per_device to 1"
        ) from error


def _trained_part(name: str, content: bytes, report: TrainReport) -> TrainedPart:
    return TrainedPart(
        name, report.steps, report.seconds, report.parameters, report.frozen_parameters, report.peak_memory,
        tuple(report.log), report.stopped_early, hashlib.sha256(content).hexdigest(), report.device,
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
