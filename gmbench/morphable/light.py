"""Spherical-harmonics light: nine bands a colour channel on the rotated normals. Source: FaceVerse v3."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

BANDS = 9
AMBIENT = 0.8
_A0, _A1, _A2 = np.pi, 2 * np.pi / np.sqrt(3), 2 * np.pi / np.sqrt(8)
_C0, _C1, _C2 = 1 / np.sqrt(4 * np.pi), np.sqrt(3) / np.sqrt(4 * np.pi), 3 * np.sqrt(5) / np.sqrt(12 * np.pi)
_D0 = 1 / (2 * np.sqrt(3))


def canonical_light() -> NDArray[np.float64]:
    """(3, 9) constant light of the images that generators see: channels by bands."""
    return np.tile(np.array([0.1, -0.2, 0.2, 0.0, -0.1, 0.0, 0.0, 0.0, 0.0]), (3, 1))


def harmonics(normals: Any) -> Any:
    """(..., 3) unit normals to the basis H (..., 9); numpy arrays or torch tensors."""
    x, y, z = normals[..., 0], normals[..., 1], normals[..., 2]
    bands = [
        0 * x + _A0 * _C0,
        -_A1 * _C1 * y,
        _A1 * _C1 * z,
        -_A1 * _C1 * x,
        _A2 * _C2 * x * y,
        -_A2 * _C2 * y * z,
        _A2 * _C2 * _D0 * (3 * z * z - 1),
        -_A2 * _C2 * x * z,
        0.5 * _A2 * _C2 * (x * x - y * y),
    ]
    if isinstance(normals, np.ndarray):
        return np.stack(bands, axis=-1)
    import torch

    return torch.stack(bands, dim=-1)


def shade(albedo: Any, normals: Any, light: Any) -> Any:
    """Colours (..., 3) of albedo (..., 3) under light (3, 9) on unit normals (..., 3): albedo H (l + [0.8, 0, ...])."""
    basis = harmonics(normals)
    return albedo * (basis @ light.T + AMBIENT * _A0 * _C0)
