"""MEAD: ``<id>/video/front/<emotion>/level_<L>/<NNN>.mp4`` with its sound in ``<id>/audio``."""

import re
from collections.abc import Iterator
from pathlib import Path

from gmbench.datasets.files import SoundFinder, distinct, unread, without_video
from gmbench.datasets.manifest import ClipRow, Found, Problem, clip_id
from gmbench.emotions import SUITE_ORDER
from gmbench.errors import InputError
from gmbench.media import MediaFolder, walk
from gmbench.names import some

SPEAKER = re.compile(r"^[MW]\d{3}$")
MEAD_EMOTIONS = SUITE_ORDER
"""MEAD's folders bear the suite's eight names."""
_LAYOUT = "<id>/video/front/<emotion>/level_<1-3>/<NNN>.mp4"
_FRONT = ("video/front", "front", "*/front", "*/video/front")
"""Where the front view lies below a speaker: as MEAD says first, then as people unpack it."""


def parse_mead(relative: str) -> tuple[str, str, int, str]:
    """``<id>/video/front/<emotion>/level_<L>/<NNN>.mp4`` to speaker, emotion, level, number; InputError otherwise."""
    parts = Path(relative).with_suffix("").parts
    good = len(parts) == 6 and SPEAKER.match(parts[0]) and parts[1:3] == ("video", "front")
    if (
        not good
        or parts[3] not in MEAD_EMOTIONS
        or not re.match(r"^level_[123]$", parts[4])
        or not re.match(r"^\d{3}$", parts[5])
    ):
        raise InputError(f"{relative}: expected {_LAYOUT}")
    level = int(parts[4][-1])
    if parts[3] == "neutral" and level != 1:
        raise InputError(f"{relative}: neutral exists at level 1 only")
    return parts[0], parts[3], level, parts[5]


def read_mead(root: Path, name: str) -> Found:
    """All clips of a folder in MEAD's layout, not yet split."""
    found, sounds = Found([], []), SoundFinder(root)
    for speaker in sorted(path for path in root.iterdir() if SPEAKER.match(path.name) and path.is_dir()):
        front = _front_view(root, speaker, found.problems)
        if front is None:
            continue
        own = Found([], [])
        for part in walk(front):
            own.problems.extend(unread(root, part))
            for file in part.videos:
                _add(own, root, name, speaker.name, part, file, sounds)
        own.problems.extend(_sounds_alone(root, speaker.name, sounds, [row.audio_path for row in own.rows]))
        found.rows.extend(own.rows)
        found.problems.extend(own.problems)
    return distinct(found)


def _front_view(root: Path, speaker: Path, problems: list[Problem]) -> Path | None:
    """The folder of a speaker's front view; a problem where there is none, or a further one."""
    fronts = list(dict.fromkeys(path for pattern in _FRONT for path in sorted(speaker.glob(pattern)) if path.is_dir()))
    views = [path.relative_to(root).as_posix() for path in fronts]
    if not fronts:
        below = sorted(path.relative_to(speaker).as_posix() for path in _folders(speaker))
        if below:
            problems.append(
                Problem(speaker.name, "missing", f"no front view; expected {_LAYOUT}, found {some(below, 8)}")
            )
        return None
    for other in views[1:]:
        problems.append(Problem(other, "name", f"a second front view of {speaker.name}; {views[0]} is read"))
    return fronts[0]


def _folders(speaker: Path) -> Iterator[Path]:
    """Folders and archives of a speaker and below its ``video``."""
    for place in (speaker, speaker / "video"):
        if place.is_dir():
            yield from (path for path in place.iterdir() if path.is_dir() or path.suffix in (".tar", ".zip", ".gz"))


def _add(found: Found, root: Path, name: str, speaker: str, part: MediaFolder, file: str, sounds: SoundFinder) -> None:
    """A row, or the problem, of one video."""
    relative = (part.path / file).relative_to(root).as_posix()
    try:
        _, emotion, level, number = parse_mead(f"{speaker}/video/front/{part.below_root(file)}")
    except InputError as error:
        found.problems.append(Problem(relative, "name", str(error)))
        return
    tail = f"{emotion}/level_{level}/{number}"
    audio = sounds.find(f"{speaker}/audio/{tail}", f"{speaker}/{tail}")
    if not audio:
        found.problems.append(Problem(f"{speaker}/audio/{tail}.m4a", "missing", f"no sound for {relative}"))
        return
    identifier = clip_id(name, speaker, emotion, level, number)
    found.rows.append(ClipRow(identifier, name, speaker, emotion, level, number, relative, audio))


def _sounds_alone(root: Path, speaker: str, sounds: SoundFinder, used: list[str]) -> Iterator[Problem]:
    """Sounds without a video, one problem for each emotion and level."""
    for folder in sorted((root / speaker / "audio").glob("*/level_*")):
        relative = folder.relative_to(root).as_posix()
        yield from without_video(relative, sounds.unused(relative, used))
