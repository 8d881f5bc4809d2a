"""What a worker that someone else started does with a task: it first looks whether it has what the task needs."""

import contextlib
import functools
import hashlib
import os
import socket
import sys
import uuid
from collections.abc import Callable, Iterator, Mapping
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


_PREFIX = "GMBENCH_"
_caller = uuid.uuid4().hex
"""This process, as those know it that it sends work to."""
_callers: set[str] = set()
"""Processes that this one has worked for."""


class Remote:
    """A function as it runs on a worker that someone else started: only where gmbench's code is the same.

    For a process that it has not worked for, a worker begins as if it were new: files under the same path may be
    others than those that it knows.

    Args:
        function: of one task; a :class:`~gmbench.errors.ClusterError` says what the worker lacks for it.
        near: whether the worker is of this machine and folder, so that this process' variables hold there.
    """

    def __init__(self, function: Callable[[Any], Any], near: bool = False) -> None:
        self.function, self.code, self.caller = function, code_digest(), _caller
        self.variables = _own_variables() if near else None

    def __call__(self, task: Any) -> Any:
        """The function's result, or :class:`Refused`."""
        if self.code != code_digest():
            return Refused(here(), other_code())
        if self.caller not in _callers:
            forget()
            _callers.add(self.caller)
        try:
            with _variables(self.variables):
                return self.function(task)
        except ClusterError as error:
            return Refused(here(), str(error))


def forget() -> None:
    """Empty the caches of gmbench's functions, loaded networks too, and undo what trainings set in torch."""
    for name, module in list(sys.modules.items()):
        if name.startswith("gmbench.") and not name.startswith("gmbench.executor."):
            for value in list(vars(module).values()):
                if callable(clear := getattr(value, "cache_clear", None)):
                    clear()
    if (torch := sys.modules.get("torch")) is not None:
        torch.use_deterministic_algorithms(False)


def _own_variables() -> dict[str, str]:
    return {name: value for name, value in os.environ.items() if name.startswith(_PREFIX)}


@contextlib.contextmanager
def _variables(given: Mapping[str, str] | None) -> Iterator[None]:
    """Inside, gmbench's environment variables are the given ones alone; unchanged where none are."""
    if given is None:
        yield
        return
    before = _own_variables()
    _replace(given)
    try:
        yield
    finally:
        _replace(before)


def _replace(given: Mapping[str, str]) -> None:
    for name in _own_variables().keys() - given.keys():
        del os.environ[name]
    os.environ.update(given)


def here() -> str:
    """This worker: address, machine and folder."""
    from distributed import get_worker

    return f"{get_worker().address} on {socket.gethostname()}, in {Path.cwd()},"


def other_code() -> str:
    """Why a worker is refused whose gmbench differs."""
    return f"has gmbench {version()} with other code ({ROOT}), or was started before that changed"


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
