"""Weights over time from videos that drive mouth, pose or expression."""

from collections.abc import Iterator, Mapping, Sequence
from itertools import islice
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

from gmbench.errors import InputError
from gmbench.media import Frames, Video
from gmbench.methods.edtalk.animator import Animator
from gmbench.methods.edtalk.encoding import BATCH, encode
from gmbench.methods.pictures import resize
from gmbench.nn.pictures import to_signed

Floats = NDArray[np.float32]


def video_weights(animator: Animator, path: Path, names: Sequence[str]) -> dict[str, Floats]:
    """Weights (T, n) in some spaces of a video's frames.

    Raises:
        InputError: frames that are not square, or none.
    """
    parts = [encode(animator, signed(animator, frames), names) for frames in _batches(_square(path))]
    if not parts:
        raise InputError(f"{path}: no frames")
    return {name: np.concatenate([part[name] for part in parts]) for name in names}


def driven_weights(animator: Animator, drivers: Mapping[str, Path], frames: int, window: int) -> dict[str, Floats]:
    """Weights (frames, n) by space of the videos that drive them; each video is read once.

    A short video is played to and fro, a long one cut; expressions are averaged over a window of frames.
    """
    result: dict[str, Floats] = {}
    for path in dict.fromkeys(drivers.values()):
        names = [name for name, other in drivers.items() if other == path]
        for name, track in video_weights(animator, path, names).items():
            averaged = window_mean(track, window) if name == "expression" else track
            result[name] = averaged[to_and_fro(len(track), frames)]
    return result


def to_and_fro(length: int, frames: int) -> NDArray[np.int64]:
    """Numbers (frames,) of a clip's frames, played to its end, back to its start, and so on."""
    period = max(1, 2 * (length - 1))
    place = np.arange(frames) % period
    return np.minimum(place, period - place) if length > 1 else np.zeros(frames, np.int64)


def window_mean(track: Floats, window: int) -> Floats:
    """Mean (T, n) over ``window`` frames around each frame, the first and last one repeated beyond the ends."""
    before = window // 2
    padded = np.pad(track, ((before, window - 1 - before), (0, 0)), mode="edge")
    return np.asarray(np.lib.stride_tricks.sliding_window_view(padded, window, axis=0).mean(-1), np.float32)


def signed(animator: Animator, frames: Sequence[Frames]) -> torch.Tensor:
    """(B, 3, S, S) in [-1, 1] of square pictures of any side."""
    side = animator.settings.side
    return to_signed(torch.from_numpy(np.stack([resize(np.asarray(frame), side) for frame in frames])))


def _batches(frames: Iterator[Frames]) -> Iterator[Sequence[Frames]]:
    while batch := list(islice(frames, BATCH)):
        yield batch


def _square(path: Path) -> Iterator[Frames]:
    for frame in Video(path):
        if frame.shape[0] != frame.shape[1]:
            size = f"{frame.shape[1]}x{frame.shape[0]}"
            raise InputError(f"{path}: expected a square video of the face, as crops are, got {size}")
        yield frame
