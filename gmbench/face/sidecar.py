"""Landmarks that were made outside: a file beside the video, checked against the video before it is believed.

``<clip>.landmarks.npz`` holds ``points`` (R, 68, 2), x to the right and y down in pixels of the shown frame, one row a
frame at 25 fps, or one row a stored frame of the video, which are then taken by its time stamps. One row more or fewer
than either is tolerated: detectors that count in another way lose the last frame. Optionally ``matrices`` (R, 4, 4) and
``detector``, the name of what made them (``dlib`` is the published one).

A row is a frame without a face where it has a NaN, where a point is (0, 0) or (-1, -1), as tools write what they did
not find, where all points coincide, or where one lies farther outside the frame than the frame is large.
"""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from gmbench.errors import MediaError
from gmbench.face.faces import MESH, SIDECAR_SUFFIX, Face, has_extent
from gmbench.media import FPS, Video

COUNT_TOLERANCE = 1
"""Rows by which a file may differ from the number of frames."""
NORMALISED = 2.0
"""Below this no coordinate is a pixel: they are shares of the width and height."""
MOST_OUTSIDE = 0.5
"""Share of the points of all rows that may lie outside the frame; above it they belong to another picture."""


class Sidecar:
    """The rows of a file of landmarks as a detector; see the module.

    Raises:
        MediaError: no file, not readable, or arrays missing or of another shape.
    """

    def __init__(self, path: Path | None) -> None:
        if path is None:
            raise MediaError(f"no {SIDECAR_SUFFIX} file beside the video; backend sidecar needs one per clip")
        self._path, self._next = path, 0
        arrays = _read(path)
        self._points = arrays["points"]
        self._matrices = arrays.get("matrices")

    def begin(self, video: Video) -> None:
        """Assign the rows to the frames of a video.

        Raises:
            MediaError: the number of rows fits neither its frames at 25 fps nor its stored frames, or the points cannot
                be pixels of its frames.
        """
        rows = _rows_of_frames(self._path, len(self._points), video)
        self._points = _checked(self._path, self._points, video.info.height, video.info.width)
        inside = rows < len(self._points)
        kept = np.where(inside, rows, 0)
        self._points = np.where(inside[:, None, None], self._points[kept], np.nan)
        if self._matrices is not None:
            self._matrices = self._matrices[kept]

    def __call__(self, frame: NDArray[np.uint8]) -> list[Face]:
        """The stored face of the next frame; the pixels do not matter."""
        index, self._next = self._next, self._next + 1
        if index >= len(self._points):
            raise MediaError(f"{self._path}: {len(self._points)} rows, fewer than the video has frames at 25 fps")
        points = self._points[index]
        if not np.isfinite(points).all():
            return []
        return [Face(points, None if self._matrices is None else self._matrices[index])]

    def skip(self) -> None:
        """Leave out the row of the next frame."""
        self._next += 1


def sidecar_detector(path: Path) -> str | None:
    """Name of the detector that a sidecar file states, ``sidecar`` where it states none; None if unreadable."""
    try:
        return _read(path).get("detector", "sidecar")
    except MediaError:
        return None


def _read(path: Path) -> dict[str, Any]:
    """``points``, and ``matrices`` and ``detector`` where there are such; raises MediaError."""
    expected = "expected an .npz with an array 'points' (rows, 68, 2)"
    try:
        with path.open("rb") as stream, np.load(stream, allow_pickle=False) as file:
            if "points" not in file:
                raise MediaError(f"{path}: {expected}; it has {', '.join(file.files) or 'no arrays'}")
            found = {name: file[name] for name in ("points", "matrices", "detector") if name in file}
    except MediaError:
        raise
    except Exception as error:  # NumPy and zipfile raise whatever the damaged bytes lead them to
        raise MediaError(f"{path}: not readable, {expected} ({type(error).__name__}: {error})") from error
    result: dict[str, Any] = {}
    for name in ("points", "matrices"):
        if name in found:
            if found[name].dtype.kind not in "fiu":
                raise MediaError(f"{path}: expected numbers in '{name}', got {found[name].dtype}")
            result[name] = found[name].astype(np.float64)
    if "detector" in found:
        if found["detector"].size != 1:
            raise MediaError(f"{path}: expected one name in 'detector', got {found['detector'].shape}")
        result["detector"] = str(found["detector"].reshape(-1)[0])
    shape = result["points"].shape
    if len(shape) != 3 or shape[1:] != (68, 2):
        raise MediaError(f"{path}: expected points (rows, 68, 2), got {shape}{_hint(shape)}")
    if "matrices" in result and result["matrices"].shape != (shape[0], 4, 4):
        raise MediaError(f"{path}: expected matrices {(shape[0], 4, 4)}, got {result['matrices'].shape}")
    return result


