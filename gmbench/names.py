"""Names of clips, and help with names that are not known."""

import difflib
import re
import unicodedata
from collections import defaultdict
from collections.abc import Collection, Iterable

from gmbench.errors import InputError

_FORBIDDEN = re.compile(r"[\x00-\x1f]")
_UNSEEN = frozenset("\u00ad\u200b\u200e\u200f\u2060\ufeff")
"""Marks of no width, but for the two that join letters and emoji."""


def closest(name: str, choices: Iterable[str]) -> str:
    """``did you mean ...?`` with the nearest names, or all of them where they are few."""
    names = sorted(set(choices))
    by_case = {each.casefold(): each for each in reversed(names)}
    for most, likeness in ((3, 0.6), (3, 0.4 if len(names) > 12 else 1.0)):
        near = difflib.get_close_matches(name.casefold(), by_case, n=most, cutoff=likeness)
        if near:
            return f"did you mean {' or '.join(by_case[each] for each in near)}?"
    return f"known: {', '.join(names) or 'none'}" if len(names) <= 12 else f"it is like none of the {len(names)} known"


def some(names: Collection[str], most: int = 3) -> str:
    """The first names of a longer list: ``a, b, c and 7 more``."""
    shown = [name if plain(name) == composed(name) else repr(name) for name in list(names)[:most]]
    rest = len(names) - len(shown)
    return printable(", ".join(shown)) + (f" and {rest} more" if rest else "")


def printable(name: str) -> str:
    """A file name that can be printed and saved: bytes that are no UTF-8 as ``\\udce9``."""
    return name.encode("utf-8", "backslashreplace").decode()


def counted(count: int, one: str, several: str = "") -> str:
    """A number with its noun: ``1 clip``, ``2 clips``."""
    return f"{count} {one if count == 1 else several or one + 's'}"


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


def composed(name: str) -> str:
    """A name in Unicode's composed form: macOS writes ``ü`` as two characters, others as one."""
    return unicodedata.normalize("NFC", name)


def plain(name: str) -> str:
    """The composed form without what nobody sees: blanks around a part, marks of no width, blanks of other kinds."""
    seen = "".join(" " if letter.isspace() else letter for letter in composed(name) if letter not in _UNSEEN)
    return "/".join(part.strip() for part in seen.split("/"))


class NameIndex:
    """Finds clips by name, exactly or by the flat form, whatever the Unicode form; unseen blanks are forgiven.

    Args:
        names: of the clips.
        source: the folder or table that they come from, for messages.
    """

    def __init__(self, names: Iterable[str], source: str) -> None:
        self.source = source
        self._exact: dict[str, str] = {}
        self._flat: dict[str, list[str]] = defaultdict(list)
        for name in names:
            self._exact[composed(name)] = name
            self._flat[flat(plain(name))].append(name)

    def exact(self, name: str) -> str | None:
        """The same name, in whatever Unicode form; None where there is none."""
        return self._exact.get(composed(name))

    def find(self, name: str) -> str | None:
        """The name as the index has it; None where it has none.

        Raises:
            InputError: two names have this flat form, and neither is the same as ``name``.
        """
        exact = self.exact(name)
        if exact is not None:
            return exact
        found = self._flat.get(flat(plain(name)), [])
        if len(found) > 1:
            raise InputError(
                f"{self.source}: {found[0]!r} and {found[1]!r} both could be clip {name!r}; "
                "rename one of them, or list the files with --pairs"
            )
        return found[0] if found else None
