"""The manifest: one row per clip, the same columns for every dataset."""

from collections.abc import Iterable
from dataclasses import asdict, dataclass, fields, replace
from pathlib import Path

import pandas as pd

from gmbench.errors import InputError
from gmbench.parquet import write_frame

TRAIN, TUNE, TEST, HELD_OUT, OTHER = "train", "tune", "test", "held_out", "other"
"""``tune``: neither learnt from nor tested; recipes and settings are chosen on it. ``held_out``: kept from training
without being tested; ``other``: outside of the protocol."""


@dataclass(frozen=True)
class ClipRow:
    """One clip of a dataset.

    Attributes:
        clip_id: ``<dataset>/<speaker>/<emotion>/<level>/<sentence>``.
        emotion: a name of the emotion order, or empty.
        level: intensity 1 to 3, 0 where there is none.
        video_path, audio_path: below the dataset's root; the audio is empty where it is inside the video.
        first_frame, n_frames: part of the video at 25 fps; n_frames 0 means to its end.
        split: train, tune, test, held_out or other.
    """

    clip_id: str
    dataset: str
    speaker: str
    emotion: str
    level: int
    sentence: str
    video_path: str
    audio_path: str
    first_frame: int = 0
    n_frames: int = 0
    split: str = TRAIN


@dataclass(frozen=True)
class Problem:
    """A file that is missing or cannot be used, and why."""

    path: str
    kind: str
    reason: str


@dataclass(frozen=True)
class Found:
    """What a reader found below a root."""

    rows: list[ClipRow]
    problems: list[Problem]


def problem_kind(error: Exception) -> str:
    """Kind of the problem that reading a file met: missing, lfs_pointer, no_audio, else corrupt."""
    message = str(error)
    if "no such file" in message:
        return "missing"
    if "Git-LFS" in message:
        return "lfs_pointer"
    return "no_audio" if "no audio track" in message else "corrupt"


def clip_id(dataset: str, speaker: str, emotion: str, level: int, sentence: str) -> str:
    """The name of a clip everywhere."""
    return f"{dataset}/{speaker}/{emotion or 'none'}/{level}/{sentence}"


def write(rows: Iterable[ClipRow], path: Path) -> None:
    """Write a manifest as Parquet, ordered by clip."""
    ordered = sorted(rows, key=lambda row: row.clip_id)
    columns = [field.name for field in fields(ClipRow)]
    write_frame(pd.DataFrame([asdict(row) for row in ordered], columns=columns), path)


def read(path: Path) -> list[ClipRow]:
    """Read a manifest; raises InputError where it is missing or has other columns."""
    try:
        table = pd.read_parquet(path)
    except (OSError, ValueError) as error:
        raise InputError(f"{path}: no readable manifest ({error}); run the ingest stage") from error
    expected = [field.name for field in fields(ClipRow)]
    if list(table.columns) != expected:
        raise InputError(f"{path}: expected columns {', '.join(expected)}, got {', '.join(map(str, table.columns))}")
    return [ClipRow(**{str(key): value for key, value in record.items()}) for record in table.to_dict("records")]


def with_split(row: ClipRow, split: str) -> ClipRow:
    """The row in another split."""
    return replace(row, split=split)


def unlabelled_as_neutral(rows: Iterable[ClipRow]) -> list[ClipRow]:
    """Rows as methods learn from them: where some clips have an emotion, those without one are neutral."""
    known = list(rows)
    if not any(row.emotion for row in known):
        return known
    return [row if row.emotion else replace(row, emotion="neutral") for row in known]
