"""Any folder of videos as a dataset: speakers and emotions from names, splits by a rule or by a table beside them."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from fnmatch import fnmatchcase
from pathlib import Path

from gmbench.clips import find_clips
from gmbench.clips.clip import Clip
from gmbench.clips.tables import read_table
from gmbench.datasets import splits
from gmbench.datasets.files import distinct
from gmbench.datasets.manifest import HELD_OUT, OTHER, TEST, TRAIN, TUNE, ClipRow, Found, Problem, clip_id
from gmbench.emotions import KNOWN, canonical, in_name
from gmbench.errors import InputError
from gmbench.media import MEDIA_SUFFIXES, Video, has_audio, suffix_of
from gmbench.names import closest, composed, counted, some

TABLE = "splits.csv"
_SPLITS = (TRAIN, TUNE, TEST, HELD_OUT, OTHER)
_WORDS = re.compile(r"[-. ]")
"""What parts a name into words, beside ``/`` and ``_``."""
_COLUMNS = ("clip", "split", "speaker", "emotion", "level")


def read_folder(root: Path, name: str) -> Found:
    """Any videos. The first folder that is no emotion's name is the speaker, else the file's own name.

    Where all folders are named after emotions, the speaker has the name of the root. The emotion is what a part of the
    name or a folder says, empty where none does. Splits follow :func:`gmbench.datasets.splits.by_time`; a table
    ``splits.csv`` in the root overrides split, speaker, emotion and level of the clips that it lists.

    A video's own sound goes before a file beside it, as in ``gmbench eval``.

    Raises:
        InputError: a table that cannot be read, or says what no clip can be.
    """
    folder = find_clips(root).beside(())
    table = _Table.read(root / TABLE)
    problems = [Problem(".", "left_out", note) for note in folder.notes]
    listed: list[ClipRow] = []
    ruled: list[ClipRow] = []
    for clip, item in folder.clips.items():
        if item.video is None:
            problems.append(Problem(clip, "missing", "sound without a video of that name"))
            continue
        given = table.of(clip)
        row = _with_table(_row(item, item.video, folder.root, name), given)
        (listed if "split" in given else ruled).append(row)
    frames = {row.clip_id: _frames(root / row.video_path) for row in ruled}
    rows = [*listed, *splits.by_time(ruled, frames)]
    return distinct(Found(rows, [*problems, *table.problems()]))


def _row(clip: Clip, video: Path, root: Path, dataset: str) -> ClipRow:
    """A clip as its names have it, without a split."""
    beside = clip.audio is not None and not has_audio(video)
    audio = clip.audio.relative_to(root).as_posix() if clip.audio and beside else ""
    emotion = in_name(_WORDS.sub("_", clip.clip))
    sentence = clip.clip.replace("/", "-")
    path = video.relative_to(root).as_posix()
    return _named(ClipRow("", dataset, _speaker(clip, root), emotion, 0, sentence, path, audio))


def _named(row: ClipRow) -> ClipRow:
    return replace(row, clip_id=clip_id(row.dataset, row.speaker, row.emotion, row.level, row.sentence))


def _with_table(row: ClipRow, given: Mapping[str, str]) -> ClipRow:
    """A row with the values of the table."""
    emotion = canonical(given["emotion"]) if "emotion" in given else row.emotion
    level, speaker = int(given.get("level", row.level)), given.get("speaker", row.speaker)
    return _named(replace(row, speaker=speaker, emotion=emotion, level=level, split=given.get("split", row.split)))


def _speaker(clip: Clip, root: Path) -> str:
    folders = clip.clip.split("/")[:-1]
    if not folders:
        return clip.clip
    return next((part for part in folders if not canonical(part)), root.resolve().name)


def _frames(video: Path) -> int:
    """Frames at 25 fps; 0 of a file that cannot be read, which the check of the dataset reports."""
    try:
        return Video(video).info.frames
    except Exception:  # whatever the decoder raises is this file's
        return 0


@dataclass
class _Table:
    """The rows of ``splits.csv`` by the clip or pattern that they name, and which of them were used."""

    path: Path
    rows: Mapping[str, Mapping[str, str]] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)
    _used: set[str] = field(default_factory=set)

    @classmethod
    def read(cls, path: Path) -> "_Table":
        """The table of a folder; an empty one where there is none."""
        if not path.exists():
            return cls(path)
        table = read_table(path, ("clip",))
        rows: dict[str, Mapping[str, str]] = {}
        for line, row in table.rows:
            clip = _clip_name(row["clip"])
            given = {name: row[name] for name in _COLUMNS[1:] if row.get(name)}
            _check(f"{path}, line {line}", given)
            if rows.setdefault(clip, given) != given:
                raise InputError(f"{path}, line {line}: {clip!r} stands there twice with different values; keep one")
        return cls(path, rows, table.misspelt(_COLUMNS))

    def of(self, clip: str) -> Mapping[str, str]:
        """What the table says of a clip: the row of its own name, else the first whose pattern fits it."""
        name = composed(clip)
        if name not in self.rows:
            name = next((pattern for pattern in self.rows if fnmatchcase(composed(clip), pattern)), "")
        self._used.add(name)
        return self.rows.get(name, {})

    def problems(self) -> list[Problem]:
        """Rows that name no clip, and columns that are not read."""
        spare = [name for name in self.rows if name not in self._used]
        found = [Problem(TABLE, "table", note) for note in self.notes]
        if spare:
            found.append(Problem(TABLE, "table", f"{counted(len(spare), 'row')} without a clip ({some(spare)})"))
        return found


def _check(place: str, given: Mapping[str, str]) -> None:
    split, emotion, level = given.get("split", TRAIN), given.get("emotion", "neutral"), given.get("level", "0")
    if split not in _SPLITS:
        raise InputError(f"{place}: split {split!r} is unknown; {closest(split, _SPLITS)}")
    if not canonical(emotion):
        raise InputError(f"{place}: emotion {emotion!r} is unknown; {closest(emotion, KNOWN)}")
    if level not in ("0", "1", "2", "3"):
        raise InputError(f"{place}: level {level!r}; expected 1 to 3, or 0 for none")


def _clip_name(cell: str) -> str:
    name = composed(cell.replace("\\", "/")).removeprefix("./").strip("/")
    return name.rpartition(".")[0] if suffix_of(name) in MEDIA_SUFFIXES else name
