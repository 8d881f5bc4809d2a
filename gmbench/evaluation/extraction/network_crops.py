"""What feature extractors see of a frame: crops by landmarks, by tracked boxes, or as the protocol shows it."""

from collections.abc import Callable

import cv2
import numpy as np
from numpy.typing import NDArray

from gmbench.errors import MediaError
from gmbench.evaluation.extraction.accumulators import Crop, eat_sync_matrices, interpolate_missing
from gmbench.evaluation.extraction.features import ClipContext, Frame
from gmbench.face import crops
from gmbench.face.following import overlap

CORPUS_SIDE = 64
"""Side of what the corpus-trained extractors see."""
LIP_SIDE, LIP_EYES = 88, 64.0
"""Side of a lip reader's crop, and pixels between the eye centres at its scale."""
_LOW_TRACK = 0.8
_TRACK, _LOST = 100, 25
_SAME_FACE = 0.5


def aligned_crop(context: ClipContext, matrix: Callable[[NDArray[np.float64]], NDArray[np.float64]], side: int) -> Crop:
    """Crops by a similarity of the landmarks of each frame; None where a frame has none."""
    points = known_landmarks(context)

    def crop(index: int, frame: Frame) -> Frame | None:
        if not np.isfinite(points[index]).all():
            return None
        return np.asarray(cv2.warpAffine(frame, matrix(points[index]), (side, side), flags=cv2.INTER_LINEAR), np.uint8)

    return crop


def protocol_crop(context: ClipContext, crop: str) -> Crop:
    """What the protocol shows of a frame."""
    if crop == "full":
        return lambda index, frame: frame
    return aligned_crop(context, crops.eat128_matrix, crops.EAT_SIZE)


def landmark_box_crop(context: ClipContext) -> Crop:
    """The box of the landmarks, widened to what a face detector gives, clipped to the frame."""
    points = known_landmarks(context)

    def crop(index: int, frame: Frame) -> Frame | None:
        if not np.isfinite(points[index]).all():
            return None
        left, top = points[index].min(axis=0)
        right, bottom = points[index].max(axis=0)
        top -= 0.25 * (bottom - top)
        rows = slice(max(0, int(top)), max(1, int(bottom)))
        columns = slice(max(0, int(left)), max(1, int(right)))
        inside = frame[rows, columns]
        return inside if inside.size else None

    return crop


def sync_crop(context: ClipContext, kind: str) -> Crop:
    """SyncNet's 224-pixel crop: from tracked boxes, from boxes of the landmarks, or aligned as EAT does."""
    if kind == "eat":
        matrices = eat_sync_matrices(all_landmarks(context))
        size = (crops.SYNCNET_SIZE,) * 2
        return lambda index, frame: np.asarray(cv2.warpAffine(frame, matrices[index], size), np.uint8)
    if kind == "s3fd":
        tracked = context.given.get("s3fd")
        if tracked is None:
            raise MediaError("no face track for SyncNet's crop")
        boxes = tracked["boxes"]
    else:
        points = all_landmarks(context)
        boxes = np.concatenate([points.min(axis=1), points.max(axis=1)], axis=1)
        boxes[:, 1] -= 0.25 * (boxes[:, 3] - boxes[:, 1])  # landmarks end at the brows, S3FD's boxes near the hairline
    track = crops.syncnet_track(boxes)
    return lambda index, frame: crops.syncnet_crop(frame, *(float(v) for v in track[index]))


