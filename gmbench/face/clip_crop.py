"""Square crops of whole clips: where to cut, so that head motion and shoulders stay.

``anchor`` (StyleAvatar): around landmark 197, on the nose, of the first frame, half-side 2.625 times its distance from
the mouth; the half-side is the speaker's median, so that scale is comparable. ``tube`` (FOMM): union of the face boxes,
widened. ``full``: the middle square of the frame.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from gmbench.errors import MediaError
from gmbench.face.following import overlap
from gmbench.face.landmarks import LandmarkBackend
from gmbench.media import Frames, Video
from gmbench.morphable.landmarks_478 import MOUTH_LOWER, MOUTH_UPPER, NOSE

SEARCH = 25
"""Frames at the start in which a face must appear."""
_DETECT_SIDE = 640
_SAME_FACE = 0.25


@dataclass(frozen=True)
class Square:
    """A square in pixels of the source: centre and half of the side."""

    x: float
    y: float
    half: float


def middle_square(height: int, width: int) -> Square:
    """The largest square in the middle of a frame."""
    return Square(width / 2, height / 2, min(height, width) / 2)


def anchor_square(mesh: NDArray[np.float64]) -> Square:
    """Square of landmarks (478, 2): centre 197, half-side 1.25 * 2.1 * |mouth - 197|. Source: StyleAvatar."""
    mouth = (mesh[MOUTH_UPPER] + mesh[MOUTH_LOWER]) / 2
    return Square(float(mesh[NOSE, 0]), float(mesh[NOSE, 1]), float(1.25 * 2.1 * np.linalg.norm(mouth - mesh[NOSE])))


def tube_square(boxes: NDArray[np.float64], height: int, width: int) -> Square:
    """Square around the union of boxes (T, 4) left, top, right, bottom that overlap the first; NaN rows are skipped.

    Widened by max(0.1, (1.2 h - w) / 2 w) of the width on each side, and the same for the height, then cut to
    the frame. Source: first order motion model, crop_vox.
    """
    finite = boxes[np.isfinite(boxes).all(axis=1)]
    same_face = finite[[overlap(box, finite[0]) > _SAME_FACE for box in finite]]
    left, top = (float(v) for v in same_face[:, :2].min(axis=0))
    right, bottom = (float(v) for v in same_face[:, 2:].max(axis=0))
    w, h = right - left, bottom - top
    grow_w, grow_h = max(0.1, (1.2 * h - w) / (2 * w)) * w, max(0.1, (1.2 * w - h) / (2 * h)) * h
    left, right = max(0.0, left - grow_w), min(float(width), right + grow_w)
    top, bottom = max(0.0, top - grow_h), min(float(height), bottom + grow_h)
    return Square((left + right) / 2, (top + bottom) / 2, max(right - left, bottom - top) / 2)


def find_square(path: Path, backend: LandmarkBackend, mode: str) -> Square:
    """The square of a clip.

    Raises:
        MediaError: no face where one is needed; the message names the clip.
    """
    video = Video(path)
    if mode == "full":
        return middle_square(video.info.height, video.info.width)
    with backend.open() as detect:
        if mode == "tube":
            boxes = np.stack([_box(mesh) for mesh in _meshes(video, detect, None)])
            if not np.isfinite(boxes).any():
                raise MediaError(f"{path}: no face in any frame; leave the clip out or crop it by hand")
            return tube_square(boxes, video.info.height, video.info.width)
        for mesh in _meshes(video, detect, SEARCH):
            if mesh is not None:
                return anchor_square(mesh)
    raise MediaError(f"{path}: no face in the first {SEARCH} frames; leave the clip out or crop it by hand")


def cut(frames: Iterable[Frames], square: Square, size: int) -> Iterator[Frames]:
    """Frames (size, size, 3) of the square; black outside of the source. Shrinking smooths, growing is bicubic."""
    scale = size / (2 * square.half)
    for frame in frames:
        # smooth first, so that shrinking does not alias
        source = cv2.GaussianBlur(frame, (0, 0), 0.4 / scale) if scale < 0.8 else frame
        shift = size / 2 - scale * np.array([square.x, square.y]) + scale * 0.5 - 0.5  # pixel centres at halves
        matrix = np.array([[scale, 0.0, shift[0]], [0.0, scale, shift[1]]])
        flags = cv2.INTER_LINEAR if scale < 1 else cv2.INTER_CUBIC
        yield np.asarray(cv2.warpAffine(source, matrix, (size, size), flags=flags), np.uint8)


def _meshes(video: Video, detect: object, most: int | None) -> Iterator[NDArray[np.float64] | None]:
    """Landmarks (478, 2) of the largest face of each frame in source pixels, found on a shrunk frame."""
    shrink = min(1.0, _DETECT_SIDE / max(video.info.height, video.info.width))
    size = (round(video.info.width * shrink), round(video.info.height * shrink))
    for number, frame in enumerate(video):
        if most is not None and number >= most:
            return
        small = cv2.resize(frame, size, interpolation=cv2.INTER_AREA) if shrink < 1 else frame
        faces = [face for face in detect(small) if face.mesh is not None]  # type: ignore[operator]
        yield max(faces, key=lambda face: face.area).mesh / shrink if faces else None


def _box(mesh: NDArray[np.float64] | None) -> NDArray[np.float64]:
    return np.full(4, np.nan) if mesh is None else np.r_[np.nanmin(mesh, axis=0), np.nanmax(mesh, axis=0)]
