"""A picture of how far the head generator is, while it trains: real frames above what it draws."""

import time
from collections.abc import Sequence
from pathlib import Path

import cv2
import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from gmbench.store import write_atomically

FIRST, EVERY = 60.0, 120.0
"""Seconds until the first picture, and between later ones."""
SHOWN = 4


class Preview:
    """Writes a JPEG now and then.

    Args:
        path: of the picture; None for none.
        frames: number of frames to choose from, of which :data:`SHOWN` are shown.
    """

    def __init__(self, path: Path | None, frames: int) -> None:
        self.path = path
        self.chosen: Sequence[int] = [int(n) for n in np.unique(np.linspace(0, frames - 1, SHOWN).astype(int))]
        self._next = time.monotonic() + FIRST

    @property
    def due(self) -> bool:
        """Whether it is time for another picture."""
        return self.path is not None and time.monotonic() >= self._next

    def write(self, generator: nn.Module, condition: Tensor, real: Tensor, style: Tensor) -> None:
        """Draw and write.

        Args:
            generator: in training; nothing of it changes.
            condition: (N, 4, S, S) inputs. real: (N, 3, S, S) in [-1, 1]. style: (N, d).
        """
        self._next = time.monotonic() + EVERY
        if self.path is None:
            return
        with torch.no_grad(), torch.random.fork_rng():
            drawn = generator(condition, style)
        rows = [np.concatenate(list(_picture(part)), axis=1) for part in (real, drawn)]
        data = cv2.imencode(".jpg", np.concatenate(rows)[..., ::-1], [cv2.IMWRITE_JPEG_QUALITY, 90])[1]
        write_atomically(self.path, bytes(data))


def _picture(values: Tensor) -> NDArray[np.uint8]:
    """(N, S, S, 3) of (N, 3, S, S) in [-1, 1]."""
    shown = values.detach().float().cpu().clamp(-1, 1).permute(0, 2, 3, 1).numpy()
    return np.rint((shown + 1) * 127.5).astype(np.uint8)
