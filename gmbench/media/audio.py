"""Sound of a file, aligned with frame 0 of its picture."""

import os
from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import numpy as np

from gmbench.errors import MediaError
from gmbench.media.files import check_file, media_errors, open_container, picture_track, sound_track
from gmbench.media.formats import SAMPLE_RATE, Audio
from gmbench.media.timing import round_half_up
from gmbench.media.tracks import read_picture_track, read_sound_start

_TOLERANCE = Fraction(15, 1000)
"""Seconds between stamps and samples that are rounding; more is a hole or an overlap. A frame of speech lasts 20 ms."""


def read_audio(path: str | os.PathLike[str]) -> Audio:
    """Sound of an audio or video file as 16 kHz mono int16, aligned with frame 0 of its video.

    Of several tracks the default one. Holes in its time stamps become silence; of overlapping packets the earlier one
    is kept.

    Raises:
        MediaError: no audio track, empty, or unreadable.
    """
    path = Path(path)
    check_file(path)
    zero = _zero(path)
    pieces: list[tuple[int, Audio]] = []
    with open_container(path) as container, media_errors(path, "audio cannot be decoded", "re-encode it"):
        for start, run in _runs(container.decode(sound_track(container))):
            pieces.append((round_half_up((start - zero) * SAMPLE_RATE), run))
    if not any(len(run) for _, run in pieces):
        raise MediaError(f"{path}: audio track is empty")
    return _joined(pieces)


def _zero(path: Path) -> Fraction:
    """The sound's time stamp at frame 0, in seconds; that of its content where there is no picture."""
    with open_container(path) as container:
        if sound_track(container) is None:
            raise MediaError(f"{path}: no audio track; put <clip>.wav beside the video or pass --audio")
        alone = picture_track(container) is None
    if not alone:
        return read_picture_track(path).sound_origin
    sound = read_sound_start(path)
    return Fraction(0) if sound is None else sound.start + sound.delay


def _runs(frames: Iterator[Any]) -> Iterator[tuple[Fraction, Audio]]:
    """Stretches of sound without a hole, with the time of their first sample."""
    parts: list[Audio] = []
    resampler, layout, start, after = None, None, Fraction(0), Fraction(0)
    for frame in frames:
        time = after if frame.pts is None else frame.pts * Fraction(frame.time_base)
        shape = frame.sample_rate, frame.format.name, frame.layout.name
        if resampler is None or shape != layout or abs(time - after) > _TOLERANCE:
            if resampler is not None:
                yield start, _rest(parts, resampler)
            resampler, layout, start, after = _resampler(), shape, time, time
            parts = []
        parts.extend(out.to_ndarray()[0] for out in resampler.resample(frame))
        after += Fraction(frame.samples, frame.sample_rate)
    if resampler is not None:
        yield start, _rest(parts, resampler)


def _resampler() -> av.AudioResampler:
    return av.AudioResampler(format="s16", layout="mono", rate=SAMPLE_RATE)


def _rest(parts: list[Audio], resampler: av.AudioResampler) -> Audio:
    parts.extend(out.to_ndarray()[0] for out in resampler.resample(None))
    return np.concatenate(parts) if parts else np.zeros(0, np.int16)


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
