"""From 12.5 frames per second to 25: a frame between each two."""

from collections.abc import Iterable, Iterator
from typing import Literal

import cv2
import numpy as np
from numpy.typing import NDArray

Picture = NDArray[np.uint8]
Way = Literal["flow", "blend", "none"]


def doubled(frames: Iterable[Picture], count: int, way: Way) -> Iterator[Picture]:
    """So many frames (S, S, 3) of every second one; the last of an even number is shown twice.

    Args:
        frames: every second frame, at least ``ceil(count / 2)``.
        count: of the result.
        way: ``flow`` warps both neighbours half way along the optical flow, ``blend`` averages them, ``none`` repeats.
    """
    before: Picture | None = None
    given = 0
    for frame in frames:
        if before is not None and given < count:
            yield between(before, frame, way)
            given += 1
        if given < count:
            yield frame
            given += 1
        before = frame
    if before is not None and given < count:
        yield before


def between(first: Picture, second: Picture, way: Way) -> Picture:
    """The picture half way between two (S, S, 3)."""
    if way == "none":
        return first
    if way == "blend":
        return _mean(first, second)
    grey = [cv2.cvtColor(picture, cv2.COLOR_RGB2GRAY) for picture in (first, second)]
    flow = cv2.DISOpticalFlow.create(cv2.DISOPTICAL_FLOW_PRESET_MEDIUM)
    there, back = flow.calc(grey[0], grey[1], None), flow.calc(grey[1], grey[0], None)
    return _mean(_warped(first, -there / 2), _warped(second, -back / 2))


def _warped(picture: Picture, shift: NDArray[np.float32]) -> Picture:
    """The picture moved: each pixel is looked up at its place plus a shift (S, S, 2)."""
    rows, columns = np.indices(picture.shape[:2], dtype=np.float32)
    return np.asarray(
        cv2.remap(picture, columns + shift[..., 0], rows + shift[..., 1], cv2.INTER_LINEAR, None, cv2.BORDER_REPLICATE),
        np.uint8,
    )


def _mean(a: Picture, b: Picture) -> Picture:
    return np.asarray((a.astype(np.uint16) + b + 1) // 2, np.uint8)
