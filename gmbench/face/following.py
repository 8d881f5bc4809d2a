"""One face followed through a clip in which a detector may see several.

A face belongs to the track whose last box it overlaps most, however long ago that was: a face that was lost and stands
again where it was is the same one. The track of the largest area summed over its frames is followed. Where it has no
face, another track may go on with it if it shares no frame with it and lasts a second: after a cut the person stands
elsewhere, while a second person, or a pattern taken for a face, is there at the same time or for a moment.
"""

import numpy as np
from numpy.typing import NDArray

from gmbench.media import FPS

LEAST_OVERLAP = 0.1
"""Intersection over union from which on a face goes on with a track."""
SAME_FACE = 0.5
"""Intersection over union from which on two faces of one frame are one, found twice."""
LEAST_ELSEWHERE = FPS
"""Frames that a track elsewhere lasts at least to be taken for the same person."""


def overlap(a: NDArray[np.float64], b: NDArray[np.float64]) -> float:
    """Intersection over union of two boxes (4,) left, top, right, bottom."""
    inner = np.clip(np.minimum(a[2:], b[2:]) - np.maximum(a[:2], b[:2]), 0, None).prod()
    union = (a[2:] - a[:2]).prod() + (b[2:] - b[:2]).prod() - inner
    return float(inner / union) if union > 0 else 0.0


def distinct(boxes: NDArray[np.float64]) -> int:
    """How many of the faces (n, 4) of one frame are different ones."""
    kept: list[NDArray[np.float64]] = []
    for box in boxes:
        if all(overlap(box, other) <= SAME_FACE for other in kept):
            kept.append(box)
    return len(kept)


def face_tracks(boxes: NDArray[np.float64]) -> NDArray[np.int64]:
    """Number of the track of each face.

    Args:
        boxes: (T, K, 4) up to K faces a frame, NaN where there are fewer.

    Returns:
        (T, K), -1 where there is no face.
    """
    tracks = np.full(boxes.shape[:2], -1, np.int64)
    last: list[NDArray[np.float64]] = []
    for t, faces in enumerate(boxes):
        found = np.flatnonzero(np.isfinite(faces).all(axis=1))
        shares = [(overlap(faces[k], box), k, number) for k in found for number, box in enumerate(last)]
        for share, k, number in sorted(shares, key=lambda item: (-item[0], item[1], item[2])):
            if share >= LEAST_OVERLAP and tracks[t, k] < 0 and number not in tracks[t]:
                tracks[t, k] = number
        for k in found:
            if tracks[t, k] < 0:
                tracks[t, k] = len(last)
                last.append(faces[k])
            last[tracks[t, k]] = faces[k]
    return tracks


def followed(boxes: NDArray[np.float64], elsewhere: int = LEAST_ELSEWHERE) -> tuple[NDArray[np.int64], int]:
    """Which face of each frame is the one that is followed.

    Args:
        boxes: as in :func:`face_tracks`.
        elsewhere: frames of a track that goes on in another place; fewer than a second has where not all are given.

    Returns:
        (T,) index of the face, -1 where it is not there; and in how many places it stood that do not follow on each
        other.
    """
    tracks = face_tracks(boxes)
    areas = np.nan_to_num((boxes[..., 2] - boxes[..., 0]) * (boxes[..., 3] - boxes[..., 1]))
    weights = [float(areas[tracks == number].sum()) for number in range(tracks.max(initial=-1) + 1)]
    chosen = np.full(len(boxes), -1, np.int64)
    places = 0
    for number in np.argsort([-weight for weight in weights], kind="stable"):
        frames, faces = np.nonzero(tracks == number)
        if (chosen[frames] >= 0).any() or (places and len(frames) < elsewhere):
            continue
        chosen[frames] = faces
        places += 1
    return chosen, places
