"""Pictures of the data for people: contact sheets and fits drawn over frames."""

from collections.abc import Sequence
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from gmbench.media import Video, few_frames

Image = NDArray[np.uint8]


def contact_sheet(rows: Sequence[Sequence[Image]], labels: Sequence[str] = ()) -> Image:
    """Rows of pictures (S, S, 3) of one size, with a line of labels above the columns."""
    sheet = np.vstack([np.hstack(list(row)) for row in rows])
    if not labels:
        return np.asarray(sheet, np.uint8)
    size = rows[0][0].shape[1]
    head = np.full((24, sheet.shape[1], 3), 255, np.uint8)
    for number, label in enumerate(labels):
        cv2.putText(head, label, (number * size + 4, 17), cv2.FONT_HERSHEY_SIMPLEX, 0.42, (30, 30, 30), 1, cv2.LINE_AA)
    return np.vstack([head, sheet])


def with_points(frame: Image, points: NDArray[np.floating], colour: tuple[int, int, int], scale: int = 2) -> Image:
    """A frame, enlarged, with points (n, 2) in its pixels; NaN points are left out."""
    large = cv2.resize(frame, None, fx=scale, fy=scale, interpolation=cv2.INTER_CUBIC)
    for x, y in points[np.isfinite(points).all(axis=1)] * scale:
        cv2.circle(large, (round(float(x) * 8), round(float(y) * 8)), 8, colour, -1, cv2.LINE_AA, 3)
    return np.asarray(large, np.uint8)


def frame_of(path: Path, index: int) -> Image:
    """One frame of a clip; the last one where it is shorter."""
    video = Video(path)
    place = min(index, video.info.frames - 1)
    return few_frames(video, [place])[0]


def save(path: Path, image: Image) -> None:
    """Write a picture; the suffix decides the format."""
    path.parent.mkdir(parents=True, exist_ok=True)
    cv2.imwrite(str(path), np.ascontiguousarray(image[..., ::-1]))


def thumbnail(image: NDArray[np.uint8], side: int = 128) -> NDArray[np.uint8]:
    """A square picture (S, S, 3) at (side, side, 3), averaged over areas."""
    return np.asarray(cv2.resize(np.ascontiguousarray(image), (side, side), interpolation=cv2.INTER_AREA), np.uint8)
