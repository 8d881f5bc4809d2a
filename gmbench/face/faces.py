"""What a landmark detector finds in a frame, and what a detector is."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Protocol, runtime_checkable

import numpy as np
from numpy.typing import NDArray

from gmbench.media import Video
from gmbench.metrics.landmarks import interocular

BLENDSHAPES = 52
MESH = 478
SIDECAR_SUFFIX = ".landmarks.npz"
_SHOWN = 32
LEAST_EXTENT = 2.0
"""Pixels that a face is wide and high at least; points that (nearly) coincide are none."""


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


@runtime_checkable
class RowDetector(Detector, Protocol):
    """A detector that reads the rows of a file in place of the pixels, and hence must know the video's frames."""

    def begin(self, video: Video) -> None:
        """Assign the rows to the frames of a video, before the first of them; raises MediaError."""
        ...

    def skip(self) -> None:
        """Leave out the row of the next frame."""
        ...


@runtime_checkable
class LooksAhead(Detector, Protocol):
    """A detector whose network takes many frames at once."""

    def look_ahead(self, frames: Sequence[NDArray[np.uint8]]) -> None:
        """The frames (H, W, 3) that follow, in their order; some of them may be left out later."""
        ...


def shown(detector: Detector, video: Video) -> Iterator[NDArray[np.uint8]]:
    """Frames of a video, those that follow shown to a detector that takes many at once."""
    if not isinstance(detector, LooksAhead):
        yield from video
        return
    for batch in video.batches(_SHOWN):
        frames = list(batch)
        detector.look_ahead(frames)
        yield from frames


def has_extent(points: NDArray[np.float64]) -> bool:
    """Whether points (68, 2) are finite and spread like those of a face: neither they nor the eyes are in one place."""
    if not np.isfinite(points).all():
        return False
    return bool((np.ptp(points, axis=0) >= LEAST_EXTENT).all() and interocular(points) > 0)
