"""The person in front of a still camera, without a network: colours around the landmarks, then the background's median.

On a few frames GrabCut (Rother et al., 2004) parts the person from the background, beginning from the landmarks. Of
each pixel the median over those frames in which it is background is the background picture; a frame's pixels that
differ from it, and those that never are background, are the person.
"""

from collections.abc import Iterable, Iterator, Sequence

import cv2
import numpy as np
from numpy.typing import NDArray

from gmbench.errors import InputError
from gmbench.media import Frames
from gmbench.morphable.landmarks_478 import CHIN, OVAL

KEY_FRAMES = 10
SIDE = 128
"""Side of the pictures in which the person is looked for."""
ITERATIONS = 4
DIFFERENCE = 18.0
"""Distance of colours, levels, from which on a pixel is not the background."""
MOST_CHANGE = 12.0
"""Median change of the background beside the head, levels, above which the camera is not still."""
LEAST_BACKGROUND = 0.02
"""Share of a frame that must be background beside and above the head."""

Masks = NDArray[np.uint8]


def still_background_mattes(frames: Iterable[Frames], landmarks: NDArray[np.floating]) -> Iterator[Masks]:
    """Mattes (S, S) in 0..255 of the person in the frames of one clip.

    Args:
        frames: (S, S, 3) of a camera that does not move; gone through twice, so that memory does not grow with them.
        landmarks: (T, 478, 2) in pixels of the frames; NaN where no face was found.

    Raises:
        InputError: no frame shows a face, the camera moves, or there is no background beside the head.
    """
    side = next(iter(frames)).shape[0]
    points = np.asarray(landmarks, np.float64) * SIDE / side
    seen = np.flatnonzero(np.isfinite(points[:, list(OVAL)]).all(axis=(1, 2)))
    if not len(seen):
        raise InputError("no frame shows a face")
    keys, spread = _spread(seen, KEY_FRAMES), _spread(seen, 4 * KEY_FRAMES)
    kept = {t: _small(frame) for t, frame in enumerate(frames) if t in {*keys, *spread}}
    _check_still([kept[t] for t in spread], points[seen])
    people = [person(kept[t], points[t]) for t in keys]
    background, never = _background([kept[t] for t in keys], people, float(np.median(points[seen][:, CHIN, 1])))
    for t, frame in enumerate(frames):
        distance = np.linalg.norm(_small(frame).astype(np.float32) - background, axis=2)
        nearest = seen[min(len(seen) - 1, int(np.searchsorted(seen, t)))]
        yield _enlarged(_cleaned((distance > DIFFERENCE) | never, points[nearest]), side)


def _spread(places: NDArray[np.integer], count: int) -> list[int]:
    return [int(place) for place in places[np.unique(np.linspace(0, len(places) - 1, count).astype(int))]]


def _small(frame: Frames) -> Frames:
    return np.asarray(cv2.resize(frame, (SIDE, SIDE), interpolation=cv2.INTER_AREA), np.uint8)


def person(frame: Frames, points: NDArray[np.floating]) -> NDArray[np.bool_]:
    """Where the person is (S, S) in one frame (S, S, 3) by GrabCut, beginning from landmarks (478, 2)."""
    seeds = _seeds(points, frame)
    cv2.setRNGSeed(0)
    models = np.zeros((1, 65)), np.zeros((1, 65))
    mask, _, _ = cv2.grabCut(
        np.ascontiguousarray(frame),
        seeds,
        None,
        *models,
        ITERATIONS,
        cv2.GC_INIT_WITH_MASK,  # type: ignore[call-overload]
    )
    return np.isin(mask, (cv2.GC_FGD, cv2.GC_PR_FGD))


