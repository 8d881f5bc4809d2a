"""Batches of tracks for training: random windows of clips, and clips drawn so that labels are equally likely.

All draws come from torch's global generator, so that a resumed training draws the same.
"""

from collections.abc import Sequence

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import Tensor


class WindowSampler:
    """Random windows of clips as padded batches.

    Args:
        tracks: for each clip its arrays (T, n), all of the clip's length.
        window: least and greatest number of frames.
    """

    def __init__(self, tracks: Sequence[Sequence[NDArray[np.float32]]], window: tuple[int, int]) -> None:
        self.tracks, self.window = tracks, window

    def batch(self, chosen: Sequence[int]) -> tuple[list[Tensor], Tensor]:
        """Each track of the chosen clips (B, T, n), and the mask (B, T); T is drawn from the window."""
        low, high = self.window
        length = int(torch.randint(low, high + 1, ()))
        parts: list[list[Tensor]] = []
        valid = torch.zeros(len(chosen), length, dtype=torch.bool)
        for row, number in enumerate(chosen):
            clip = self.tracks[number]
            frames = len(clip[0])
            first = int(torch.randint(0, max(1, frames - length + 1), ()))
            taken = min(length, frames - first)
            valid[row, :taken] = True
            parts.append([_padded(track[first : first + taken], length) for track in clip])
        used = int(valid.any(0).sum())
        return [torch.stack(column)[:, :used] for column in zip(*parts, strict=True)], valid[:, :used]


def audio_windows(audio: Tensor, halfwidth: int) -> Tensor:
    """(T, 2h + 1, a): features around each frame of (T, a), zeros beyond the ends."""
    padded = F.pad(audio, (0, 0, halfwidth, halfwidth))
    return padded.unfold(0, 2 * halfwidth + 1, 1).transpose(1, 2)


def draw_balanced(labels: Sequence[str], count: int) -> list[int]:
    """Indices of ``count`` labels, drawn so that every distinct label is equally likely."""
    groups: dict[str, list[int]] = {}
    for index, label in enumerate(labels):
        groups.setdefault(label, []).append(index)
    names = sorted(groups)
    result = []
    for place in torch.randint(0, len(names), (count,)).tolist():
        members = groups[names[place]]
        result.append(members[int(torch.randint(0, len(members), ()))])
    return result


def _padded(track: NDArray[np.float32], length: int) -> Tensor:
    return torch.from_numpy(np.pad(track, ((0, length - len(track)), (0, 0))).astype(np.float32))
