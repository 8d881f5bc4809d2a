"""Where work goes: to processes that gmbench starts, or to a dask scheduler that runs already.

Processes of gmbench's own listen on the loopback alone and talk in TLS with credentials that live as long as they do:
whoever can send work to a dask scheduler runs code as its user.
"""

import contextlib
import itertools
import logging
import os
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from gmbench.errors import ClusterError
from gmbench.executor.remote import code_digest

_log = logging.getLogger(__name__)

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
_SETTINGS = {
    "distributed.worker.preload": ["gmbench.executor.interrupts"],
    "distributed.nanny.pre-spawn-environ": WORKER_ENVIRONMENT,
    "distributed.worker.memory.terminate": False,
    "distributed.worker.memory.pause": False,  # what networks keep is not given back: it would wait for ever
    "distributed.worker.profile.enabled": False,
    "distributed.scheduler.allowed-failures": 1,
    "distributed.admin.large-graph-warning-threshold": "1GB",
    "distributed.scheduler.http.routes": [],  # no pages: they show files and errors to everybody on the machine
    "distributed.worker.http.routes": [],
}
SCHEDULER, FOLDER = "GMBENCH_SCHEDULER", "GMBENCH_SCHEDULER_FOLDER"
"""Environment variables: the address of the scheduler that a pipeline's stages use, and where its workers were started
if it is one of :func:`serve`."""
_SAY_AGAIN = 60.0
_LOOK_AGAIN = 5.0
"""Seconds after which it is looked whether there are more workers."""


class _Turns:
    """One task a place at a time, the one of the highest priority first."""

    def __init__(self) -> None:
        self._changed, self._order = threading.Condition(), itertools.count()
        self._waiting: list[tuple[float, int]] = []
        self._running = 0

    @contextlib.contextmanager
    def take(self, priority: float, places: Callable[[], int]) -> Iterator[None]:
        """Wait until a place is free and nobody waits who is of a higher priority, or of the same and came before."""
        with self._changed:
            own = (-priority, next(self._order))
            self._waiting.append(own)
            try:
                while min(self._waiting) != own or self._running >= places():
                    self._changed.wait(_LOOK_AGAIN)
                self._running += 1
            finally:
                self._waiting.remove(own)
                self._changed.notify_all()
        try:
            yield
        finally:
            with self._changed:
                self._running -= 1
                self._changed.notify_all()


@dataclass(frozen=True)
class Workers:
    """An open connection to workers.

    Attributes:
        client: of dask.
        outside: someone else started them, so that they may lack what this process has.
        near: of these, those that :func:`serve` started in this folder.
        timeout: seconds to wait while there are none; None waits for ever.
        turns: of tasks on gmbench's own workers.
    """

    client: Any
    outside: bool = False
    timeout: float | None = None
    near: bool = False
    turns: _Turns = field(default_factory=_Turns)

    @property
    def address(self) -> str:
        """Of the scheduler."""
        return str(self.client.scheduler.address)

    def turn(self, priority: float) -> contextlib.AbstractContextManager[None]:
        """Wait with a task until one of gmbench's own workers is free for it.

        dask gives a task to a worker at once, where it waits behind that worker's other one although another worker
        is free before. A cluster of others may grow by what waits there, so that nothing is held back from it.
        """
        if self.outside and not self.near:
            return contextlib.nullcontext()
        return self.turns.take(priority, lambda: _count(self))


_open: dict[str, Workers] = {}
"""Connections by scheduler, which all calls share: clients that connect side by side can fail in dask's handshake."""


@contextlib.contextmanager
def open_workers(workers: int, scheduler: str | None, timeout: float | None = None) -> Iterator[Workers]:
    """Workers of a running scheduler, or so many of our own; those that are open already are shared."""
    if scheduler is None:
        started = contextlib.nullcontext(_kept[-1].address(workers)) if _kept else cluster(workers)
        with started as address:
            yield _open[address]
    elif scheduler in _open:
        yield _open[scheduler]
    elif _kept:
        yield _kept[-1].connect(scheduler, timeout)
    else:
        with _connected(scheduler, timeout) as opened:
            yield opened