def longest_track(detections: list[NDArray[np.float64]], cuts: list[int]) -> NDArray[np.float64]:
    """Boxes (T, 4) of the longest track of a clip, NaN outside it and where it was lost.

    Inside a shot a box belongs to the track whose last box it overlaps by more than half; at most 25 frames may be
    lost. A track counts with at least min(100, 0.8 T) frames. The published limit of 100 pixels on a box's mean side
    is left out: crops of 256 pixels and less would often have no score.

    Raises:
        MediaError: no such track.
    """
    least = min(_TRACK, int(_LOW_TRACK * len(detections)))
    ends = [*cuts, len(detections)]
    tracks: list[dict[int, NDArray[np.float64]]] = []
    for start, stop in zip([0, *cuts], ends, strict=True):
        open_tracks: list[dict[int, NDArray[np.float64]]] = []
        for t in range(start, stop):
            unassigned = list(detections[t])
            for track in open_tracks:
                last = max(track)
                near = [n for n, box in enumerate(unassigned) if overlap(box, track[last]) > _SAME_FACE]
                if t - last <= _LOST and near:
                    track[t] = unassigned.pop(near[0])
            open_tracks += [{t: box} for box in unassigned]
        tracks += open_tracks
    long = [track for track in tracks if max(track) - min(track) + 1 >= max(least, 1)]
    if not long:
        raise MediaError(f"no face track of {least} frames")
    best = max(long, key=lambda track: (max(track) - min(track), len(track)))
    boxes = np.full((len(detections), 4), np.nan)
    for t, box in best.items():
        boxes[t] = box
    return boxes


def chip_matrix(points: NDArray[np.float64]) -> NDArray[np.float64]:
    """Similarity from frame pixels to the 64-pixel chip."""
    return crops.fan224_matrix(points) * (CORPUS_SIDE / crops.CHIP_SIZE)


def corpus_chip(context: ClipContext) -> Crop:
    """The corpus-trained extractors' chip: Emotion-FAN's, 64 pixels wide."""
    return aligned_crop(context, chip_matrix, CORPUS_SIDE)


def mouth_crop(landmarks: NDArray[np.float64]) -> Crop:
    """Grey mouths (40, 40, 1): the lower middle of each frame's eat128 crop, of landmarks (T, 68, 2)."""

    def crop(index: int, frame: Frame) -> Frame:
        face = cv2.cvtColor(crops.eat128_crop(frame, landmarks[index]), cv2.COLOR_RGB2GRAY)
        return np.asarray(cv2.resize(face[60:124, 32:96], (40, 40), interpolation=cv2.INTER_AREA)[..., None], np.uint8)

    return crop


def lip_crop(frame: Frame, points: NDArray[np.float64]) -> Frame:
    """Grey mouth (88, 88) for a lip reader: upright, eye centres 64 pixels apart, centred; of landmarks (68, 2)."""
    eyes = np.stack([points[36:42].mean(axis=0), points[42:48].mean(axis=0)])
    matrix = crops.fit_similarity(eyes, np.array([[0.0, 0.0], [LIP_EYES, 0.0]]))
    matrix[:, 2] += LIP_SIDE / 2 - crops.transform_points(matrix, points[48:68].mean(axis=0))
    grey = cv2.cvtColor(np.ascontiguousarray(frame), cv2.COLOR_RGB2GRAY)
    return np.asarray(cv2.warpAffine(grey, matrix, (LIP_SIDE, LIP_SIDE)), np.uint8)


def shrunk_crop(crop: Crop) -> Crop:
    """A crop at 64 pixels."""

    def shrink(index: int, frame: Frame) -> Frame | None:
        cropped = crop(index, frame)
        size = (CORPUS_SIDE, CORPUS_SIDE)
        if cropped is None:
            return None
        return np.asarray(cv2.resize(cropped, size, interpolation=cv2.INTER_AREA), np.uint8)

    return shrink


def prepared(crop: Crop, prepare: Callable[[Frame], Frame]) -> Crop:
    """A crop as a network sees it; features of equal inputs are computed once."""

    def both(index: int, frame: Frame) -> Frame | None:
        cropped = crop(index, frame)
        return None if cropped is None else prepare(cropped)

    return both


def known_landmarks(context: ClipContext) -> NDArray[np.float64]:
    """Landmarks (T, 68, 2); raises MediaError where there are none."""
    if context.landmarks is None:
        raise MediaError(context.landmarks_problem or "no landmarks for the crop of a feature extractor")
    return context.landmarks


def all_landmarks(context: ClipContext) -> NDArray[np.float64]:
    """Landmarks of every frame; those of frames without a face are interpolated."""
    return interpolate_missing(known_landmarks(context))
