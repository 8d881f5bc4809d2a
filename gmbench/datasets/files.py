"""What the readers of all layouts share: sounds of a name, files that are not read, clips that are there twice."""

import functools
from collections import defaultdict
from collections.abc import Iterable
from pathlib import Path

from gmbench.datasets.manifest import ClipRow, Found, Problem
from gmbench.media import AUDIO_SUFFIXES, MediaFolder, has_audio, natural_key, suffix_of
from gmbench.names import counted, printable, some

_FIRST = (".m4a", ".wav", ".flac")
"""Of several sounds of one name the first of these is taken."""


class SoundFinder:
    """Sounds below a root by their path without suffix, whatever the suffix and its case; lists each folder once."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self._listing = functools.cache(self._list)

    def find(self, *stems: str) -> str:
        """Path below the root of the first sound there is; empty where there is none."""
        for stem in stems:
            folder, _, name = stem.rpartition("/")
            if sounds := self._listing(folder).get(name):
                return f"{folder}/{sounds[0]}" if folder else sounds[0]
        return ""

    def beside(self, video: str) -> str:
        """The sound of a video that has none of its own, which would go first as in ``gmbench eval``; else empty."""
        return "" if has_audio(self.root / video) else self.find(video.rpartition(".")[0])

    def unused(self, folder: str, used: Iterable[str]) -> list[str]:
        """Names without suffix of the sounds in a folder that are not among the used paths."""
        taken = set(used)
        return [
            stem
            for stem, names in sorted(self._listing(folder).items())
            if not any(f"{folder}/{name}" in taken for name in names)
        ]

    def _list(self, folder: str) -> dict[str, list[str]]:
        sounds: dict[str, list[str]] = defaultdict(list)
        path = self.root / folder
        for name in sorted(entry.name for entry in path.iterdir()) if path.is_dir() else ():
            if suffix_of(name) in AUDIO_SUFFIXES and not name.startswith("."):
                sounds[name.rpartition(".")[0]].append(name)
        return {stem: sorted(names, key=_rank) for stem, names in sounds.items()}


def _rank(name: str) -> tuple[int, str]:
    suffix = suffix_of(name)
    return (_FIRST.index(suffix) if suffix in _FIRST else len(_FIRST)), name


def unread(root: Path, part: MediaFolder) -> list[Problem]:
    """Problems of the files in a folder that look like media and are not read."""
    return [Problem(printable(item.path.relative_to(root).as_posix()), "unread", item.reason) for item in part.unread]


def without_video(folder: str, sounds: list[str]) -> list[Problem]:
    """One problem for all sounds of a folder that have no video."""
    if not sounds:
        return []
    return [Problem(folder, "missing", f"{counted(len(sounds), 'sound')} without a video ({some(sounds)})")]


def distinct(found: Found) -> Found:
    """Each clip once: a second file of the same speaker, emotion, level and sentence is a problem."""
    rows: dict[str, ClipRow] = {}
    problems = list(found.problems)
    for row in found.rows:
        first = rows.setdefault(row.clip_id, row)
        if first is not row:
            problems.append(Problem(row.video_path, "duplicate", f"the same clip as {first.video_path}; keep one"))
    return Found(list(rows.values()), problems)


def in_order(paths: Iterable[str]) -> list[str]:
    """Paths as people count."""
    return sorted(paths, key=natural_key)
