"""Switched-mouth pictures: one face with the mouth of another; EDTalk, section 3.2 and eqs. 3 and 4."""

import cv2
import numpy as np
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import Tensor

from gmbench.face.crops import fit_similarity, transform_points
from gmbench.methods.edtalk.frames import MOUTH, mouth_boxes

RIGHT_EYE, LEFT_EYE, INNER_LIPS = slice(36, 42), slice(42, 48), slice(60, 68)


def switch_mouth(
    host: NDArray[np.uint8], host_points: NDArray[np.float32], donor: NDArray[np.uint8],
    donor_points: NDArray[np.float32], grow: float, feather: float,
) -> tuple[NDArray[np.uint8], NDArray[np.float32]]:  # fmt: skip
    """The host with the donor's mouth, and where the donor's 20 mouth landmarks (20, 2) lie in it.

    The donor is brought to the host by a similarity transform of both eyes' centres and the middle of the inner lips,
    then shifted so that the mouths' centres coincide; a box around both mouths is pasted.

    Args:
        host, donor: (S, S, 3).
        host_points, donor_points: (68, 2) landmarks in pixels; pixel centres lie at halves.
        grow: how far the box reaches beyond the lips, in pixels.
        feather: width of the box's soft edge in pixels.
    """
    matrix = fit_similarity(_anchors(donor_points), _anchors(host_points))
    mouth = transform_points(matrix, donor_points[MOUTH].astype(np.float64))
    matrix[:, 2] += host_points[MOUTH].mean(axis=0) - mouth.mean(axis=0)
    placed = transform_points(matrix, donor_points.astype(np.float64)).astype(np.float32)
    centred = matrix.copy()
    centred[:, 2] += matrix[:, :2] @ (0.5, 0.5) - 0.5  # OpenCV's pixel centres lie at whole numbers
    size = host.shape[1], host.shape[0]
    moved = cv2.warpAffine(donor, centred, size, flags=cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
    share = _share(np.stack([placed, host_points]), host.shape[0], grow, feather)[..., None]
    mixed = np.rint(share * moved + (1 - share) * host)
    return mixed.astype(np.uint8), placed[MOUTH]


def crop_boxes(pictures: Tensor, boxes: Tensor, height: int, width: int) -> Tensor:
    """The content (B, 3, height, width) of boxes (B, 4: left, top, right, bottom, in pixels) of (B, 3, S, S)."""
    side = pictures.shape[-1]
    centres = (boxes[:, :2] + boxes[:, 2:]) / side - 1
    halves = (boxes[:, 2:] - boxes[:, :2]) / side
    theta = pictures.new_zeros(len(boxes), 2, 3)
    theta[:, 0, 0], theta[:, 1, 1] = halves[:, 0], halves[:, 1]
    theta[:, :, 2] = centres
    grid = F.affine_grid(theta, [len(boxes), 3, height, width], align_corners=False)
    return F.grid_sample(pictures, grid, padding_mode="border", align_corners=False)


def _anchors(points: NDArray[np.float32]) -> NDArray[np.float64]:
    parts = [points[part].mean(axis=0) for part in (RIGHT_EYE, LEFT_EYE, INNER_LIPS)]
    return np.stack(parts).astype(np.float64)


def _share(points: NDArray[np.float32], side: int, grow: float, feather: float) -> NDArray[np.float64]:
    """(S, S) in [0, 1]: 1 in the box around both mouths, falling to 0 over the edge outside."""
    boxes = mouth_boxes(points, grow)
    least, most = boxes[:, :2].min(axis=0), boxes[:, 2:].max(axis=0)
    centres = np.arange(side) + 0.5
    outside = [np.maximum(low - centres, centres - high).clip(0) for low, high in zip(least, most, strict=True)]
    across, down = (np.clip(1 - distance / max(feather, 1e-6), 0, 1) for distance in outside)
    return np.asarray(down[:, None] * across)
