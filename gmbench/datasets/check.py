"""Finds missing and unusable files of a dataset: corrupt, silent, Git LFS pointers, lengths that differ."""

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from gmbench.datasets.manifest import ClipRow, Found, Problem
from gmbench.datasets.readers import dataset, read
from gmbench.errors import MediaError
from gmbench.executor import run
from gmbench.media import FPS, SAMPLE_RATE, Video, read_audio

SILENCE_DB = -60.0
"""RMS below full scale under which a track counts as silent."""
MAX_LENGTH_DIFFERENCE = 0.2
"""Seconds between the ends of picture and sound."""


@dataclass(frozen=True)
class DatasetCheck:
    """A checked dataset: usable rows with their number of frames, and all problems."""

    dataset: str
    root: Path
    rows: list[ClipRow]
    problems: list[Problem]

    def counts(self) -> dict[str, int]:
        """Number of problems by kind."""
        return dict(sorted(Counter(problem.kind for problem in self.problems).items()))


def check(
    name: str,
    root: Path,
    workers: int = 1,
    report: Callable[[int, int], None] | None = None,
    scheduler: str | None = None,
) -> DatasetCheck:
    """Open every clip of a dataset; raises InputError where the folder is missing or empty."""
    found: Found = read(name, root)
    tasks = [(root, row) for row in found.rows]
    usable: list[ClipRow | None] = [None] * len(tasks)
    problems = list(found.problems)
    for done, (index, result) in enumerate(
        run(check_clip, tasks, min(workers, max(1, len(tasks) // 20)), scheduler), start=1
    ):
        if isinstance(result, Exception):
            problems.append(Problem(tasks[index][1].video_path, "corrupt", f"the decoder crashed: {result}"))
        elif isinstance(result, Problem):
            problems.append(result)
        else:
            usable[index] = result
        if report is not None:
            report(done, len(tasks))
    rows = [row for row in usable if row is not None]
    return DatasetCheck(dataset(name).name, root, rows, sorted(problems, key=lambda p: (p.kind, p.path)))


def check_clip(argument: tuple[Path, ClipRow]) -> ClipRow | Problem:
    """A row with its number of frames, or the first thing that is wrong with it."""
    root, row = argument
    video, audio = root / row.video_path, root / (row.audio_path or row.video_path)
    try:
        info = Video(video).info
    except MediaError as error:
        return Problem(row.video_path, _kind(str(error)), str(error))
    try:
        sound = read_audio(audio)
    except MediaError as error:
        return Problem(row.audio_path or row.video_path, _kind(str(error)), str(error))
    level = 20 * np.log10(max(float(np.sqrt(np.mean((sound / 32768.0) ** 2))), 1e-9))
    if level < SILENCE_DB:
        return Problem(
            row.audio_path or row.video_path, "silent", f"{audio}: sound of {level:.0f} dB, below {SILENCE_DB:.0f}"
        )
    difference = abs(len(sound) / SAMPLE_RATE - info.frames / FPS)
    if difference > MAX_LENGTH_DIFFERENCE:
        reason = f"{video}: picture and sound differ by {difference:.2f} s, more than {MAX_LENGTH_DIFFERENCE} s"
        return Problem(row.video_path, "length", reason)
    frames = row.n_frames or info.frames - row.first_frame
    return ClipRow(**{**row.__dict__, "n_frames": frames})


def _kind(message: str) -> str:
    if "no such file" in message:
        return "missing"
    if "Git-LFS" in message:
        return "lfs_pointer"
    return "no_audio" if "no audio track" in message else "corrupt"
