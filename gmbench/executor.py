"""Run one function over many tasks: in this process, or on dask workers; the same results either way."""

import contextlib
import os
import sys
import threading
from collections.abc import Callable, Iterator, Sequence
from typing import Any, TypeVar

import cv2
from threadpoolctl import threadpool_limits

from gmbench.errors import InputError

Task = TypeVar("Task")
Result = TypeVar("Result")

_KEPT = str(256 * 2**20)
WORKER_ENVIRONMENT = {
    "OMP_NUM_THREADS": "1",
    "MKL_NUM_THREADS": "1",
    "OPENBLAS_NUM_THREADS": "1",
    "NUMBA_NUM_THREADS": "1",
    "MALLOC_TRIM_THRESHOLD_": _KEPT,
    "MALLOC_MMAP_THRESHOLD_": _KEPT,
}
"""Environment of a worker: one thread, since threads inside a process fight with the processes; and freed
memory is kept. dask's defaults return it after every frame; with dask's sampling profiler, which is switched off
below, that cost 1.6 times the time here."""


def run(
    function: Callable[[Task], Result],
    tasks: Sequence[Task],
    workers: int = 1,
    scheduler: str | None = None,
    priority: int = 0,
) -> Iterator[tuple[int, Result | Exception]]:
    """Apply a function to each task.

    Args:
        function: importable by workers.
        tasks: picklable.
        workers: processes on this machine; 1 runs in this process.
        scheduler: address of a running dask scheduler instead.
        priority: of several calls that share workers, tasks of the higher one begin first.

    Yields:
        (index of the task, result) in order of completion; an exception in place of the result where a
        worker died over and over. Exceptions of the function itself are raised.
    """
    if scheduler is None and workers <= 1:
        for index, task in enumerate(tasks):
            yield index, function(task)
        return
    with _client(workers, scheduler) as client:
        yield from _distributed(client, function, tasks, priority)


@contextlib.contextmanager
def one_thread() -> Iterator[None]:
    """One thread for linear algebra, OpenCV and torch, also where torch is imported only later; restored at the end.

    Threads of several processes fight, and sums in another order would change the last digits. Several threads may
    be inside at once: the numbers of threads come back when the last one leaves.
    """
    _single_threaded.enter()
    try:
        yield
    finally:
        _single_threaded.leave()


class _SingleThreaded:
    """The numbers of threads before the first caller of :func:`one_thread`, which the last one restores."""

    def __init__(self) -> None:
        self._lock, self._inside = threading.Lock(), 0
        self._restore = contextlib.ExitStack()

    def enter(self) -> None:
        with self._lock:
            if self._inside == 0:
                self._remember()
            self._inside += 1
            cv2.setNumThreads(1)
            if "torch" in sys.modules:
                sys.modules["torch"].set_num_threads(1)  # holds for the calling thread, hence for each

    def leave(self) -> None:
        with self._lock:
            self._inside -= 1
            if self._inside == 0:
                self._restore.close()

    def _remember(self) -> None:
        before = os.environ.get("OMP_NUM_THREADS")
        self._restore.callback(_set_environment, "OMP_NUM_THREADS", before)
        os.environ["OMP_NUM_THREADS"] = "1"  # read when torch is imported
        torch_threads = sys.modules["torch"].get_num_threads() if "torch" in sys.modules else _default_threads(before)
        self._restore.callback(_set_torch_threads, torch_threads)
        self._restore.callback(cv2.setNumThreads, cv2.getNumThreads())
        self._restore.enter_context(threadpool_limits(1))


_single_threaded = _SingleThreaded()


def _set_environment(name: str, value: str | None) -> None:
    if value is None:
        os.environ.pop(name, None)
    else:
        os.environ[name] = value


def _set_torch_threads(count: int) -> None:
    if "torch" in sys.modules:
        sys.modules["torch"].set_num_threads(count)


def _default_threads(setting: str | None) -> int:
    """How many threads torch takes when it is imported: ``OMP_NUM_THREADS``, or one per processor of the process."""
    if setting and setting.isdigit():
        return int(setting)
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


