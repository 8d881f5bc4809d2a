"""Index sets on the 478 FaceMesh landmarks. Left and right are the subject's.

Source: MediaPipe Face Mesh topology (Apache-2.0); the sets and weights are those of FaceVerse's tracker.
"""

import numpy as np
from numpy.typing import NDArray

COUNT = 478

LIPS_OUTER = (61, 146, 91, 181, 84, 17, 314, 405, 321, 375, 291, 409, 270, 269, 267, 0, 37, 39, 40, 185)
"""Ring of the outer lips from the right corner over the lower lip."""
LIPS_INNER = (78, 95, 88, 178, 87, 14, 317, 402, 318, 324, 308, 415, 310, 311, 312, 13, 82, 81, 80, 191)
"""Ring of the inner lips from the right corner over the lower lip."""
RIGHT_EYE = (33, 7, 163, 144, 145, 153, 154, 155, 133, 173, 157, 158, 159, 160, 161, 246)
"""Ring of the right lids from the outer corner over the lower lid."""
LEFT_EYE = (263, 249, 390, 373, 374, 380, 381, 382, 362, 398, 384, 385, 386, 387, 388, 466)
RIGHT_BROW = (46, 53, 52, 65, 70, 63, 105, 66)
LEFT_BROW = (276, 283, 282, 295, 300, 293, 334, 296)
RIGHT_IRIS = (468, 469, 470, 471, 472)
LEFT_IRIS = (473, 474, 475, 476, 477)
OVAL = (
    10, 338, 297, 332, 284, 251, 389, 356, 454, 323, 361, 288, 397, 365, 379, 378, 400, 377,
    152, 148, 176, 149, 150, 136, 172, 58, 132, 93, 234, 127, 162, 21, 54, 103, 67, 109,
)  # fmt: skip
"""Outline of the face from the top of the forehead, clockwise seen from the subject."""
RIGHT_LID_GAP = (159, 145)
LEFT_LID_GAP = (386, 374)
OUTER_EYE_CORNERS = (33, 263)
RIGID = (33, 133, 362, 263, 168, 6, 152)
"""Eye corners, nose bridge and chin: the first pass of fitting finds the pose from them."""
CHIN, NOSE, MOUTH_UPPER, MOUTH_LOWER = 152, 197, 13, 14

_PARTS = (LIPS_OUTER, LIPS_INNER, RIGHT_EYE, LEFT_EYE, RIGHT_BROW, LEFT_BROW, RIGHT_IRIS, LEFT_IRIS, OVAL)
SPARSE = np.unique(np.concatenate(_PARTS))
"""Lips, lids, brows, irises and outline: the 134 landmarks that a fast fit uses."""


def fitting_weights() -> NDArray[np.float64]:
    """(478,) weights of the landmark energy: 5 for lips, lids and brows, 2 for irises, 1 otherwise; not normalised.

    Source: FaceVerse v3 tracker.
    """
    weights = np.ones(COUNT)
    for part in (LIPS_OUTER, LIPS_INNER, RIGHT_EYE, LEFT_EYE, RIGHT_BROW, LEFT_BROW):
        weights[list(part)] = 5.0
    weights[[*RIGHT_IRIS, *LEFT_IRIS]] = 2.0
    return weights
