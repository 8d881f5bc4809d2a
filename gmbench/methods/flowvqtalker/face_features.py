"""Where brows, eyes and mouth are in a picture: what counts more than a forehead or a wall."""

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import Tensor

from gmbench.morphable.landmarks_478 import LEFT_BROW, LEFT_EYE, LIPS_INNER, LIPS_OUTER, RIGHT_BROW, RIGHT_EYE

FEATURES = np.unique(np.concatenate([LEFT_BROW, LEFT_EYE, LIPS_INNER, LIPS_OUTER, RIGHT_BROW, RIGHT_EYE]))

CELLS = 16
"""A side of the picture, where features are looked for."""


def feature_weights(landmarks: NDArray[np.float32], side: int, face: float, device: torch.device) -> Tensor | None:
    """Weights (B, 1, S, S) of pixels, 1 + ``face`` at brows, eyes and mouth; None where ``face`` is 0.

    Args:
        landmarks: (B, 478, 2) in pixels; NaN where there is no face.
        side: S. face: further weight. device: of the weights.
    """
    if not face:
        return None
    covered = feature_cells(landmarks, side, CELLS)
    return 1 + face * F.interpolate(covered, (side, side)).to(device)


def weighted_l1(drawn: Tensor, target: Tensor, weights: Tensor | None) -> Tensor:
    """Mean absolute difference of pictures (B, 3, S, S), each pixel times its weight (B, 1, S, S)."""
    error = (drawn - target).abs()
    return error.mean() if weights is None else (weights * error).mean()


def feature_cells(landmarks: NDArray[np.float32], side: int, cells: int) -> Tensor:
    """(B, 1, cells, cells): 1 in cells with a landmark of brows, eyes or mouth and beside them, 0 elsewhere.

    Args:
        landmarks: (B, 478, 2) in pixels, x before y; NaN where there is no face, which gives zeros.
        side: of the pictures in pixels.
        cells: a side of the picture.
    """
    points = landmarks[:, FEATURES] * (cells / side)
    frames, numbers = np.nonzero(np.isfinite(points).all(-1))
    x, y = np.clip(points[frames, numbers].astype(int), 0, cells - 1).T
    covered = torch.zeros(len(landmarks), 1, cells, cells)
    covered[frames, 0, y, x] = 1
    return F.max_pool2d(covered, 3, 1, 1)
