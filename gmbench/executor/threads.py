"""One thread per process for everything that computes, so that sums are the same everywhere."""

import contextlib
import os
import sys
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import cv2
from threadpoolctl import threadpool_limits


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


@contextlib.contextmanager
def pool(count: int) -> Iterator[ThreadPoolExecutor]:
    """Threads for calls that wait for workers; the end waits for all of them, but for Ctrl-C, which leaves them.

    Results are to be asked for inside, where Ctrl-C comes. What the threads wait for ends with its workers.
    """
    threads, waits = ThreadPoolExecutor(count), True
    try:
        yield threads
    except KeyboardInterrupt:
        waits = False
        raise
    finally:
        threads.shutdown(waits, cancel_futures=not waits)


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
