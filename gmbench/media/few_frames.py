"""A few frames of a clip, at random places: by PyAV from the front, or by decord, which jumps to them.

Both give the same pixels. decord numbers stored frames instead of timing them and shows them as they are stored; what
it cannot show the same way (turned pictures, pixels that are not square, transparency, folders of images, other numbers
of frames) PyAV reads.
"""

import os
from collections.abc import Sequence
from typing import Any

import numpy as np

from gmbench.errors import InputError, PackageError
from gmbench.media.formats import Frames
from gmbench.media.video import Video
from gmbench.names import closest

READERS = ("pyav", "decord")
VARIABLE = "GMBENCH_READER"


def few_frames(video: Video, indices: Sequence[int], reader: str | None = None) -> Frames:
    """Frames (n, H, W, 3) at 25 fps of these numbers, in the order in which they are asked for.

    Args:
        video: opened.
        indices: from 0 to the number of frames less one.
        reader: ``pyav``, or ``decord`` where few of many frames are wanted: it decodes from the nearest key frame on;
            what ``GMBENCH_READER`` says by default, else ``pyav``.

    Raises:
        InputError: an unknown reader, or a number outside of the clip. MediaError: the video cannot be read.
        PackageError: decord is not installed.
    """
    reader = reader or os.environ.get(VARIABLE) or READERS[0]
    if reader not in READERS:
        raise InputError(f"unknown reader {reader!r}; {closest(reader, READERS)}")
    wanted = np.asarray(indices, np.int64)
    if len(wanted) and (wanted.min() < 0 or wanted.max() >= video.info.frames):
        raise InputError(f"{video.path}: expected frames from 0 to {video.info.frames - 1}, got {wanted.tolist()}")
    if reader == "decord" and len(wanted) and video.shown_as_stored:
        frames = _by_decord(video, video.source_indices[wanted])
        if frames is not None:
            return frames
    return _from_the_front(video, wanted)


def _from_the_front(video: Video, wanted: Any) -> Frames:
    last = int(wanted.max(initial=-1))
    chosen, found = set(wanted.tolist()), {}
    for index, frame in enumerate(video if last >= 0 else ()):
        if index in chosen:
            found[index] = frame
        if index == last < video.info.frames - 1:  # to the end it is read where that costs nothing: damage is noticed
            break
    shape = (0, video.info.height, video.info.width, 3)
    return np.stack([found[index] for index in wanted.tolist()]) if found else np.empty(shape, np.uint8)


def _by_decord(video: Video, stored: Any) -> Frames | None:
    """Stored frames by their numbers; None where decord counts or sizes them differently."""
    try:
        import decord
    except ModuleNotFoundError as error:
        raise PackageError("the package decord is not installed: pip install decord, or read with pyav") from error
    try:
        reader = decord.VideoReader(str(video.path), num_threads=1)
        if len(reader) != video.info.source_frames:
            return None
        frames = np.asarray(reader.get_batch(stored.tolist()).asnumpy(), np.uint8)
    except (decord.DECORDError, RuntimeError):
        return None
    return frames if frames.shape[1:3] == (video.info.height, video.info.width) else None
