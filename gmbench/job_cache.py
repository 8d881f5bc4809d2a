"""Cached jobs on many clips: what is in the store is not computed again, and a failed clip is a reason, not a crash.

The store lies outside of the outputs that a pipeline deletes before it runs a stage, so that a killed stage resumes.
"""

import itertools
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from numpy.typing import NDArray

from gmbench.devices import CPU, dealt, using
from gmbench.errors import GmbenchError, StoreError
from gmbench.executor import one_thread, run
from gmbench.store import Feature, Store, disk_full

JobResult = tuple[Mapping[str, NDArray[Any]], Mapping[str, Any]]
"""Arrays and facts of a feature."""


@dataclass(frozen=True)
class Job:
    """One piece of work: its name in messages, its key in the store, and the argument of the function."""

    name: str
    key: str
    argument: Any


_turns = itertools.count()


@dataclass(frozen=True)
class _Task:
    function: Callable[[Any], JobResult]
    job: Job
    root: Path
    device: str = CPU


def run_jobs(
    function: Callable[[Any], JobResult],
    jobs: Sequence[Job],
    store: Store,
    workers: int = 1,
    scheduler: str | None = None,
    report: Callable[[int, int], None] | None = None,
    priority: float = 0,
    device: str = CPU,
) -> dict[str, str]:
    """Compute the features that the store lacks.

    Args:
        function: importable by workers; takes a job's argument, gives arrays and facts.
        jobs: with keys that name content, settings and version.
        store: where features go.
        workers, scheduler, priority: as for :func:`gmbench.executor.run`.
        report: called with (done, all).
        device: of networks; its cards take turns, over all calls of this process, and jobs learn theirs from
            :func:`gmbench.devices.current`. Keys must tell the device where numbers depend on it.

    Returns:
        reasons by name of the jobs that failed.
    """
    missing = [job for job in jobs if not store.has(job.key)]
    done = len(jobs) - len(missing)
    failures: dict[str, str] = {}
    tasks = [_Task(function, job, store.root, dealt(device, next(_turns))) for job in missing]
    for index, result in run(_make, tasks, min(workers, max(len(tasks), 1)), scheduler, priority):
        done += 1
        if isinstance(result, Exception):
            failures[missing[index].name] = f"worker died: {result}"
        elif result is not None:
            failures[missing[index].name] = result
        if report is not None:
            report(done, len(jobs))
    return failures


def load(store: Store, job: Job) -> Feature:
    """A job's feature; raises StoreError where it was not computed."""
    feature = store.get(job.key)
    if feature is None:
        raise StoreError(f"{job.name}: not in the store {store.root}; run the stage again")
    return feature


def _make(task: _Task) -> str | None:
    try:
        with one_thread(), using(task.device):
            arrays, meta = task.function(task.job.argument)
    except StoreError:
        raise
    except GmbenchError as error:
        return str(error)
    except OSError as error:
        if disk_full(error):
            raise StoreError(
                f"{task.job.name}: disk full; free some space and run again, what is finished is kept"
            ) from error
        raise
    Store(task.root).put(task.job.key, arrays, meta)
    return None