@contextlib.contextmanager
def cluster(workers: int) -> Iterator[str]:
    """Workers on this machine for several calls of :func:`run`, at once from threads too; the scheduler's address."""
    import dask

    _quieten()
    from distributed import Client, LocalCluster, Security

    with (
        dask.config.set(_SETTINGS),
        tempfile.TemporaryDirectory(prefix="gmbench-", ignore_cleanup_errors=True) as folder,  # closed to other users
        LocalCluster(
            n_workers=workers,
            threads_per_worker=1,
            processes=True,
            host="127.0.0.1",
            security=Security.temporary(),
            dashboard_address="127.0.0.1:0",
            scheduler_kwargs={"dashboard": False},
            local_directory=folder,
            silence_logs=50,
        ) as started,
        Client(started) as client,
    ):
        address = str(started.scheduler_address)
        _open[address] = Workers(client)
        try:
            yield address
        finally:
            _open.pop(address, None)


@contextlib.contextmanager
def connection(scheduler: str | None, timeout: float | None = None) -> Iterator[None]:
    """One connection to a running scheduler for several calls of :func:`run`, at once from threads too.

    TLS files for an address ``tls://...`` are those of dask's configuration; a client that is open is used.

    Args:
        scheduler: its address; nothing happens without.
        timeout: seconds to wait while it has no workers; None waits for ever.

    Raises:
        ClusterError: no scheduler answers there, it has no workers for too long, or one has another Python or gmbench.
    """
    with contextlib.nullcontext() if scheduler is None else open_workers(1, scheduler, timeout):
        yield


@contextlib.contextmanager
def serve(workers: int) -> Iterator[dict[str, str]]:
    """Workers on this machine for other processes of this user: the environment variables by which those find them.

    The credentials lie in a folder closed to other users while the workers live.
    """
    with tempfile.TemporaryDirectory(prefix="gmbench-") as folder, cluster(workers) as address:
        security = _open[address].client.security
        files = {
            "CA_FILE": security.tls_ca_file, "CLIENT__CERT": security.tls_client_cert,
            "CLIENT__KEY": security.tls_client_key,
        }  # fmt: skip
        for name, content in files.items():
            (Path(folder) / name).write_text(content, "ascii")
        tls = {f"DASK_DISTRIBUTED__COMM__TLS__{name}": str(Path(folder) / name) for name in files}
        yield {SCHEDULER: address, FOLDER: str(Path.cwd())} | tls


def given_scheduler() -> str | None:
    """Address that the environment names, if any; None in another folder than the one where :func:`serve` began.

    The pipeline's paths are relative: workers of another folder would read other files.
    """
    folder = os.environ.get(FOLDER)
    return os.environ.get(SCHEDULER) if folder is None or Path(folder) == Path.cwd() else None


@contextlib.contextmanager
def _connected(scheduler: str, timeout: float | None) -> Iterator[Workers]:
    """Workers of a running scheduler, which all calls share while it is open."""
    with _connect(scheduler) as client:
        near = FOLDER in os.environ and scheduler == given_scheduler()
        opened = Workers(client, True, timeout, near)
        wait_for_workers(opened)
        _refuse_others(opened)
        _open[scheduler] = opened
        try:
            yield opened
        finally:
            _open.pop(scheduler, None)


def wait_for_workers(workers: Workers) -> None:
    """Return once there is a worker; says every minute that there is none.

    Raises:
        ClusterError: there is none for longer than the connection's timeout, or the scheduler is gone.
    """
    began, said = time.monotonic(), -_SAY_AGAIN
    while not _count(workers):
        waited = time.monotonic() - began
        if workers.timeout is not None and waited >= workers.timeout:
            raise ClusterError(
                f"{workers.address}: no workers after {waited:.0f} s; start some with 'dask worker {workers.address}', "
                "or wait longer with --timeout"
            )
        if waited - said >= _SAY_AGAIN:
            _log.warning("%s has no workers; waiting for one (%.0f s so far)", workers.address, waited)
            said = waited
        time.sleep(0.2)


