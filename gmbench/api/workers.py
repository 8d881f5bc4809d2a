"""Worker processes: of scripts and notebooks, and those that all stages of a pipeline share."""

import contextlib
import os
import subprocess
import sys
from collections.abc import Iterator, Sequence

from gmbench.errors import InputError
from gmbench.executor import SCHEDULER, served


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

    Workers that ``GMBENCH_SCHEDULER`` names already are used instead of new ones. Ctrl-C is left to the command.

    Args:
        command: a program and its arguments.
        workers: processes of one thread.

    Raises:
        InputError: no command, or no such program.
    """
    if not command:
        raise InputError("no command; for example: gmbench workers -- dvc repro")
    if os.environ.get(SCHEDULER):
        return _run(command, {})
    with served(workers) as variables:
        return _run(command, variables)


def _run(command: Sequence[str], variables: dict[str, str]) -> int:
    try:
        process = subprocess.Popen(command, env=os.environ | variables)
    except OSError as error:
        raise InputError(f"{command[0]}: cannot be run ({error.strerror})") from error
    while True:
        try:
            status = process.wait()
        except KeyboardInterrupt:
            continue  # it has got the same signal
        return status if status >= 0 else 128 - status
