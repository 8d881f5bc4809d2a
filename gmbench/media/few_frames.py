"""A few frames of a clip, at random places: by PyAV from the front, or by decord or torchcodec, which jump to them.

All give the same pixels, but for ``torchcodec-cuda``, which decodes on the graphics card: there colours are computed
otherwise, to within one level. Both number stored frames instead of timing them and show them as they are stored; what
they cannot show the same way (turned pictures, pixels that are not square, transparency, folders of images, other
numbers of frames) PyAV reads.
"""

import os
from collections.abc import Sequence
from typing import Any

import numpy as np

from gmbench.errors import InputError, PackageError
from gmbench.media.formats import Frames
from gmbench.media.video import Video
from gmbench.names import closest

ON_CARD = "torchcodec-cuda"
READERS = ("pyav", "decord", "torchcodec", ON_CARD)
VARIABLE = "GMBENCH_READER"


def chosen_reader() -> str:
    """The reader that ``GMBENCH_READER`` names, else ``pyav``."""
    return os.environ.get(VARIABLE) or READERS[0]


def few_frames(video: Video, indices: Sequence[int], reader: str | None = None) -> Frames:
    """Frames (n, H, W, 3) at 25 fps of these numbers, in the order in which they are asked for.

    Args:
        video: opened.
        indices: from 0 to the number of frames less one.
        reader: of :data:`READERS`; all but ``pyav`` decode from the nearest key frame on. :func:`chosen_reader`'s by
            default.

    Raises:
        InputError: an unknown reader, or a number outside of the clip. MediaError: the video cannot be read.
        PackageError: the reader's package is not installed.
    """
    reader = reader or chosen_reader()
    if reader not in READERS:
        raise InputError(f"unknown reader {reader!r}; {closest(reader, READERS)}")
    wanted = np.asarray(indices, np.int64)
    if len(wanted) and (wanted.min() < 0 or wanted.max() >= video.info.frames):
        raise InputError(f"{video.path}: expected frames from 0 to {video.info.frames - 1}, got {wanted.tolist()}")
    if reader != "pyav" and len(wanted) and video.shown_as_stored:
        stored = video.source_indices[wanted].tolist()
        frames = _by_decord(video, stored) if reader == "decord" else _by_torchcodec(video, stored, reader == ON_CARD)
        if frames is not None and frames.shape[1:3] == (video.info.height, video.info.width):
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


def _by_decord(video: Video, stored: list[int]) -> Frames | None:
    """Stored frames by their numbers; None where decord cannot, or counts them differently."""
    try:
        import decord
    except ModuleNotFoundError as error:
        raise PackageError("the package decord is not installed: pip install decord, or read with pyav") from error
    try:
        reader = decord.VideoReader(str(video.path), num_threads=1)
        if len(reader) != video.info.source_frames:
            return None
        return np.asarray(reader.get_batch(stored).asnumpy(), np.uint8)
    except (decord.DECORDError, RuntimeError):
        return None


def _by_torchcodec(video: Video, stored: list[int], on_card: bool) -> Frames | None:
    """Stored frames by their numbers; None where torchcodec cannot, or counts them differently."""
    try:
        from torchcodec.decoders import VideoDecoder
    except ModuleNotFoundError as error:
        raise PackageError(
            "the package torchcodec is not installed: pip install torchcodec, or read with pyav"
        ) from error
    except (ImportError, RuntimeError, OSError) as error:  # without the libraries of FFmpeg, or for another torch
        raise PackageError(
            f"torchcodec cannot be loaded ({str(error).strip().splitlines()[0]}); read with pyav"
        ) from error
    device = "cuda" if on_card else "cpu"
    try:
        decoder = VideoDecoder(str(video.path), dimension_order="NHWC", num_ffmpeg_threads=1, device=device)
        if len(decoder) != video.info.source_frames:
            return None
        return np.asarray(decoder.get_frames_at(stored).data.cpu().numpy(), np.uint8)
    except (RuntimeError, ValueError):
        return None