def _seeds(points: NDArray[np.floating], frame: Frames) -> Masks:
    """GrabCut's first guess (S, S): sure and probable person and background."""
    side = len(frame)
    oval = points[list(OVAL)]
    low, high = oval.min(axis=0), oval.max(axis=0)
    (width, height), middle = high - low, (low + high) / 2
    rows, columns = np.mgrid[:side, :side].astype(np.float64)
    across, chin = np.abs(columns - middle[0]) / width, points[CHIN, 1]
    seeds = np.full((side, side), cv2.GC_PR_BGD, np.uint8)
    above = rows < chin
    seeds[~above & (across < 0.7 + 1.7 * (rows - chin) / height)] = cv2.GC_PR_FGD
    head = (across / 0.75) ** 2 + ((rows - middle[1] + 0.12 * height) / (0.85 * height)) ** 2 < 1
    seeds[above & head] = cv2.GC_PR_FGD
    seeds[above & (across > 1.05)] = cv2.GC_BGD
    seeds[rows < low[1] - 0.6 * height] = cv2.GC_BGD
    cv2.fillConvexPoly(seeds, cv2.convexHull(np.rint(oval).astype(np.int32)), cv2.GC_FGD)
    seeds[~above & (across < 0.22 + 0.85 * np.clip((rows - chin) / height - 0.12, 0, None))] = cv2.GC_FGD
    seeds[(frame == 0).all(axis=2)] = cv2.GC_BGD  # outside of the source
    return seeds


def _beside(points: NDArray[np.floating], side: int) -> NDArray[np.bool_]:
    """Pixels (S, S) that are beside or above the head in all frames with landmarks (T, 478, 2)."""
    oval = points[:, list(OVAL)]
    low, high = oval.min(axis=(0, 1)), oval.max(axis=(0, 1))
    width, height = np.ptp(oval, axis=1).mean(axis=0)
    rows, columns = np.mgrid[:side, :side]
    beside = (columns < low[0] - 0.4 * width) | (columns > high[0] + 0.4 * width) | (rows < low[1] - 0.6 * height)
    return beside & (rows < high[1] - 0.25 * height)


def _check_still(frames: Sequence[Frames], points: NDArray[np.floating]) -> None:
    beside = _beside(points, SIDE)
    if beside.mean() < LEAST_BACKGROUND:
        raise InputError("hardly any background is seen beside the head")
    values = np.stack([frame[beside] for frame in frames]).astype(np.float32)  # (K, P, 3)
    change = np.abs(values - np.median(values, axis=0)).max(axis=2).mean(axis=0)
    if float(np.median(change)) > MOST_CHANGE:
        raise InputError("the background moves, so that the camera is not still")


def _background(
    frames: Sequence[Frames], people: Sequence[NDArray[np.bool_]], chin: float
) -> tuple[NDArray[np.float32], NDArray[np.bool_]]:
    """Background (S, S, 3), and where it is never seen (S, S).

    Below the chin, where clothes may have the background's colours, most frames decide; above it, where the head moves
    in front of the background, nearly all must hide it.
    """
    hidden = np.stack(people)
    pictures = np.where(hidden[..., None], np.nan, np.stack(frames).astype(np.float32))
    limit = np.where(np.arange(SIDE) > chin, 0.5, 1 - 1.5 / len(frames))[:, None]
    never = hidden.mean(axis=0) > limit
    pictures[:, never] = 0
    return np.nan_to_num(np.nanmedian(pictures, axis=0)).astype(np.float32), never


def _cleaned(found: NDArray[np.bool_], points: NDArray[np.floating]) -> Masks:
    """The one piece with the face, without holes and threads."""
    mask = found.astype(np.uint8)
    cv2.fillConvexPoly(mask, cv2.convexHull(np.rint(points[list(OVAL)]).astype(np.int32)), 1)
    kernel = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (5, 5))
    mask = cv2.morphologyEx(cv2.morphologyEx(mask, cv2.MORPH_CLOSE, kernel), cv2.MORPH_OPEN, kernel)
    _, labels = cv2.connectedComponents(mask)
    x, y = np.clip(np.rint(points[list(OVAL)].mean(axis=0)).astype(int), 0, len(mask) - 1)
    piece = (labels == labels[y, x]).astype(np.uint8) if labels[y, x] else mask
    contours, _ = cv2.findContours(piece, cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_NONE)
    return cv2.drawContours(np.zeros_like(piece), contours, -1, 1, cv2.FILLED)


def _enlarged(mask: Masks, side: int) -> Masks:
    """A mask of 0 and 1 at another side, in 0..255 with an edge that is one pixel soft."""
    soft = cv2.GaussianBlur(mask.astype(np.float32), (0, 0), 0.7)
    grown = cv2.resize(soft, (side, side), interpolation=cv2.INTER_LINEAR)
    return np.rint(np.clip((grown - 0.5) * 2 + 0.5, 0, 1) * 255).astype(np.uint8)
