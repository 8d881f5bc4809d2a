"""Crops and alignments of the published protocols: geometry and warps.

``eat128`` (EAT evaluation), ``syncnet_s3fd`` (official SyncNet), ``fan224`` (Emotion-FAN chip).
All landmarks are (68, 2) pixels.
"""

import cv2
import numpy as np
from numpy.typing import NDArray
from scipy.signal import medfilt

from gmbench.face.landmarks_68 import eat_template

Frame = NDArray[np.uint8]
Similarity = NDArray[np.float64]
"""(2, 3) matrix: scale times rotation, and shift."""

EAT_SIZE = 128
EAT_POINTS = slice(27, 45)
SYNCNET_SIZE = 224
SYNCNET_SCALE = 0.40
SYNCNET_BORDER = 110
CHIP_SIZE = 224
CHIP_PADDING = 0.25
_CHIP_POINTS = (45, 42, 36, 39, 33)
_CHIP_SHAPE = np.array(
    [
        [0.8595674595992, 0.2134981538014],
        [0.6460604764104, 0.2289674387677],
        [0.1205750620789, 0.2137274526848],
        [0.3340850613712, 0.2290642403242],
        [0.4901123135679, 0.6277975316475],
    ]
)
"""dlib's five-point mean face in the unit square: outer and inner corners of both eyes, nose base."""


def fit_similarity(source: NDArray[np.float64], target: NDArray[np.float64]) -> Similarity:
    """Least-squares scale, rotation and shift that takes source (n, 2) to target (n, 2).

    Raises:
        ValueError: shapes differ, or the source points coincide.

    Source: Umeyama, IEEE TPAMI 13(4), 1991, for two dimensions.
    """
    if source.shape != target.shape or source.ndim != 2 or source.shape[1] != 2:
        raise ValueError(f"expected two arrays of one shape (n, 2), got {source.shape} and {target.shape}")
    mean_source, mean_target = source.mean(axis=0), target.mean(axis=0)
    a, b = (source - mean_source).T, (target - mean_target).T
    spread = (a**2).sum()
    if not spread > 0:
        raise ValueError("expected source points that do not coincide")
    cosine = (a * b).sum() / spread
    sine = (a[0] * b[1] - a[1] * b[0]).sum() / spread
    rotation = np.array([[cosine, -sine], [sine, cosine]])
    return np.column_stack([rotation, mean_target - rotation @ mean_source])


def transform_points(matrix: Similarity, points: NDArray[np.float64]) -> NDArray[np.float64]:
    """Apply a (2, 3) matrix to points (..., 2)."""
    return np.asarray(points @ matrix[:, :2].T + matrix[:, 2])


def eat128_matrix(landmarks: NDArray[np.float64]) -> Similarity:
    """Similarity from frame pixels to the 128-pixel crop: nose and eye points 27-44 onto the template.

    The canvas is 163 pixels wide and the crop its rows and columns 1 to 128, hence the shift by one.
    """
    return fit_similarity(landmarks[EAT_POINTS], eat_template()[EAT_POINTS] - 1.0)


def eat128_crop(frame: Frame, landmarks: NDArray[np.float64]) -> Frame:
    """Aligned face crop (128, 128, 3) of the EAT evaluation, bilinear; not re-encoded."""
    size = (EAT_SIZE, EAT_SIZE)
    return np.asarray(cv2.warpAffine(frame, eat128_matrix(landmarks), size, flags=cv2.INTER_LINEAR), np.uint8)


def eat128_landmarks(landmarks: NDArray[np.float64]) -> NDArray[np.float64]:
    """Landmarks (T, 68, 2) of frames in the pixels of each frame's own eat128 crop; NaN stays NaN."""
    result = np.full(landmarks.shape, np.nan)
    for t in np.flatnonzero(np.isfinite(landmarks).all(axis=(1, 2))):
        result[t] = transform_points(eat128_matrix(landmarks[t]), landmarks[t])
    return result


def syncnet_track(boxes: NDArray[np.float64]) -> NDArray[np.float64]:
    """Smooth a face track as the SyncNet pipeline does.

    Args:
        boxes: (T, 4) left, top, right, bottom in pixels; NaN rows are interpolated linearly.

    Returns:
        (T, 3) half-size, centre x, centre y, each median-filtered over 13 frames (zero-padded ends).

    Raises:
        ValueError: not (T, 4), or no valid box.
    """
    if boxes.ndim != 2 or boxes.shape[1] != 4:
        raise ValueError(f"expected boxes (T, 4), got {boxes.shape}")
    valid = np.isfinite(boxes).all(axis=1)
    if not valid.any():
        raise ValueError("expected at least one valid box")
    time = np.arange(len(boxes))
    left, top, right, bottom = (np.interp(time, time[valid], boxes[valid, i]) for i in range(4))
    half = np.maximum(right - left, bottom - top) / 2
    return np.stack([medfilt(v, 13) for v in (half, (left + right) / 2, (top + bottom) / 2)], axis=1)


def syncnet_crop(frame: Frame, half: float, centre_x: float, centre_y: float) -> Frame:
    """Square SyncNet crop (224, 224, 3): side 2.8 s, shifted down by 0.4 s, outside pixels 110."""
    side = half * (1 + 2 * SYNCNET_SCALE) + half
    pad = int(half * (1 + 2 * SYNCNET_SCALE))
    padded = cv2.copyMakeBorder(frame, pad, pad, pad, pad, cv2.BORDER_CONSTANT, value=(SYNCNET_BORDER,) * 3)
    x, y = centre_x + pad, centre_y + pad
    rows = slice(int(y - half), int(y - half + side))
    columns = slice(int(x - half * (1 + SYNCNET_SCALE)), int(x + half * (1 + SYNCNET_SCALE)))
    size = (SYNCNET_SIZE, SYNCNET_SIZE)
    return np.asarray(cv2.resize(padded[rows, columns], size, interpolation=cv2.INTER_LINEAR), np.uint8)


def fan224_matrix(landmarks: NDArray[np.float64]) -> Similarity:
    """Similarity from frame pixels to dlib's 224-pixel face chip with padding 0.25."""
    target = (_CHIP_SHAPE + CHIP_PADDING) / (1 + 2 * CHIP_PADDING) * CHIP_SIZE
    return fit_similarity(landmarks[list(_CHIP_POINTS)], target)