_HINTS: tuple[tuple[Callable[[tuple[int, ...]], bool], str], ...] = (
    (lambda shape: len(shape) == 3 and shape[1:] == (2, 68), "exchange the last two axes"),
    (lambda shape: len(shape) == 3 and {68, 2} <= {shape[0], *shape[1:]}, "move the axis of the rows to the front"),
    (lambda shape: len(shape) == 3 and shape[1:] == (68, 3), "leave out the third coordinate"),
    (lambda shape: len(shape) == 3 and shape[1] in (MESH, 468), "take the 68 points of FaceMesh's that "
     "gmbench.face.landmarks_68.mesh_vertices() names"),
    (lambda shape: len(shape) == 2 and shape[1] == 136, "reshape to (rows, 68, 2)"),
    (lambda shape: shape == (68, 2), "one row for each frame"),
)  # fmt: skip
"""What an array of another shape probably is, and the remedy."""


def _hint(shape: tuple[int, ...]) -> str:
    return next((f"; {remedy}" for fits, remedy in _HINTS if fits(shape)), "")


def _checked(path: Path, points: NDArray[np.float64], height: int, width: int) -> NDArray[np.float64]:
    """Points (R, 68, 2) with NaN in rows without a face; raises MediaError where they are no pixels of the frame."""
    with np.errstate(invalid="ignore"):
        spread = np.ptp(points, axis=1)
        missing = (points == 0).all(axis=2) | (points == -1).all(axis=2)
        size = np.array([width, height], np.float64)
        far = ((points < -size) | (points > 2 * size)).any(axis=(1, 2))
    found = np.isfinite(points).all(axis=(1, 2)) & ~missing.any(axis=1) & (spread > 0).all(axis=1)
    rows = points[found]
    if len(rows) and np.abs(rows).max() <= NORMALISED and min(height, width) > 2 * NORMALISED:
        raise MediaError(
            f"{path}: points from {rows.min():.2f} to {rows.max():.2f} are shares, not pixels; multiply x by the width "
            f"and y by the height of the frame ({width} x {height})"
        )
    with np.errstate(over="ignore"):
        faces = found & np.array([has_extent(row) for row in points], bool).reshape(len(points))
    rows = points[faces]
    if len(rows) == 0:
        return np.full(points.shape, np.nan)
    outside = float(((rows < 0) | (rows > size)).any(axis=2).mean())
    if outside > MOST_OUTSIDE:
        low, high = rows.min(axis=(0, 1)), rows.max(axis=(0, 1))
        raise MediaError(
            f"{path}: {outside:.0%} of the points lie outside the frame of {width} x {height} (x from {low[0]:.0f} to "
            f"{high[0]:.0f}, y from {low[1]:.0f} to {high[1]:.0f}); made of a picture of another size or crop?"
        )
    return np.where((faces & ~far)[:, None, None], points, np.nan)


def _rows_of_frames(path: Path, rows: int, video: Video) -> NDArray[np.int64]:
    """(T,) the row of each frame at 25 fps; the number of rows stands for a row that is missing at the end."""
    frames, stored = video.info.frames, video.info.source_frames
    for tolerance in (0, COUNT_TOLERANCE):
        if abs(rows - frames) <= tolerance:
            return np.minimum(np.arange(frames), rows)
        if abs(rows - stored) <= tolerance:
            return np.minimum(video.source_indices, rows)
    file = f", {stored} in the file ({video.info.source_fps:.2f} fps)" if stored != frames else ""
    raise MediaError(
        f"{path}: {rows} rows, but the video has {frames} frames at {FPS} fps{file}; one row a frame is needed"
    )
