"""Blinks, from the shape of the eyes."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from gmbench.metrics.landmarks import Landmarks
from gmbench.metrics.series import FRAME_MS
from gmbench.metrics.spec import MetricSpec, gap_of

CLOSED = 0.6
"""Share of a clip's median eye aspect ratio below which the eyes are closed."""
SHORTEST, LONGEST = 2, 12
"""Closed frames of a blink; one frame is noise, more than twelve are closed eyes."""
FEW_FRAMES = 750
"""30 s: of fewer frames in all a rate of blinks is hardly known."""


@dataclass(frozen=True)
class Blinks:
    """Blinks of a clip: ``lengths`` (n,) in frames, and the ``frames`` with a face they were looked for in."""

    lengths: NDArray[np.int64]
    frames: int

    @property
    def rate(self) -> float:
        """Blinks per second; NaN without frames."""
        return len(self.lengths) * 1000.0 / (FRAME_MS * self.frames) if self.frames else float("nan")

    @property
    def milliseconds(self) -> float:
        """Median length; NaN without blinks."""
        return float(np.median(self.lengths) * FRAME_MS) if len(self.lengths) else float("nan")


def eye_aspect_ratio(eye: NDArray[np.float64]) -> NDArray[np.float64]:
    """Height over width of an eye of six points (..., 6, 2): (|p1 - p5| + |p2 - p4|) / (2 |p0 - p3|).

    Source: Soukupova and Cech, Real-time eye blink detection using facial landmarks, CVWW 2016.
    """
    heights = np.linalg.norm(eye[..., [1, 2], :] - eye[..., [5, 4], :], axis=-1).sum(axis=-1)
    return np.asarray(heights / (2.0 * np.linalg.norm(eye[..., 0, :] - eye[..., 3, :], axis=-1)))


def eye_opening(landmarks: Landmarks) -> NDArray[np.float64]:
    """Mean aspect ratio (T,) of both eyes of landmarks (T, 68, 2)."""
    return (eye_aspect_ratio(landmarks[:, 36:42]) + eye_aspect_ratio(landmarks[:, 42:48])) / 2.0


def blinks(opening: NDArray[np.float64]) -> Blinks:
    """Blinks in a series of eye openings (T,): runs of 2 to 12 frames below 0.6 of the median.

    A frame without a face (NaN) ends a run. A run that the clip's start or end cuts off counts if it is long enough.
    """
    valid = np.isfinite(opening)
    if not valid.any():
        return Blinks(np.empty(0, np.int64), 0)
    closed = np.zeros(len(opening) + 2, np.int8)
    closed[1:-1][valid] = opening[valid] < CLOSED * np.median(opening[valid])
    lengths = np.diff(np.flatnonzero(np.diff(closed)).reshape(-1, 2), axis=1)[:, 0]
    return Blinks(lengths[(lengths >= SHORTEST) & (lengths <= LONGEST)], int(valid.sum()))


_TRAPS = (
    "A look down lowers the lids too. A single frame is not told from noise, so that very short blinks are missed: at "
    "25 fps a length is known to 40 ms. "
)

_RATE = MetricSpec(
    name="blink_rate",
    title="Blinks",
    group="motion",
    what="Blinks per second.",
    version=1,
    direction="reference",
    unit="1/s",
    range="[0, inf)",
    needs=("landmarks",),
    aggregation="clip value -> clip mean; pooled over frames it is all blinks over all seconds",
    source="FACIAL (arXiv 2108.07938) and DAWN (arXiv 2410.13726) report it; the detection is this suite's",
    interpretation="People at rest blink 0.28 to 0.45 times a second. Read it against the real clips.",
    caveats=_TRAPS + "Six real clips have 0.2 to 0.64, three generated ones 0. Below 30 s in all it is hardly known "
    "(flag few_frames): a clip of 3 s has one blink or none.",
    default=False,
)
_LENGTH = MetricSpec(
    name="blink_ms",
    title="Blink length",
    group="motion",
    what="Median length of a blink.",
    version=1,
    direction="reference",
    unit="ms",
    range="[80, 480]",
    needs=("landmarks",),
    aggregation="median over the clip's blinks -> median over clips",
    source="FACIAL (arXiv 2108.07938); the detection is this suite's",
    interpretation="Real blinks last 100 to 300 ms.",
    caveats=_TRAPS + "Undefined for clips without a blink.",
    default=False,
)

SPECS = (_RATE, gap_of(_RATE), _LENGTH)
