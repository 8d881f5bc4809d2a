"""Pose and perspective camera of the face model.

Axes: x to the right of the image, y down, z away from the camera, which stands at z = -10. A point of depth
D = z + 10 falls on u = f x / D + S / 2, v = f y / D + S / 2 with f = 1315 S / 512. Rotation is
R = Rz(r_z) Ry(r_y) Rx(r_x) about the model's origin. Source: FaceVerse v3.
"""

from typing import Any

import numpy as np
from numpy.typing import NDArray

DISTANCE = 10.0
FOCAL = 1315.0 / 512.0
"""Focal length over the image's side."""


def rotation_matrix(angles: NDArray[np.floating]) -> NDArray[np.float64]:
    """(..., 3) Euler angles x, y, z in radians to rotation matrices (..., 3, 3)."""
    x, y, z = _elementary(np.asarray(angles, np.float64))
    return np.asarray(z @ y @ x)


def rotation_derivatives(angles: NDArray[np.floating]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Rotation (3, 3) and its derivatives (3, 3, 3) by the three angles (first axis)."""
    x, y, z = _elementary(np.asarray(angles, np.float64))
    # d/da of a rotation about an axis is its cross-product matrix times the rotation
    dx, dy, dz = _CROSS[0] @ x, _CROSS[1] @ y, _CROSS[2] @ z
    return z @ y @ x, np.stack([z @ y @ dx, z @ dy @ x, dz @ y @ x])


def project(points: Any, side: float) -> tuple[Any, Any]:
    """Points (..., 3) in camera axes to pixels (..., 2) and depths (...); numpy arrays or torch tensors.

    Args:
        points: placed vertices.
        side: of the square image in pixels.
    """
    depth = points[..., 2] + DISTANCE
    return points[..., :2] / depth[..., None] * (FOCAL * side) + side / 2, depth


_CROSS = np.array([
    [[0, 0, 0], [0, 0, -1], [0, 1, 0]],
    [[0, 0, 1], [0, 0, 0], [-1, 0, 0]],
    [[0, -1, 0], [1, 0, 0], [0, 0, 0]],
], dtype=np.float64)  # fmt: skip


def _elementary(angles: NDArray[np.float64]) -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.float64]]:
    cosine, sine = np.cos(angles), np.sin(angles)
    result = np.zeros((3, *angles.shape[:-1], 3, 3))
    for axis in range(3):
        a, b = (axis + 1) % 3, (axis + 2) % 3
        result[axis, ..., axis, axis] = 1.0
        result[axis, ..., a, a] = result[axis, ..., b, b] = cosine[..., axis]
        result[axis, ..., b, a], result[axis, ..., a, b] = sine[..., axis], -sine[..., axis]
    return result[0], result[1], result[2]
