"""Weights of many frames: a trained animator looks at clips and videos, some pictures at a time."""

from collections.abc import Iterator, Sequence

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from gmbench.methods.edtalk.animator import Animator
from gmbench.methods.edtalk.frames import TrainingFrames

BATCH = 16
"""Pictures that are looked at at once."""


@torch.inference_mode()
def encode_clips(
    animator: Animator, frames: TrainingFrames, clips: Sequence[NDArray[np.int64]], names: Sequence[str]
) -> dict[str, list[NDArray[np.float32]]]:
    """Weights (T, n) in some spaces of each list of frames."""
    animator.eval()
    result: dict[str, list[NDArray[np.float32]]] = {name: [] for name in names}
    for rows in clips:
        parts = [encode(animator, frames.pictures(part), names) for part in _split(rows)]
        for name in names:
            result[name].append(np.concatenate([part[name] for part in parts]))
    return result


@torch.inference_mode()
def encode(animator: Animator, pictures: Tensor, names: Sequence[str]) -> dict[str, NDArray[np.float32]]:
    """Weights (B, n) in some spaces of pictures (B, 3, S, S), which are brought to the animator's device."""
    weights = animator.weights(pictures.to(animator.generator.start.device), names)
    return {name: np.asarray(part.cpu().numpy()) for name, part in weights.items()}


def _split(rows: NDArray[np.int64]) -> Iterator[NDArray[np.int64]]:
    for first in range(0, len(rows), BATCH):
        yield rows[first : first + BATCH]
