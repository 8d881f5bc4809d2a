"""Sound of a file, aligned with frame 0 of its picture."""

import os
from collections.abc import Iterator
from itertools import chain, pairwise
from math import floor
from pathlib import Path
from statistics import median
from typing import Any

import av
import numpy as np

from gmbench.errors import MediaError
from gmbench.media.files import check_file, media_errors, open_container, picture_track, sound_track
from gmbench.media.formats import SAMPLE_RATE, Audio
from gmbench.media.timing import ROUNDING
from gmbench.media.tracks import SoundStart, read_picture_track, read_sound_start

_TOLERANCE = 0.015
"""Seconds between stamps and samples that are rounding; more is a hole or an overlap. A frame of speech lasts 20 ms."""
_EXACT = 1e-6
"""Samples by which floats may miss the exact half."""


def read_audio(path: str | os.PathLike[str]) -> Audio:
    """Sound of an audio or video file as 16 kHz mono int16, aligned with frame 0 of its video.

    Of several tracks the default one. Holes in its time stamps become silence; of overlapping packets the earlier one
    is kept.

    Raises:
        MediaError: no audio track, empty, or unreadable.
    """
    path = Path(path)
    check_file(path)
    pieces: list[tuple[int, Audio]] = []
    with open_container(path) as container:
        track = sound_track(container)
        if track is None:
            raise MediaError(f"{path}: no audio track; put <clip>.wav beside the video or pass --audio")
        zero, sound = _zero(path, alone=picture_track(container) is None)
        with media_errors(path, "audio cannot be decoded", "re-encode it"):
            for start, run in _runs(_content(container.decode(track), sound)):
                pieces.append((floor((start - zero) * SAMPLE_RATE + 0.5 + _EXACT), run))
    if not any(len(run) for _, run in pieces):
        raise MediaError(f"{path}: audio track is empty")
    return _joined(pieces)


def _zero(path: Path, alone: bool) -> tuple[float, SoundStart | None]:
    """The sound's time stamp at frame 0, in seconds, that of its content where it is ``alone``; and its start."""
    if not alone:
        track = read_picture_track(path)
        return float(track.sound_origin), track.sound
    sound = read_sound_start(path)
    return (0.0 if sound is None else float(sound.start + sound.delay)), sound


def _content(frames: Iterator[Any], sound: SoundStart | None) -> Iterator[tuple[float, Any]]:
    """Decoded frames with the time of their first sample, without what the encoder put before the content.

    It is cut off before the rate is changed, so that the same samples come out whether or not the file tells the delay.
    """
    begin = float(sound.start + sound.delay) if sound is not None and sound.delay else None
    after = 0.0
    for frame in frames:
        time = after if frame.pts is None else float(frame.pts * frame.time_base)
        after = time + frame.samples / frame.sample_rate
        if begin is None:
            yield time, frame
            continue
        before = begin - time
        cut = round(before * frame.sample_rate) if before > 2 * ROUNDING else 0
        if cut < frame.samples:
            yield (begin if before > -2 * ROUNDING else time), _without_head(frame, cut) if cut else frame
            begin = None


def _without_head(frame: Any, count: int) -> Any:
    """A frame without its first samples."""
    values = frame.format.is_planar or len(frame.layout.channels)
    samples = np.ascontiguousarray(frame.to_ndarray()[:, count * int(values) :])
    rest = av.AudioFrame.from_ndarray(samples, format=frame.format.name, layout=frame.layout.name)
    rest.sample_rate = frame.sample_rate
    return rest


def _runs(frames: Iterator[tuple[float, Any]]) -> Iterator[tuple[float, Audio]]:
    """Stretches of sound without a hole, with the time of their first sample.

    A stamp that is off by itself is jitter, as of a recording over a network: a hole is one that the next stamp keeps.
    """
    run: _Run | None = None
    for (time, frame), following in pairwise(chain(frames, [(0.0, None)])):
        shape = frame.sample_rate, frame.format.name, frame.layout.name
        if run is None or run.shape != shape or run.broken(time, frame, *following):
            if run is not None:
                yield run.end()
            run = _Run(time, shape)
        run.add(time, frame)
    if run is not None:
        yield run.end()


class _Run:
    """Frames of one shape (rate, format, layout) that follow each other."""

    def __init__(self, start: float, shape: tuple[int, str, str]) -> None:
        self.shape, self._start, self._after = shape, start, start
        self._errors: list[float] = []
        self._parts: list[Audio] = []
        self._resampler = av.AudioResampler(format="s16", layout="mono", rate=SAMPLE_RATE)

    def broken(self, time: float, frame: Any, next_time: float, next_frame: Any) -> bool:
        """Whether a frame at ``time`` and the next one lie too far from where this run ends, both on one side."""
        error = time - self._after
        later = next_time - self._after - frame.samples / frame.sample_rate if next_frame else error
        return abs(error) > _TOLERANCE and abs(later) > _TOLERANCE and (error > 0) == (later > 0)

    def add(self, time: float, frame: Any) -> None:
        """Take in the next frame."""
        self._errors.append(time - self._after)
        self._after += frame.samples / frame.sample_rate
        self._parts.extend(out.to_ndarray()[0] for out in self._resampler.resample(frame))

    def end(self) -> tuple[float, Audio]:
        """Time of the first sample, by the median of all stamps where they differ by more than rounding; samples."""
        self._parts.extend(out.to_ndarray()[0] for out in self._resampler.resample(None))
        error = median(self._errors)
        samples = np.concatenate(self._parts) if self._parts else np.zeros(0, np.int16)
        return self._start + (error if abs(error) > ROUNDING else 0), samples


def _joined(pieces: list[tuple[int, Audio]]) -> Audio:
    """Samples from position 0 on; silence where no piece lies, the earlier one where two do."""
    audio = np.zeros(max(0, *(start + len(run) for start, run in pieces)), np.int16)
    done = 0
    for start, run in pieces:
        begin = max(start, done)
        if start + len(run) > begin:
            audio[begin : start + len(run)] = run[begin - start :]
            done = start + len(run)
    return audio


def has_audio(path: str | os.PathLike[str]) -> bool:
    """Whether a file holds a sound track; False for a folder of images and for what cannot be read."""
    path = Path(path)
    if path.is_dir():
        return False
    try:
        with open_container(path) as container:
            return sound_track(container) is not None
    except (MediaError, OSError):
        return False
