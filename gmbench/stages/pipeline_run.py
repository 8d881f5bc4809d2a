"""What every stage gets: the configuration, the dataset's folders, the store, and workers."""

import functools
import json
import sys
from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from gmbench import devices, job_cache
from gmbench.config import Params
from gmbench.datasets import manifest
from gmbench.datasets.manifest import ClipRow
from gmbench.devices.processes import several_processes
from gmbench.errors import InputError
from gmbench.job_cache import Job
from gmbench.morphable.model import FaceModel
from gmbench.morphable.model import load as load_model
from gmbench.progress import ProgressLines
from gmbench.stages.paths import FACE_MODEL, DatasetPaths
from gmbench.store import Store, digest, file_digest, write_atomically

STORE = Path(".gmbench/store")
"""Outside of all outputs: DVC deletes those before a stage runs, and a killed stage resumes from here."""


@dataclass(frozen=True)
class PipelineRun:
    """A stage's surroundings."""

    params: Params
    paths: DatasetPaths
    store: Store
    scheduler: str | None = None
    quiet: bool = False

    @property
    def workers(self) -> int:
        """Processes on this machine."""
        return self.params.workers

    @property
    def device(self) -> str:
        """Of networks; raises InputError where params.yaml, or the environment, names one that is not here."""
        return devices.choose(self.params.device)

    def report(self, done: int, total: int) -> None:
        """Progress to stderr: a line a minute, and none for what is done sooner."""
        if not self.quiet:
            _lines(self.paths.dataset)(done, total)

    def run_jobs(
        self, function: Callable[[Any], job_cache.JobResult], jobs: Sequence[job_cache.Job], priority: float = 0
    ) -> dict[str, str]:
        """Make what the store lacks; reasons by name of what failed."""
        workers, scheduler = (1, None) if several_processes() else (self.workers, self.scheduler)
        return job_cache.run_jobs(function, jobs, self.store, workers, scheduler, self.report, priority, self.device)

    def face_model(self) -> "ModelSource":
        """The run's face model, which the stage face_model wrote."""
        if not FACE_MODEL.exists():
            raise InputError(f"{FACE_MODEL}: no face model here; run the stage face_model")
        return ModelSource(FACE_MODEL, digest(file_digest(FACE_MODEL), file_digest(FACE_MODEL.with_suffix(".json"))))


def _to_stderr(line: str) -> None:
    sys.stderr.write(line + "\n")


@functools.cache
def _lines(dataset: str) -> ProgressLines:
    return ProgressLines(dataset, _to_stderr, "parts")


@dataclass(frozen=True)
class ModelSource:
    """A face model that workers load themselves, once per process."""

    path: Path
    digest: str

    def load(self) -> FaceModel:
        """The model."""
        return _load(self.path, self.digest)


@functools.lru_cache(maxsize=2)
def _load(path: Path, content: str) -> FaceModel:
    return load_model(path)


def by_speaker(rows: list[ClipRow], jobs: list[Job], failures: dict[str, str]) -> dict[str, list[tuple[ClipRow, Job]]]:
    """Clips that did not fail with their jobs, by speaker in order of names."""
    groups: dict[str, list[tuple[ClipRow, Job]]] = defaultdict(list)
    for row, job in zip(rows, jobs, strict=True):
        if row.clip_id not in failures:
            groups[row.speaker].append((row, job))
    return dict(sorted(groups.items()))


def used_rows(run: PipelineRun) -> list[ClipRow]:
    """Cropped clips that methods learn from or that are scored; the others are for feature extractors at most."""
    split = run.params.evaluation.split
    return [
        row
        for row in manifest.read(run.paths.cropped)
        if row.split not in (manifest.HELD_OUT, manifest.OTHER) or split in ("all", row.split)
    ]


def write_videos(
    run: PipelineRun, method: str, rows: Sequence[ClipRow], jobs: Sequence[Job], failures: Mapping[str, str]
) -> None:
    """Copy the videos that jobs left in the store, as their array ``video``, to a method's folder."""
    for row, job in zip(rows, jobs, strict=True):
        if row.clip_id not in failures:
            data = job_cache.load(run.store, job).arrays["video"].tobytes()
            write_atomically(run.paths.videos(method) / row.video_path, data)


def write_json(path: Path, content: dict[str, Any]) -> None:
    """Write a small report: sorted keys, the same bytes for the same content."""
    write_atomically(path, (json.dumps(content, indent=1, sort_keys=True) + "\n").encode())
