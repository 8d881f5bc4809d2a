"""Head pose in degrees: pitch, yaw, roll.

R = Rz(roll) Ry(yaw) Rx(pitch) in camera axes x right, y up, z towards the viewer. Pitch is positive
when the head looks down, yaw when the nose points to the right of the image, roll when the head tilts
to the left of the image (counter-clockwise).
"""

import cv2
import numpy as np
from numpy.typing import NDArray

from gmbench.face.landmarks_68 import template_3d

FOCAL_PER_HEIGHT = 1.0 / (2.0 * np.tan(np.radians(63.0) / 2.0))
"""Focal length over image height of MediaPipe's virtual camera (63 degrees vertical field of view)."""

RIGID = np.r_[0:3, 14:48]
"""Points that PnP uses: ends of the jaw line, eyebrows, nose and eyes; the rest of the jaw moves with speech."""

_Y_Z_FLIP = np.diag([1.0, -1.0, -1.0])


def euler_from_matrix(rotation: NDArray[np.float64]) -> NDArray[np.float64]:
    """Rotation matrices (..., 3, 3) to (..., 3) pitch, yaw, roll in degrees.

    pitch = atan2(R21, R22), yaw = atan2(-R20, sqrt(R00^2 + R10^2)), roll = atan2(R10, R00), 0-based,
    the inverse of R = Rz(roll) Ry(yaw) Rx(pitch).
    """
    r = rotation
    pitch = np.arctan2(r[..., 2, 1], r[..., 2, 2])
    yaw = np.arctan2(-r[..., 2, 0], np.hypot(r[..., 0, 0], r[..., 1, 0]))
    roll = np.arctan2(r[..., 1, 0], r[..., 0, 0])
    return np.asarray(np.degrees(np.stack([pitch, yaw, roll], axis=-1)))


def matrix_from_euler(angles: NDArray[np.float64]) -> NDArray[np.float64]:
    """(3,) pitch, yaw, roll in degrees to the rotation matrix (3, 3)."""
    (cx, cy, cz), (sx, sy, sz) = np.cos(np.radians(angles)), np.sin(np.radians(angles))
    rx = np.array([[1, 0, 0], [0, cx, -sx], [0, sx, cx]])
    ry = np.array([[cy, 0, sy], [0, 1, 0], [-sy, 0, cy]])
    rz = np.array([[cz, -sz, 0], [sz, cz, 0], [0, 0, 1]])
    return np.asarray(rz @ ry @ rx)


def pose_from_matrices(matrices: NDArray[np.float64]) -> NDArray[np.float64]:
    """MediaPipe face matrices (T, 4, 4) to a pose series (T, 3); scale is divided out, NaN stays."""
    rotation = matrices[:, :3, :3]
    return euler_from_matrix(rotation / np.linalg.norm(rotation, axis=1, keepdims=True))


def pose_from_landmarks(landmarks: NDArray[np.float64], height: int, width: int) -> NDArray[np.float64]:
    """Head pose of 68-point landmarks by PnP against the canonical face.

    Args:
        landmarks: (T, 68, 2) pixels; NaN rows give NaN.
        height, width: of the frame; the camera is MediaPipe's (63 degrees, principal point in the
            middle), so a tight crop shifts the angles a little.

    Returns:
        (T, 3) degrees.
    """
    focal = FOCAL_PER_HEIGHT * height
    camera = np.array([[focal, 0, width / 2], [0, focal, height / 2], [0, 0, 1]])
    result = np.full((len(landmarks), 3), np.nan)
    model = template_3d()[RIGID]
    for t, points in enumerate(landmarks):
        if not np.isfinite(points).all():
            continue
        image = np.ascontiguousarray(points[RIGID])
        solved, turn, shift = cv2.solvePnP(model, image, camera, None, flags=cv2.SOLVEPNP_SQPNP)
        if not solved:
            continue
        turn, _ = cv2.solvePnPRefineLM(model, image, camera, None, turn, shift)
        rotation, _ = cv2.Rodrigues(turn)
        result[t] = euler_from_matrix(_Y_Z_FLIP @ rotation)
    return result