def _count(workers: Workers) -> int:
    try:
        return len(workers.client.sync(workers.client.scheduler.ncores))
    except (OSError, AttributeError) as error:
        raise ClusterError(f"{workers.address}: the scheduler is gone; run again to go on") from error


@contextlib.contextmanager
def _connect(scheduler: str) -> Iterator[Any]:
    _quieten()
    from distributed import Client

    if (current := _current_client(scheduler)) is not None:
        yield current
        return
    try:
        client = Client(scheduler, timeout=10)
    except TypeError as error:
        raise ClusterError(f"{scheduler}: {_TLS_FILES} ({error})") from error
    except (OSError, ValueError, TimeoutError, RuntimeError) as error:
        raise ClusterError(f"{scheduler}: no dask scheduler answers there ({error})") from error
    with client:
        yield client


def _current_client(scheduler: str) -> Any:
    """The client of this scheduler that the caller has opened, or None."""
    from distributed import Client

    try:
        current = Client.current()
    except ValueError:
        return None
    return current if current.scheduler is not None and current.scheduler.address == scheduler else None


_TLS_FILES = (
    "TLS needs the cluster's files; name them in dask's configuration (distributed.comm.tls.ca-file, .client.cert and "
    ".client.key, or DASK_DISTRIBUTED__COMM__TLS__CA_FILE and so on)"
)


def _refuse_others(workers: Workers) -> None:
    """Refuse workers of another Python or another gmbench.

    Raises:
        ClusterError: which they are, and what they have.
    """
    wanted = "{}.{}".format(*sys.version_info)
    versions = workers.client.get_versions()["workers"]
    pythons = {worker: facts["host"]["python"] for worker, facts in versions.items()}
    problems = {
        w: f"has Python {found}, this is {wanted}" for w, found in pythons.items() if not found.startswith(f"{wanted}.")
    }
    if not problems:  # of another Python it could not be asked
        answers = workers.client.run(_examination(), code_digest(), on_error="ignore")
        problems = {worker: problem for worker, problem in answers.items() if problem}
    if problems:
        worker, problem = next(iter(problems.items()))
        more = f" ({len(problems)} of {len(versions)} workers are like that)" if len(versions) > 1 else ""
        raise ClusterError(f"worker {worker} {problem}{more}; start it from an environment like this one")


def _examination() -> Callable[[str], str]:
    """A function that runs on a worker without gmbench too: dask sends a function in a function as code."""

    def examine(code: str) -> str:
        import os
        import socket

        at = f"on {socket.gethostname()}, in {os.getcwd()},"
        try:
            from gmbench.executor import remote
        except ImportError as error:
            return f"{at} cannot import gmbench ({error})"
        return "" if remote.code_digest() == code else f"{at} {remote.other_code()}"

    return examine


@contextlib.contextmanager
def kept_workers() -> Iterator[None]:
    """Inside, the first call of :func:`run` that needs workers starts them, and later ones find them warm.

    They have the environment of that moment. A connection to a running scheduler stays open likewise.
    """
    _kept.append(_Kept())
    try:
        yield
    finally:
        _kept.pop().close()


class _Kept:
    """Workers that are started when they are first asked for, and anew when more are."""

    def __init__(self) -> None:
        self._open, self._connections, self._lock = contextlib.ExitStack(), contextlib.ExitStack(), threading.Lock()
        self._address, self._workers = "", 0

    def address(self, workers: int) -> str:
        """Scheduler of at least so many workers."""
        with self._lock:
            if workers > self._workers:
                self._open.close()
                self._address, self._workers = self._open.enter_context(cluster(workers)), workers
            return self._address

    def connect(self, scheduler: str, timeout: float | None) -> Workers:
        """Workers of a running scheduler."""
        with self._lock:
            if scheduler not in _open:
                self._connections.enter_context(_connected(scheduler, timeout))
            return _open[scheduler]

    def close(self) -> None:
        """Stop the workers, and leave those of others."""
        self._connections.close()
        self._open.close()


_kept: list[_Kept] = []


def _quieten() -> None:
    import dask

    dask.config.set({"logging.distributed": "critical"})  # read when distributed is imported
