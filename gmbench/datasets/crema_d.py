"""CREMA-D: ``VideoFlash/<actor>_<sentence>_<emotion>_<level>.flv`` with its sound in ``AudioWAV``."""

import csv
import re
from pathlib import Path

from gmbench.datasets import splits
from gmbench.datasets.files import SoundFinder, distinct, unread, without_video
from gmbench.datasets.manifest import ClipRow, Found, Problem, clip_id
from gmbench.errors import InputError
from gmbench.media import walk

_NAME = re.compile(r"^(\d{4})_([A-Z]{3})_([A-Z]{3})_(LO|MD|HI|XX|X)$")
CREMA_EMOTIONS = {"ANG": "angry", "DIS": "disgusted", "FEA": "fear", "HAP": "happy", "NEU": "neutral", "SAD": "sad"}
CREMA_SENTENCES = ("IEO", "TIE", "IOM", "IWW", "TAI", "MTI", "IWL", "ITH", "DFA", "ITS", "TSI", "WSI")
CREMA_LEVELS = {"XX": 0, "X": 0, "LO": 1, "MD": 2, "HI": 3}


def parse_crema(stem: str) -> tuple[str, str, str, int]:
    """``1001_DFA_ANG_XX`` to actor, sentence, emotion, level (0 for XX); InputError otherwise."""
    match = _NAME.match(stem)
    if match is None or match[2] not in CREMA_SENTENCES or match[3] not in CREMA_EMOTIONS:
        raise InputError(f"{stem}: expected <actor>_<sentence>_<emotion>_<level>, such as 1001_DFA_ANG_XX")
    return match[1], match[2], CREMA_EMOTIONS[match[3]], CREMA_LEVELS[match[4]]


def read_crema(root: Path, name: str) -> Found:
    """All clips, split."""
    found, sounds = Found([], []), SoundFinder(root)
    videos: list[str] = []
    for part in walk(root / "VideoFlash") if (root / "VideoFlash").is_dir() else ():
        found.problems.extend(unread(root, part))
        videos += [(part.path / file).relative_to(root).as_posix() for file in part.videos]
    for relative in videos:
        _add(found, name, relative, sounds)
    named = {Path(relative).stem for relative in videos}
    alone = [stem for stem in sounds.unused("AudioWAV", ()) if stem not in named]
    found = distinct(Found(found.rows, [*found.problems, *without_video("AudioWAV", alone)]))
    return Found(splits.crema(found.rows, _sexes(root / "VideoDemographics.csv")), found.problems)


def _add(found: Found, name: str, relative: str, sounds: SoundFinder) -> None:
    """A row, or the problem, of one video."""
    stem = Path(relative).stem
    try:
        actor, sentence, emotion, level = parse_crema(stem)
    except InputError as error:
        found.problems.append(Problem(relative, "name", str(error)))
        return
    audio = sounds.find(f"AudioWAV/{stem}")
    if not audio:
        found.problems.append(Problem(f"AudioWAV/{stem}.wav", "missing", f"no sound for {relative}"))
        return
    take = f"{sentence}-{stem.rsplit('_', 1)[1]}"
    identifier = clip_id(name, actor, emotion, level, take)
    found.rows.append(ClipRow(identifier, name, actor, emotion, level, take, relative, audio))


def _sexes(path: Path) -> dict[str, str]:
    if not path.exists():
        return {}
    with path.open(newline="", encoding="utf-8") as file:
        return {row.get("ActorID", ""): row.get("Sex", "") for row in csv.DictReader(file)}
