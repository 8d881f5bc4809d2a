"""Finds missing and unusable files of a dataset: corrupt, silent, Git LFS pointers, lengths that differ."""

import functools
from collections import Counter, defaultdict
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from gmbench.datasets.manifest import ClipRow, Found, Problem, problem_kind
from gmbench.datasets.readers import dataset, read
from gmbench.datasets.selection import Selection, select
from gmbench.errors import MediaError
from gmbench.executor import run
from gmbench.media import FPS, SAMPLE_RATE, Audio, Video, read_audio

SILENCE_DB = -60.0
"""RMS below full scale under which a track counts as silent."""
MAX_LENGTH_DIFFERENCE = 0.2
"""Seconds between the ends of picture and sound."""


@dataclass(frozen=True)
class DatasetCheck:
    """A checked dataset: usable rows with their number of frames, and all problems.

    ``deep``: every picture of every clip was decoded, not the first alone. ``listed``: clips of the whole dataset,
    before a selection and before any was opened.
    """

    dataset: str
    root: Path
    rows: list[ClipRow]
    problems: list[Problem]
    deep: bool = False
    listed: int = 0

    def counts(self) -> dict[str, int]:
        """Number of problems by kind."""
        return dict(sorted(Counter(problem.kind for problem in self.problems).items()))


def check(
    name: str,
    root: Path,
    workers: int = 1,
    report: Callable[[int, int], None] | None = None,
    scheduler: str | None = None,
    deep: bool = False,
    selection: Selection | None = None,
) -> DatasetCheck:
    """Open every clip of a dataset: its time stamps, its first picture and all of its sound.

    Args:
        selection: of the clips that are opened; the others are neither opened nor among the rows.
        deep: decode all pictures too, and count those that the decoder gave although they are damaged.

    Raises:
        InputError: the folder is missing or empty.
    """
    found: Found = read(name, root)
    by_file: dict[tuple[str, str], list[ClipRow]] = defaultdict(list)
    for row in found.rows if selection is None else select(found.rows, selection):
        by_file[row.video_path, row.audio_path].append(row)
    groups = list(by_file.values())
    problems, usable = list(found.problems), []
    workers = min(workers, max(1, len(groups) // (2 if deep else 20)))
    tasks = [(root, group[0]) for group in groups]
    for done, (index, result) in enumerate(
        run(functools.partial(check_files, deep=deep), tasks, workers, scheduler), start=1
    ):
        if isinstance(result, Exception):
            problems.append(Problem(groups[index][0].video_path, "corrupt", f"the decoder crashed: {result}"))
        elif isinstance(result, Problem):
            problems.append(result)
        else:
            usable += [(index, _with_frames(row, result)) for row in groups[index]]
        if report is not None:
            report(done, len(tasks))
    rows = [row for _, row in sorted(usable, key=lambda pair: pair[0])]
    problems.sort(key=lambda problem: (problem.kind, problem.path))
    return DatasetCheck(dataset(name).name, root, rows, problems, deep, len(found.rows))


def check_clip(argument: tuple[Path, ClipRow], deep: bool = False) -> ClipRow | Problem:
    """A row with its number of frames, or the first thing that is wrong with it."""
    result = check_files(argument, deep)
    return result if isinstance(result, Problem) else _with_frames(argument[1], result)


def check_files(argument: tuple[Path, ClipRow], deep: bool = False) -> int | Problem:
    """Number of frames of a row's whole video, or the first thing that is wrong with its files."""
    root, row = argument
    video, audio = root / row.video_path, root / (row.audio_path or row.video_path)
    place = row.video_path
    try:
        picture = Video(video)
        if deep and (damage := _damage(picture)):
            return Problem(place, "corrupt", damage)
        place = row.audio_path or row.video_path
        if audio.is_dir():
            raise MediaError(f"{video}: no audio track; put <clip>.wav beside the folder or into it")
        sound = read_audio(audio)
    except MediaError as error:
        return Problem(place, problem_kind(error), str(error))
    except Exception as error:  # whatever a decoder raises is this clip's
        return Problem(place, "corrupt", f"{root / place}: {type(error).__name__}: {error}")
    return _disagreement(row, picture, audio, sound) or picture.info.frames


def _damage(video: Video) -> str:
    """Decode all pictures; what the decoder concealed, empty where nothing."""
    for _ in video:
        pass
    if not video.corrupt_frames:
        return ""
    return f"{video.path}: {video.corrupt_frames} of {video.info.source_frames} pictures are damaged; replace the file"


def _disagreement(row: ClipRow, video: Video, audio: Path, sound: Audio) -> Problem | None:
    """Silence, or lengths of picture and sound that differ."""
    level = 20 * np.log10(max(float(np.sqrt(np.mean((sound / 32768.0) ** 2))), 1e-9))
    if level < SILENCE_DB:
        reason = f"{audio}: sound of {level:.0f} dB, below {SILENCE_DB:.0f}"
        return Problem(row.audio_path or row.video_path, "silent", reason)
    difference = abs(len(sound) / SAMPLE_RATE - video.info.frames / FPS)
    if difference > MAX_LENGTH_DIFFERENCE:
        reason = f"{video.path}: picture and sound differ by {difference:.2f} s, more than {MAX_LENGTH_DIFFERENCE} s"
        return Problem(row.video_path, "length", reason)
    return None


def _with_frames(row: ClipRow, frames: int) -> ClipRow:
    return replace(row, n_frames=row.n_frames or frames - row.first_frame)
