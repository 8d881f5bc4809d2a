"""Videos of one person, cut into sentences as square clips in a folder: a dataset of kind ``folder``."""

import itertools
import math
import re
import shutil
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from gmbench.datasets.person.footage import Footage, whole_picture
from gmbench.datasets.person.sentences import cut_sentences
from gmbench.datasets.splits import LEAST_OF_PERSON
from gmbench.emotions import canonical
from gmbench.errors import InputError
from gmbench.face.clip_crop import Square, cut
from gmbench.media import FPS, SAMPLES_PER_FRAME, Frames, Video, write_video
from gmbench.names import composed
from gmbench.store import disk_full

QUALITY = 10
"""Constant rate factor of the clips: the crops that methods learn from are made of them."""
UNLABELLED = "unlabelled"
"""Folder of the clips without an emotion."""


@dataclass(frozen=True)
class VideoReport:
    """What became of one video: its seconds, those with the person seen, those in clips, and the number of clips."""

    video: str
    emotion: str
    seconds: float
    seen: float
    used: float
    clips: int


def cut_videos(
    footages: Sequence[Footage], folder: Path, size: int, crop: str = "anchor",
    report: Callable[[int, int], None] | None = None,
) -> list[VideoReport]:  # fmt: skip
    """Write the sentences of all videos as clips below a folder, in place of what is there; whole or not at all.

    Args:
        footages: of one person.
        folder: ``<emotion>/<video>_<number>.mp4`` below it.
        size: side of the clips in pixels.
        crop: ``anchor``, around the head with the shoulders; ``full``, the middle square of the picture.
        report: called with frames done and all frames.

    Raises:
        InputError: less than 20 s in all, or the folder cannot be written; nothing is left of it then.
    """
    parts = [cut_sentences(footage.rms, footage.usable) for footage in footages]
    frames = sum(stop - first for found in parts for first, stop in found)
    if frames < LEAST_OF_PERSON:
        raise InputError(
            f"{footages[0].video}: {frames / FPS:.0f} s of sentences with a face in all; at least"
            f" {LEAST_OF_PERSON / FPS:.0f} s are needed, and three minutes or more are good"
        )
    partial = folder.with_name(f".{folder.name}.part")
    shutil.rmtree(partial, ignore_errors=True)
    done = 0
    try:
        for footage, name, found in zip(footages, clip_names(footages), parts, strict=True):
            for written in _write(footage, found, partial / name, size, crop):
                done += written
                if report is not None:
                    report(done, frames)
        shutil.rmtree(folder, ignore_errors=True)
        partial.rename(folder)
    except OSError as error:
        reason = "the disk is full" if disk_full(error) else str(error)
        raise InputError(f"{folder}: the clips could not be written ({reason}); nothing of them was kept") from error
    finally:
        shutil.rmtree(partial, ignore_errors=True)
    return [_report(footage, found) for footage, found in zip(footages, parts, strict=True)]


def clip_names(footages: Sequence[Footage]) -> list[str]:
    """``<emotion>/<video>``, to which each clip adds its number; none twice, and no emotion but its own in it."""
    names: list[str] = []
    for footage in footages:
        words = re.split(r"[\W_]+", composed(footage.video.stem))
        stem = "-".join(word for word in words if word and not canonical(word)) or "video"
        numbered = (f"{stem}-{number}" for number in itertools.count(2))
        folder = footage.emotion or UNLABELLED
        names.append(next(f"{folder}/{s}" for s in itertools.chain([stem], numbered) if f"{folder}/{s}" not in names))
    return names


def _write(footage: Footage, parts: Sequence[tuple[int, int]], begin: Path, size: int, crop: str) -> Iterator[int]:
    """Write one video's clips in one pass; gives the frames of each when it is written."""
    begin.parent.mkdir(parents=True, exist_ok=True)
    frames = enumerate(Video(footage.video))
    for number, (first, stop) in enumerate(parts, 1):
        square = whole_picture(footage) if crop == "full" else footage.square(first, stop)
        sound = footage.sound[first * SAMPLES_PER_FRAME : stop * SAMPLES_PER_FRAME]
        path = begin.with_name(f"{begin.name}_{number:04d}.mp4")
        write_video(path, _pictures(_between(frames, first, stop), square, size), sound, crf=QUALITY)
        yield stop - first


def _pictures(frames: Iterator[Frames], square: Square, size: int) -> Iterator[Frames]:
    """Frames (size, size, 3) of a square; of a large picture only what is near it is smoothed and shrunk."""
    reach = 3 + 4 * square.half / size  # more than what smoothing mixes
    left, top = (max(0, math.floor(place - square.half - reach)) for place in (square.x, square.y))
    right, bottom = (math.ceil(place + square.half + reach) for place in (square.x, square.y))
    near = (np.ascontiguousarray(frame[top:bottom, left:right]) for frame in frames)
    return cut(near, Square(square.x - left, square.y - top, square.half), size)


def _between(frames: Iterator[tuple[int, Frames]], first: int, stop: int) -> Iterator[Frames]:
    """Frames ``first`` to before ``stop`` of an iterator that goes on behind them."""
    for t, frame in frames:
        if t >= first:
            yield frame
        if t == stop - 1:
            return


def _report(footage: Footage, parts: Sequence[tuple[int, int]]) -> VideoReport:
    used = sum(stop - first for first, stop in parts) / FPS
    seen = float(footage.usable.sum()) / FPS
    return VideoReport(footage.video.name, footage.emotion, footage.frames / FPS, seen, used, len(parts))
