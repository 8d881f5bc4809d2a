"""What a worker that someone else started does with a task: it first looks whether it has what the task needs."""

import functools
import hashlib
import os
import socket
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from gmbench.errors import ClusterError
from gmbench.version import version

ROOT = Path(__file__).parents[1]
"""Folder of the package."""


@dataclass(frozen=True)
class Refused:
    """Comes from a worker in place of a result: who it is and what it lacks."""

    worker: str
    reason: str


class Remote:
    """A function as it runs on a worker that someone else started: only where gmbench's code is the same.

    Args:
        function: of one task; a :class:`~gmbench.errors.ClusterError` says what the worker lacks for it.
    """

    def __init__(self, function: Callable[[Any], Any]) -> None:
        self.function, self.code = function, code_digest()

    def __call__(self, task: Any) -> Any:
        """The function's result, or :class:`Refused`."""
        if self.code != code_digest():
            return Refused(here(), other_code())
        try:
            return self.function(task)
        except ClusterError as error:
            return Refused(here(), str(error))


def here() -> str:
    """This worker: address, machine and folder."""
    from distributed import get_worker

    return f"{get_worker().address} on {socket.gethostname()}, in {Path.cwd()},"


def other_code() -> str:
    """Why a worker is refused whose gmbench differs."""
    return f"has gmbench {version()} with other code ({ROOT})"


@functools.cache
def code_digest() -> str:
    """sha256 over gmbench's own files: numbers of different code must not mix."""
    paths = [
        Path(folder, name)
        for folder, _, names in os.walk(ROOT, followlinks=True)
        for name in names
        if name.endswith((".py", ".yaml", ".csv"))
    ]
    joined = hashlib.sha256()
    for path in sorted(paths):
        joined.update(f"{path.relative_to(ROOT)}\0".encode() + path.read_bytes() + b"\0")
    return joined.hexdigest()
