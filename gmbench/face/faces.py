"""What a landmark detector finds in a frame, and what a detector is."""

from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

BLENDSHAPES = 52
MESH = 478
SIDECAR_SUFFIX = ".landmarks.npz"


@dataclass(frozen=True)
class Face:
    """One face in one frame.

    Attributes:
        points: (68, 2) pixels, x right, y down.
        matrix: (4, 4) pose of the canonical face, or None.
        blendshapes: (52,) scores, or None.
        mesh: (478, 2) pixels of the FaceMesh points, NaN where the backend does not give one; None where it gives none.
    """

    points: NDArray[np.float64]
    matrix: NDArray[np.float64] | None = None
    blendshapes: NDArray[np.float64] | None = None
    mesh: NDArray[np.float64] | None = None

    @property
    def area(self) -> float:
        """Area of the bounding box of the points in square pixels."""
        return float(np.ptp(self.points, axis=0).prod())


class Detector(Protocol):
    """An opened backend: frames of one clip in order."""

    def __call__(self, frame: NDArray[np.uint8]) -> list[Face]:
        """All faces of the next frame (H, W, 3)."""
        ...
