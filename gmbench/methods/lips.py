"""Lips in training: how expressions move them, what a loss weighs, and which frames have them open alike."""

from collections.abc import Sequence

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from gmbench.face.landmarks_68 import mesh_vertices
from gmbench.metrics.landmarks import MOUTH
from gmbench.morphable.landmarks_478 import LEFT_EYE, MOUTH_LOWER, MOUTH_UPPER, RIGHT_EYE
from gmbench.morphable.model import FaceModel

OPENINGS = 8
"""Groups of frames by how far their lips are open."""


def lip_motion(model: FaceModel) -> NDArray[np.float32]:
    """Motion (169, 60) of the mouth's 20 landmarks along x, y and z by each expression column, in model units."""
    rows = model.landmarks[mesh_vertices()[MOUTH]]
    basis = model.expression_basis[rows][..., model.beta_columns]  # (20, 3, 169)
    return np.ascontiguousarray(basis.reshape(-1, basis.shape[-1]).T)


def scaled_lips(lips: NDArray[np.float32], tracks: Sequence[NDArray[np.float32]]) -> Tensor:
    """Motion of the lips by standardised columns (n, 60), so that it varies as much as all columns of tracks (T, n)."""
    moved = np.concatenate([track @ lips for track in tracks])
    return torch.from_numpy(lips * (len(lips) / moved.var(axis=0).sum()) ** 0.5)


def by_opening(landmarks: NDArray[np.float32]) -> list[NDArray[np.int64]]:
    """Rows of landmarks (M, 478, 2) in at most :data:`OPENINGS` groups of equal width by how far lips are open.

    The distance of the inner lips counts in distances of the eyes; the widest hundredth is one with what comes before
    it. Frames without landmarks are in no group.
    """
    eyes = np.linalg.norm(landmarks[:, LEFT_EYE].mean(1) - landmarks[:, RIGHT_EYE].mean(1), axis=-1)
    with np.errstate(invalid="ignore", divide="ignore"):
        opening = np.linalg.norm(landmarks[:, MOUTH_UPPER] - landmarks[:, MOUTH_LOWER], axis=-1) / eyes
    known = np.flatnonzero(np.isfinite(opening))
    if not len(known):
        return []
    least, most = np.quantile(opening[known], (0, 0.99))
    group = ((opening[known] - least) / max(most - least, 1e-6) * OPENINGS).astype(int).clip(0, OPENINGS - 1)
    return [known[group == number] for number in range(OPENINGS) if (group == number).any()]
