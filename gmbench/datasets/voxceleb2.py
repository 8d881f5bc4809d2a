"""VoxCeleb2: ``mp4/id<5 digits>/<video>/<5 digits>.mp4``, its sound in ``aac``; perhaps below ``dev`` and ``test``."""

import re
from collections.abc import Iterator
from pathlib import Path

from gmbench.datasets.files import SoundFinder, distinct, unread
from gmbench.datasets.manifest import TEST, TRAIN, ClipRow, Found, Problem, clip_id
from gmbench.media import MediaFolder, has_audio, walk

_SPEAKER = re.compile(r"^id\d{5}$")
_NUMBER = re.compile(r"^\d{5}$")


def read_voxceleb2(root: Path, name: str) -> Found:
    """All clips; those below ``test`` are test clips.

    Without any folder ``aac`` the sounds are taken to be in the videos, of which the dataset has a million: whether
    they are is found out where a clip is opened.
    """
    found, sounds = Found([], []), SoundFinder(root)
    with_sounds = [base for base in _bases(root) if (base / "aac").is_dir()]
    for base, part in _parts(root):
        bases = [base, *(other for other in with_sounds if other != base)]  # vox2_test_mp4/mp4, vox2_test_aac/aac
        folders = [(other.relative_to(root) / "aac" / part.relative).as_posix() for other in bases]
        split = TEST if base != root and "test" in base.name.split("_") else TRAIN
        found.problems.extend(unread(root, part))
        for file in part.videos:
            _add(found, root, name, part, file, split, folders if with_sounds else [], sounds)
    return distinct(found)


def has_voxceleb2(root: Path) -> bool:
    """Whether a folder has the layout."""
    return any(part.videos and part.relative.startswith("id") for _, part in _parts(root))


def _parts(root: Path) -> Iterator[tuple[Path, MediaFolder]]:
    """Folders of videos, with the folder that ``mp4`` lies in."""
    for base in _bases(root):
        if (base / "mp4").is_dir():
            for part in walk(base / "mp4"):
                yield base, part


def _bases(root: Path) -> list[Path]:
    """Folders in which ``mp4`` and ``aac`` may lie: the root, and those in it."""
    return [root, *sorted(path for path in root.iterdir() if path.is_dir() and not path.name.startswith("."))]


def _add(
    found: Found,
    root: Path,
    name: str,
    part: MediaFolder,
    file: str,
    split: str,
    sound_folders: list[str],
    sounds: SoundFinder,
) -> None:
    """A row, or the problem, of one video; its sound lies in one of the folders, or in the video itself."""
    relative = (part.path / file).relative_to(root).as_posix()
    stem = Path(file).stem
    speaker, _, video = part.relative.partition("/")
    if not _SPEAKER.match(speaker) or not video or "/" in video or not _NUMBER.match(stem):
        found.problems.append(Problem(relative, "name", "expected mp4/id<5 digits>/<video>/<5 digits>.mp4"))
        return
    audio = sounds.find(*(f"{folder}/{stem}" for folder in sound_folders))
    if not audio and sound_folders and not has_audio(root / relative):
        found.problems.append(Problem(f"{sound_folders[0]}/{stem}.m4a", "missing", f"no sound for {relative}"))
        return
    sentence = f"{video}-{stem}"
    identifier = clip_id(name, speaker, "", 0, sentence)
    found.rows.append(ClipRow(identifier, name, speaker, "", 0, sentence, relative, audio, split=split))
