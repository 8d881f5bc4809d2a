"""Worker processes: of scripts and notebooks, and those that all stages of a pipeline share."""

import contextlib
import os
import signal
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence

from gmbench.errors import InputError
from gmbench.executor import SCHEDULER, serve


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

    Workers that ``GMBENCH_SCHEDULER`` names already are used instead of new ones. The first Ctrl-C is left to the
    command, later ones end it; SIGTERM and SIGHUP are passed on.

    Args:
        command: a program and its arguments.
        workers: processes of one thread; 0 for a command that starts its own.

    Raises:
        InputError: no such program.
    """
    if os.environ.get(SCHEDULER) or not workers:
        return _run(command, {})
    with serve(workers) as variables:
        return _run(command, variables)


def _run(command: Sequence[str], variables: Mapping[str, str]) -> int:
    try:
        process = subprocess.Popen(command, env={**os.environ, **variables})
    except OSError as error:
        raise InputError(f"{command[0]}: cannot be run ({error.strerror})") from error
    interrupted = False
    with _passed_on(process):
        while True:
            try:
                status = process.wait()
            except KeyboardInterrupt:  # the command has got it too, where it came from a terminal
                if interrupted:
                    process.terminate()
                interrupted = True
                continue
            return status if status >= 0 else 128 - status


@contextlib.contextmanager
def _passed_on(process: "subprocess.Popen[bytes]") -> Iterator[None]:
    """Signals that end this process go to another one instead."""
    names = [name for name in ("SIGTERM", "SIGHUP") if hasattr(signal, name)]
    former = {name: signal.signal(getattr(signal, name), lambda n, _: process.send_signal(n)) for name in names}
    try:
        yield
    finally:
        for name, handler in former.items():
            signal.signal(getattr(signal, name), handler)
