"""Image quality of mouth, face and frame, by the user's weights and the package of the extra ``iqa``."""

import functools

import cv2
import numpy as np
from numpy.typing import NDArray

from gmbench.devices import key
from gmbench.evaluation.extraction.accumulators import Asked, Crop, FrameAccumulator, asked, spaced
from gmbench.evaluation.extraction.features import Accumulator, ClipContext, ClipFeature, Frame
from gmbench.evaluation.extraction.network_crops import known_landmarks
from gmbench.evaluation.protocol import Protocol
from gmbench.extras import installed_version
from gmbench.face.crops import fit_similarity
from gmbench.metrics.image_quality import mouth_box
from gmbench.store import Arrays
from gmbench.weights import load_path

PACKAGE = "pyiqa"


def mouth_quality(protocol: Protocol) -> ClipFeature:
    """MUSIQ of the mouth in each frame."""
    begin = functools.partial(_mouth, most=protocol.quality_frames)
    return ClipFeature(
        "mouth_quality", 1, begin, ("musiq",), landmarks=True, packages=(PACKAGE,), options=_options(protocol)
    )  # fmt: skip


def face_quality(protocol: Protocol) -> ClipFeature:
    """TOPIQ of the aligned face in each frame."""
    begin = functools.partial(_face, most=protocol.quality_frames)
    return ClipFeature(
        "face_quality", 1, begin, ("topiq_face",), landmarks=True, packages=(PACKAGE,), options=_options(protocol)
    )  # fmt: skip


def aesthetics(protocol: Protocol) -> ClipFeature:
    """TOPIQ's beauty of each whole frame."""
    begin = functools.partial(_whole, most=protocol.quality_frames)
    return ClipFeature(
        "aesthetics", 1, begin, ("topiq_aesthetic",), packages=(PACKAGE,), options=_options(protocol)
    )  # fmt: skip


def _options(protocol: Protocol) -> str:
    return " ".join([PACKAGE, installed_version(PACKAGE), str(protocol.quality_frames), *key(protocol.device)])


def _asked(context: ClipContext, load: str, weights: str) -> Asked:
    from gmbench.extractors import image_quality

    path, function = load_path(weights)[0], image_quality.quality_rows
    return asked(context.networks, function, getattr(image_quality, load), path, batch=8)


def _mouth(context: ClipContext, most: int) -> Accumulator:
    points = known_landmarks(context)

    def crop(index: int, frame: Frame) -> Frame | None:
        if not np.isfinite(points[index]).all():
            return None
        mouth = frame[mouth_box(points[index], *frame.shape[:2])]
        return mouth if mouth.size else None

    return _scored(_asked(context, "load_musiq", "musiq"), crop, context, most)


def _face(context: ClipContext, most: int) -> Accumulator:
    from gmbench.extractors.exported import five_points
    from gmbench.extractors.image_quality import FACE_BORDER, FACE_POINTS, FACE_SIDE

    points = known_landmarks(context)

    def crop(index: int, frame: Frame) -> Frame | None:
        if not np.isfinite(points[index]).all():
            return None
        matrix = fit_similarity(five_points(points[index]), FACE_POINTS)
        return np.asarray(cv2.warpAffine(frame, matrix, (FACE_SIDE, FACE_SIDE), borderValue=FACE_BORDER), np.uint8)

    return _scored(_asked(context, "load_topiq_face", "topiq_face"), crop, context, most)


def _whole(context: ClipContext, most: int) -> Accumulator:
    ask = _asked(context, "load_topiq_aesthetic", "topiq_aesthetic")
    return _scored(ask, lambda index, frame: frame, context, most)


def _scored(ask: Asked, crop: Crop, context: ClipContext, most: int) -> Accumulator:
    """One picture at a time, so that no picture's score depends on another; ``scores`` (n,), NaN without a face."""
    indices = spaced(context.frames, most)

    def summarise(scores: NDArray[np.float32]) -> Arrays:
        return {"scores": scores[:, 0].astype(np.float64) if scores.size else np.full(len(indices), np.nan)}

    return FrameAccumulator(ask, crop, indices, 1, summarise)