@contextlib.contextmanager
def _client(workers: int, scheduler: str | None) -> Iterator[Any]:
    if scheduler is None:
        started = contextlib.nullcontext(_kept[-1].address(workers)) if _kept else cluster(workers)
        with started as address, _client(workers, address) as client:
            yield client
        return
    _quieten()
    from distributed import Client

    shared = _connected(scheduler)
    if shared is not None:
        yield shared
        return
    try:
        client = Client(scheduler, timeout=10)
    except (OSError, ValueError, TimeoutError) as error:
        raise InputError(f"{scheduler}: no dask scheduler answers there ({error})") from error
    with client:
        yield client


@contextlib.contextmanager
def cluster(workers: int) -> Iterator[str]:
    """Workers on this machine for several calls of :func:`run`, at once from threads too; the scheduler's address."""
    import dask

    _quieten()
    from distributed import Client, LocalCluster

    settings = {
        "distributed.nanny.pre-spawn-environ": WORKER_ENVIRONMENT,
        "distributed.worker.memory.terminate": False,
        "distributed.worker.profile.enabled": False,
        "distributed.scheduler.allowed-failures": 1,
        "distributed.admin.large-graph-warning-threshold": "1GB",
    }
    with (
        dask.config.set(settings),
        LocalCluster(
            n_workers=workers, threads_per_worker=1, processes=True, dashboard_address=":0", silence_logs=50
        ) as started,
        Client(started),  # all calls share it: clients that connect side by side can fail in distributed's handshake
    ):
        yield str(started.scheduler_address)


@contextlib.contextmanager
def connection(scheduler: str) -> Iterator[None]:
    """One client of a running scheduler for several calls of :func:`run`, at once from threads too.

    Raises:
        InputError: no scheduler answers there.
    """
    with _client(1, scheduler):
        yield


@contextlib.contextmanager
def kept_workers() -> Iterator[None]:
    """Inside, the first call of :func:`run` that needs workers starts them, and later ones find them warm.

    They have the environment of that moment.
    """
    _kept.append(_Kept())
    try:
        yield
    finally:
        _kept.pop().close()


class _Kept:
    """Workers that are started when they are first asked for, and anew when more are."""

    def __init__(self) -> None:
        self._open, self._lock = contextlib.ExitStack(), threading.Lock()
        self._address, self._workers = "", 0

    def address(self, workers: int) -> str:
        """Scheduler of at least so many workers."""
        with self._lock:
            if workers > self._workers:
                self.close()
                self._address, self._workers = self._open.enter_context(cluster(workers)), workers
            return self._address

    def close(self) -> None:
        """Stop the workers."""
        self._open.close()


_kept: list[_Kept] = []


def _connected(scheduler: str) -> Any:
    """The client of :func:`cluster` for this scheduler, or None."""
    from distributed import Client

    try:
        current = Client.current()
    except ValueError:
        return None
    return current if current.scheduler.address == scheduler else None


def _quieten() -> None:
    import dask

    dask.config.set({"logging.distributed": "critical"})  # read when distributed is imported


def _distributed(
    client: Any, function: Callable[[Task], Result], tasks: Sequence[Task], priority: int
) -> Iterator[tuple[int, Result | Exception]]:
    from distributed import KilledWorker, as_completed

    futures = {client.submit(function, task, pure=False, priority=priority): index for index, task in enumerate(tasks)}
    suspects: list[int] = []
    try:
        for future in as_completed(list(futures)):
            error = future.exception()
            if isinstance(error, KilledWorker):
                suspects.append(futures[future])
            elif error is not None:
                raise error
            else:
                yield futures[future], future.result()
            future.release()
    finally:
        client.cancel(list(futures))
    for index in sorted(suspects):  # alone: tasks that only waited beside the one that killed now succeed
        future = client.submit(function, tasks[index], pure=False)
        error = future.exception()
        if error is not None and not isinstance(error, KilledWorker):
            raise error
        yield index, error or future.result()
