"""Sound of a file, aligned with frame 0 of its picture."""

import os
from fractions import Fraction
from pathlib import Path

import av
import av.error
import numpy as np

from gmbench.errors import MediaError
from gmbench.media.files import check_file, open_container, reason_of
from gmbench.media.formats import SAMPLE_RATE, Audio
from gmbench.media.timing import common_zero, round_half_up


def read_audio(path: str | os.PathLike[str]) -> Audio:
    """Sound of an audio or video file as 16 kHz mono int16, aligned with frame 0 of its video.

    Raises:
        MediaError: no audio track, empty, or unreadable.
    """
    path = Path(path)
    check_file(path)
    parts: list[Audio] = []
    start: Fraction | None = None
    try:
        with open_container(path) as container:
            if not container.streams.audio:
                raise MediaError(f"{path}: no audio track; put <clip>.wav beside the video or pass --audio")
            stream = container.streams.audio[0]
            origin = common_zero(container)
            resampler = av.AudioResampler(format="s16", layout="mono", rate=SAMPLE_RATE)
            for frame in container.decode(stream):
                if start is None:
                    start = Fraction(frame.pts or 0) * Fraction(frame.time_base or 0)
                parts.extend(out.to_ndarray()[0] for out in resampler.resample(frame))
            parts.extend(out.to_ndarray()[0] for out in resampler.resample(None))
    except (av.error.FFmpegError, ValueError) as error:
        raise MediaError(f"{path}: audio cannot be decoded ({reason_of(error)}); re-encode it") from error
    if start is None or not parts:
        raise MediaError(f"{path}: audio track is empty")
    audio = np.concatenate(parts)
    shift = round_half_up((start - origin) * SAMPLE_RATE)
    if shift > 0:
        return np.concatenate([np.zeros(shift, np.int16), audio])
    return audio[-shift:]


def has_audio(path: str | os.PathLike[str]) -> bool:
    """Whether a file holds a sound track; False for a folder of images and for what cannot be read."""
    path = Path(path)
    if path.is_dir():
        return False
    try:
        with open_container(path) as container:
            return bool(container.streams.audio)
    except MediaError:
        return False
