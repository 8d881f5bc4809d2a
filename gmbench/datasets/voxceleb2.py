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
    """All clips; those below ``test`` are test clips."""
    found, sounds = Found([], []), SoundFinder(root)
    for base, part in _parts(root):
        found.problems.extend(unread(root, part))
        for file in part.videos:
            _add(found, root, name, base, part, file, sounds)
    return distinct(found)


def has_voxceleb2(root: Path) -> bool:
    """Whether a folder has the layout."""
    return any(part.videos and part.relative.startswith("id") for _, part in _parts(root))


def _parts(root: Path) -> Iterator[tuple[Path, MediaFolder]]:
    """Folders of videos, with the folder that ``mp4`` lies in."""
    for base in (root, *sorted(path for path in root.iterdir() if path.is_dir() and not path.name.startswith("."))):
        if (base / "mp4").is_dir():
            for part in walk(base / "mp4"):
                yield base, part


def _add(found: Found, root: Path, name: str, base: Path, part: MediaFolder, file: str, sounds: SoundFinder) -> None:
    """A row, or the problem, of one video."""
    relative = (part.path / file).relative_to(root).as_posix()
    stem = Path(file).stem
    speaker, _, video = part.relative.partition("/")
    if not _SPEAKER.match(speaker) or not video or "/" in video or not _NUMBER.match(stem):
        found.problems.append(Problem(relative, "name", "expected mp4/id<5 digits>/<video>/<5 digits>.mp4"))
        return
    wanted = (base.relative_to(root) / "aac" / speaker / video / stem).as_posix()
    audio = sounds.find(wanted)
    if not audio and not has_audio(root / relative):
        found.problems.append(Problem(f"{wanted}.m4a", "missing", f"no sound for {relative}"))
        return
    sentence, split = f"{video}-{stem}", TEST if base.name == "test" and base != root else TRAIN
    identifier = clip_id(name, speaker, "", 0, sentence)
    found.rows.append(ClipRow(identifier, name, speaker, "", 0, sentence, relative, audio, split=split))
