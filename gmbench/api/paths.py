"""Paths as users give them."""

import os
from pathlib import Path

PathLike = str | os.PathLike[str]
"""A path as text or as an object of :mod:`pathlib`; ``~`` is the home folder."""


def as_path(path: PathLike) -> Path:
    """The path as an object, with ``~`` as the home folder."""
    return Path(path).expanduser()


def path_or_none(path: PathLike | None) -> Path | None:
    """The same where there is one."""
    return None if path is None else as_path(path)
