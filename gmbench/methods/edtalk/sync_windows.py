"""Runs of frames whose lips a network sees beside their sound."""

from collections.abc import Sequence

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from gmbench.methods.edtalk.frames import TrainingFrames, lower_faces
from gmbench.methods.edtalk.mouths import crop_boxes
from gmbench.methods.edtalk.sounds import ClipMels
from gmbench.methods.edtalk.teachers import SYNC_FRAMES
from gmbench.nn.pictures import to_signed


class SyncWindows:
    """Runs of five frames with a face in a row, and the lower halves of their faces.

    Args:
        frames: to draw from.
        numbers: clips.
        length: frames of a run.
    """

    def __init__(self, frames: TrainingFrames, numbers: Sequence[int], length: int = SYNC_FRAMES) -> None:
        self.frames, self.length = frames, length
        self.starts = {n: starts for n in numbers if len(starts := _starts(frames.of_clip[n], length))}
        self.clips = list(self.starts)

    def draw(self, count: int) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """Clips, equally likely, and the first frame of a run of each; by torch's global generator."""
        chosen = np.array(self.clips)[torch.randint(0, len(self.clips), (count,)).numpy()]
        first = [starts[int(torch.randint(0, len(starts), ()))] for starts in (self.starts[int(n)] for n in chosen)]
        return chosen, np.array(first)

    def sounds(self, mels: ClipMels, clips: NDArray[np.int64], first: NDArray[np.int64]) -> Tensor:
        """(B, 80, 16) mel windows that start with the runs."""
        own = self.frames.people.clips
        pairs = zip(clips.tolist(), first.tolist(), strict=True)
        heard = [mels.windows(clip, np.array([row - own[clip].first]), frames_before=0) for clip, row in pairs]
        return torch.from_numpy(np.concatenate(heard))

    def lips(self, first: NDArray[np.int64], size: tuple[int, int]) -> Tensor:
        """(B, 15, h, w) lower halves of the faces of runs, side by side in the channels."""
        rows = (first[:, None] + np.arange(SYNC_FRAMES)).reshape(-1)
        frames = self.frames
        pictures = to_signed(torch.from_numpy(np.asarray(frames.people.frames[rows])))
        return self.crops(pictures, rows, size)

    def crops(self, pictures: Tensor, rows: NDArray[np.int64], size: tuple[int, int]) -> Tensor:
        """(B, 15, h, w) lower halves of the faces of pictures (5 B, 3, S, S) that stand for frames (5 B,)."""
        boxes = lower_faces(self.frames.points[rows]) * (pictures.shape[-1] / self.frames.side)
        return stack_lips(crop_boxes(pictures, torch.from_numpy(boxes).to(pictures), *size))


def stack_lips(crops: Tensor) -> Tensor:
    """(B, 15, h, w) of crops (5 B, 3, h, w), five of a run after one another."""
    return crops.view(-1, SYNC_FRAMES * crops.shape[1], *crops.shape[2:])


def _starts(rows: NDArray[np.int64], length: int) -> NDArray[np.int64]:
    """Frames that begin a run of so many without a gap."""
    if len(rows) < length:
        return rows[:0]
    begin = rows[: len(rows) - length + 1]
    return begin[rows[length - 1 :] - begin == length - 1]
