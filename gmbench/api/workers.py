"""Worker processes: of scripts and notebooks, and those that all stages of a pipeline share."""

import contextlib
import itertools
import logging
import os
import signal
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence

from gmbench.errors import InputError
from gmbench.executor import SCHEDULER, given_scheduler, serve

_log = logging.getLogger(__name__)


@contextlib.contextmanager
def main_module_stays_here() -> Iterator[None]:
    """Worker processes that start inside do not import the script that started them.

    Python's ``spawn`` runs the caller's script in each new process, so that a script without ``if __name__ ==
    "__main__"`` starts itself again. All that gmbench's workers run is in its own modules, and they need no script.
    """
    main = sys.modules["__main__"]
    names = [name for name in ("__file__", "__spec__") if getattr(main, name, None) is not None]
    kept = {name: getattr(main, name) for name in names}
    main.__spec__ = None
    if "__file__" in kept:
        del main.__file__
    try:
        yield
    finally:
        for name, value in kept.items():
            setattr(main, name, value)


def run_with_workers(command: Sequence[str], workers: int) -> int:
    """Run a command whose stages find workers started; its exit code.

    Workers that ``GMBENCH_SCHEDULER`` names already are used instead of new ones, with a warning. The first Ctrl-C is
    left to the command, later ones end it; SIGTERM and SIGHUP are passed on.

    Args:
        command: a program and its arguments.
        workers: processes of one thread; 0 for a command that starts its own.

    Raises:
        InputError: no such program.
    """
    if workers and (address := given_scheduler()):
        _log.warning("%s=%s: its workers are used; %d of this machine are not started", SCHEDULER, address, workers)
        workers = 0
    if not workers:
        return _run(command, {})
    with serve(workers) as variables:
        return _run(command, variables)


def _run(command: Sequence[str], variables: Mapping[str, str]) -> int:
    processes: list[subprocess.Popen[bytes]] = []
    with _passed_on(processes):
        try:
            processes.append(subprocess.Popen(command, env={**os.environ, **variables}))
        except OSError as error:
            raise InputError(f"{command[0]}: cannot be run ({error.strerror})") from error
        status = processes[0].wait()
    return status if status >= 0 else 128 - status


@contextlib.contextmanager
def _passed_on(processes: Sequence["subprocess.Popen[bytes]"]) -> Iterator[None]:
    """Signals that end this process go to others instead; those that are ignored, as by nohup, still are.

    Ctrl-C, which a terminal sends to all, is passed on as SIGTERM from the second time on. Before there are
    others, other signals end this process.
    """
    interrupts = itertools.count()

    def pass_on(number: int, _: object) -> None:
        if number == signal.SIGINT and not next(interrupts):
            return
        if not processes:
            raise SystemExit(128 + number)
        for process in processes:
            process.send_signal(signal.SIGTERM if number == signal.SIGINT else number)

    numbers = [getattr(signal, name) for name in ("SIGINT", "SIGTERM", "SIGHUP") if hasattr(signal, name)]
    former = {number: signal.getsignal(number) for number in numbers}
    taken = [number for number, handler in former.items() if handler != signal.SIG_IGN]
    for number in taken:
        signal.signal(number, pass_on)
    try:
        yield
    finally:
        for number in taken:
            signal.signal(number, former[number])
