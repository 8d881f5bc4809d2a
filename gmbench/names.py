"""Names of clips, and help with names that are not known."""

import difflib
import re
from collections.abc import Iterable

from gmbench.errors import InputError

_FORBIDDEN = re.compile(r"[\x00-\x1f]")


def closest(name: str, choices: Iterable[str]) -> str:
    """``did you mean ...?``, or the list of the choices."""
    names = sorted(choices)
    near = difflib.get_close_matches(name, names, n=3, cutoff=0.6)
    if near:
        return f"did you mean {' or '.join(near)}?"
    listed = ", ".join(names[:12]) + (", ..." if len(names) > 12 else "")
    return f"known: {listed or 'none'}"


def check_clip_name(name: str, source: str) -> str:
    """A clip name unchanged, if it stays inside the folder it names a file in.

    Raises:
        InputError: empty, absolute, with ``..`` or control characters.
    """
    parts = name.replace("\\", "/").split("/")
    if not name or name.startswith(("/", "\\")) or ".." in parts or "" in parts or _FORBIDDEN.search(name):
        raise InputError(f"{source}: clip name {name!r} leaves its folder or is not a name; rename the clip")
    return name


def flat(clip: str) -> str:
    """The form of a clip name that fits into one folder: ``/`` becomes ``_``."""
    return clip.replace("/", "_")
