"""What metrics of motion share: which frames count, and changes from frame to frame.

A series is (T, ...) float64 at 25 fps; a row with NaN is a frame without a face.
"""

import numpy as np
from numpy.typing import NDArray

from gmbench.metrics.landmarks import Landmarks, interocular

Series = NDArray[np.float64]

FPS = 25
FRAME_MS = 1000.0 / FPS
LEAST_FRAMES = 50
"""Valid frames that a spread over time rests on at least: two seconds."""


def complete(series: Series) -> Series:
    """The rows (n, ...) of a series (T, ...) without NaN."""
    return np.asarray(series[np.isfinite(series.reshape(len(series), -1)).all(axis=1)])


def steps(series: Series, order: int = 1) -> Series:
    """Differences of an order between frames that follow on each other and all are valid.

    Args:
        series: (T, ...); a change across a frame without a face is no change from frame to frame, so it is left out.
        order: 1 for speed, 2 for acceleration.

    Returns:
        (n, ...), n <= T - order.
    """
    if len(series) <= order:
        return np.empty((0, *series.shape[1:]))
    return complete(np.diff(series, n=order, axis=0))


def circular_shifts(length: int, count: int) -> list[int]:
    """Shifts in frames that stand for chance: up to ``count`` between 1 s and the length less 1 s, evenly."""
    return [int(shift) for shift in np.unique(np.linspace(FPS, length - FPS, count).astype(int))]


def mean_interocular(landmarks: Landmarks) -> float:
    """Mean distance of the eye centres over the frames (T, 68, 2) that have a face, pixels; NaN if none has."""
    valid = complete(landmarks)
    return float(interocular(valid).mean()) if len(valid) else float("nan")
