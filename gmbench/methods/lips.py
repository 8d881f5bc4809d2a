"""How expressions move the lips: what a loss on the lips weighs."""

from collections.abc import Sequence

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from gmbench.face.landmarks_68 import mesh_vertices
from gmbench.metrics.landmarks import MOUTH
from gmbench.morphable.model import FaceModel


def lip_motion(model: FaceModel) -> NDArray[np.float32]:
    """Motion (169, 60) of the mouth's 20 landmarks along x, y and z by each expression column, in model units."""
    rows = model.landmarks[mesh_vertices()[MOUTH]]
    basis = model.expression_basis[rows][..., model.beta_columns]  # (20, 3, 169)
    return np.ascontiguousarray(basis.reshape(-1, basis.shape[-1]).T)


def scaled_lips(lips: NDArray[np.float32], tracks: Sequence[NDArray[np.float32]]) -> Tensor:
    """Motion of the lips by standardised columns (n, 60), so that it varies as much as all columns of tracks (T, n)."""
    moved = np.concatenate([track @ lips for track in tracks])
    return torch.from_numpy(lips * (len(lips) / moved.var(axis=0).sum()) ** 0.5)
