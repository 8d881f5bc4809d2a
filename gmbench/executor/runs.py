"""Apply a function to many tasks, here or on workers."""

import contextlib
import itertools
import queue
from collections.abc import Callable, Iterator, Sequence
from typing import Any, TypeVar

from gmbench.errors import ClusterError
from gmbench.executor.remote import Refused, Remote
from gmbench.executor.workers import Workers, open_workers, wait_for_workers

Task = TypeVar("Task")
Result = TypeVar("Result")

AHEAD = 1000
"""So many tasks are with the scheduler at a time: enough for any cluster to grow, and memory does not."""
_LOOK_AFTER = 5.0
"""Seconds without a result after which it is looked whether there are workers left."""


def run(
    function: Callable[[Task], Result],
    tasks: Sequence[Task],
    workers: int = 1,
    scheduler: str | None = None,
    priority: float = 0,
) -> Iterator[tuple[int, Result | Exception]]:
    """Apply a function to each task.

    Args:
        function: importable by workers.
        tasks: picklable.
        workers: processes on this machine; 1 runs in this process.
        scheduler: address of a running dask scheduler instead.
        priority: of several calls that share workers, tasks of the higher one begin first; a call's only task goes to
            the first worker of gmbench's own that is free.

    Yields:
        (index of the task, result) in order of completion; an exception in place of the result where a
        worker died over and over. Exceptions of the function itself are raised.

    Raises:
        ClusterError: no scheduler or no worker, or a worker that cannot do the work; see :func:`connection`.
    """
    if not tasks:
        return
    if scheduler is None and workers <= 1:
        for index, task in enumerate(tasks):
            yield index, function(task)
        return
    with open_workers(workers, scheduler) as opened:
        call: Callable[[Any], Any] = Remote(function, opened.near) if opened.outside else function
        with opened.turn(priority) if len(tasks) == 1 else contextlib.nullcontext():
            yield from _distributed(opened, call, tasks, priority)


def _distributed(
    workers: Workers, function: Callable[[Any], Any], tasks: Sequence[Any], priority: float
) -> Iterator[tuple[int, Any]]:
    from distributed import KilledWorker

    submit = workers.client.submit
    pending: dict[Any, int] = {}
    done: queue.SimpleQueue[Any] = queue.SimpleQueue()
    suspects: list[int] = []
    waiting = iter(range(len(tasks)))
    try:
        while True:
            for index in itertools.islice(waiting, AHEAD - len(pending)):
                future = submit(function, tasks[index], pure=False, priority=priority)
                pending[future] = index
                future.add_done_callback(done.put)
            if not pending:
                break
            future = _next(done, workers)
            index = pending.pop(future)
            try:
                yield index, _result(future, workers)
            except KilledWorker:
                suspects.append(index)
            future.release()
    finally:
        workers.client.cancel(list(pending))
    for index in sorted(suspects):  # alone: tasks that only waited beside the one that killed now succeed
        try:
            yield index, _result(submit(function, tasks[index], pure=False), workers)
        except KilledWorker as error:
            yield index, error


def _next(done: "queue.SimpleQueue[Any]", workers: Workers) -> Any:
    """The next future that is done; says so while there are no workers."""
    while True:
        try:
            return done.get(timeout=_LOOK_AFTER)
        except queue.Empty:
            wait_for_workers(workers)


def _result(future: Any, workers: Workers) -> Any:
    """Result of a future.

    Raises:
        ClusterError: the worker lacks something, or the scheduler is gone; else what the function raised.
    """
    from distributed.client import FutureCancelledError

    try:
        result = future.result()
    except FutureCancelledError as error:
        raise ClusterError(f"{workers.address}: the scheduler is gone; run again to go on") from error
    except (ImportError, AttributeError) as error:
        if not workers.outside:
            raise
        raise ClusterError(
            f"{workers.address}: a worker cannot run gmbench ({type(error).__name__}: {error}); its Python needs the "
            "same gmbench and the same plug-ins as this one"
        ) from error
    if isinstance(result, Refused):
        raise ClusterError(f"worker {result.worker} {result.reason}")
    return result
