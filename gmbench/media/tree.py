"""Walks through a tree of media files: what there is of videos, sounds and pictures, and what is not read.

Linked folders are followed, but none that leads back to a folder that it lies in.
"""

import os
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from gmbench.media.formats import AUDIO_SUFFIXES, IMAGE_SUFFIXES, UNREAD_SUFFIXES, VIDEO_SUFFIXES
from gmbench.media.frame_folder import natural_key, suffix_of
from gmbench.names import printable

MEDIA_SUFFIXES = VIDEO_SUFFIXES | AUDIO_SUFFIXES | IMAGE_SUFFIXES
MOST_LINKS = 4
"""Links to folders inside each other that are followed: folders full of links to each other would never end."""

NO_TEXT = "a name with bytes that are no UTF-8; rename it"
_UNFINISHED = frozenset({".part", ".partial", ".filepart", ".crdownload", ".download", ".tmp"})


@dataclass(frozen=True)
class Unread:
    """A file or folder that looks like media and is not read, and why."""

    path: Path
    reason: str


@dataclass
class MediaFolder:
    """One folder of a tree; names of files in natural order, hidden ones left out.

    Attributes:
        path: the folder. relative: below the root, ``/``-separated, empty for the root itself.
        videos, sounds, pictures: names of files by kind; ``others`` is the rest.
        unread: what looks like media and is not read.
    """

    path: Path
    relative: str
    videos: list[str] = field(default_factory=list)
    sounds: list[str] = field(default_factory=list)
    pictures: list[str] = field(default_factory=list)
    others: list[str] = field(default_factory=list)
    unread: list[Unread] = field(default_factory=list)

    def below_root(self, name: str) -> str:
        """Path of a file below the root."""
        return f"{self.relative}/{name}" if self.relative else name


def walk(root: Path) -> Iterator[MediaFolder]:
    """The root and all folders below it that are not hidden, in natural order."""
    yield from _walk(root, "", (), 0)


def _walk(path: Path, relative: str, above: tuple[tuple[int, int], ...], links: int) -> Iterator[MediaFolder]:
    folder = MediaFolder(path, relative)
    try:
        entries = sorted((e for e in os.scandir(path) if not e.name.startswith(".")), key=lambda e: natural_key(e.name))
        here = path.stat()
    except OSError as error:
        folder.unread.append(Unread(path, f"a folder that cannot be opened ({error.strerror})"))
        yield folder
        return
    above = (*above, (here.st_dev, here.st_ino))
    below: list[tuple[Path, str, int]] = []
    for entry in entries:
        if not os.path.isdir(entry.path if entry.is_symlink() else entry):
            _sort_in(folder, entry)
        elif reason := _not_followed(entry, above, links):
            folder.unread.append(Unread(path / entry.name, reason))
        else:
            below.append((path / entry.name, folder.below_root(entry.name), links + entry.is_symlink()))
    yield folder
    for child, name, count in below:
        yield from _walk(child, name, above, count)


def _not_followed(entry: os.DirEntry[str], above: tuple[tuple[int, int], ...], links: int) -> str:
    """Why a folder is not entered; empty where it is."""
    if printable(entry.name) != entry.name:
        return NO_TEXT
    target = entry.stat()
    if (target.st_dev, target.st_ino) in above:
        return "a link to a folder that it lies in"
    return f"a link inside of {links} linked folders" if entry.is_symlink() and links >= MOST_LINKS else ""


def _sort_in(folder: MediaFolder, entry: os.DirEntry[str]) -> None:
    """Put a file where it belongs. A link that leads nowhere counts as the file: opening it gives the reason."""
    suffix = suffix_of(entry.name)
    reason = _why_unread(entry, suffix)
    if reason:
        folder.unread.append(Unread(folder.path / entry.name, reason))
    elif suffix in VIDEO_SUFFIXES:
        folder.videos.append(entry.name)
    elif suffix in AUDIO_SUFFIXES:
        folder.sounds.append(entry.name)
    elif suffix in IMAGE_SUFFIXES:
        folder.pictures.append(entry.name)
    else:
        folder.others.append(entry.name)


def _why_unread(entry: os.DirEntry[str], suffix: str) -> str:
    """Why something that looks like media is not read; empty where it is read, or is no media."""
    if suffix in MEDIA_SUFFIXES and printable(entry.name) != entry.name:
        return NO_TEXT
    if suffix in MEDIA_SUFFIXES:
        regular = entry.is_file() or (entry.is_symlink() and not os.path.exists(entry.path))
        return "" if regular else "neither a file nor a folder"
    if suffix in UNREAD_SUFFIXES:
        return f"{suffix} files are not read; convert them to MP4, WAV or PNG"
    inner = suffix_of(entry.name.rpartition(".")[0])
    if suffix in _UNFINISHED and inner in MEDIA_SUFFIXES:
        return "an unfinished download or copy"
    if entry.is_symlink() and not os.path.exists(entry.path) and not suffix:
        return "a link that leads nowhere"
    return ""
