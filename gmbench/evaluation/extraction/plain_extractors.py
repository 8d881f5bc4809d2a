"""Features of whole clips that need no weights to be got: voice activity, bands of the sound, colours and flicker."""

from collections.abc import Callable

import cv2
import numpy as np
from numpy.typing import NDArray

from gmbench.audio import onsets, spectra
from gmbench.audio import speech as voice
from gmbench.errors import MediaError
from gmbench.evaluation.extraction.features import Accumulator, ClipContext, ClipFeature, Frame
from gmbench.evaluation.extraction.network_crops import known_landmarks
from gmbench.evaluation.protocol import Protocol
from gmbench.media import Audio
from gmbench.metrics import drift
from gmbench.metrics.silence import loud_frames
from gmbench.store import Arrays

RMS40 = "rms40"


def speech(protocol: Protocol) -> ClipFeature:
    """Frames in which somebody speaks: by the network of the extra ``vad``, else by loudness (``rms40``)."""
    version = voice.installed_version()
    if not version:
        return ClipFeature("speech_rms40", 1, _loud, audio=True, fallback=RMS40, pictures=False)
    return ClipFeature("speech", 1, _speech, audio=True, options=version, pictures=False)


def bands(protocol: Protocol) -> ClipFeature:
    """Log mel bands of the sound in each frame, and its loudness every 50 ms."""
    return ClipFeature("bands", 2, _bands, audio=True, pictures=False)


def appearance(protocol: Protocol) -> ClipFeature:
    """Mean colour of the face near both ends of the clip, and changes from frame to frame."""
    return ClipFeature("appearance", 1, Appearance, landmarks=True)


def _speech(context: ClipContext) -> Accumulator:
    return _OfSound(context, lambda audio: {"speech": voice.speech_frames(audio)})


def _loud(context: ClipContext) -> Accumulator:
    return _OfSound(context, lambda audio: {"speech": loud_frames(onsets.frame_rms(audio))})


def _bands(context: ClipContext) -> Accumulator:
    return _OfSound(
        context, lambda audio: {"bands": spectra.frame_bands(audio), "loudness": spectra.loudness_50ms(audio)}
    )


class _OfSound:
    """What a function makes of the sound; no frame is looked at."""

    def __init__(self, context: ClipContext, function: Callable[[Audio], Arrays]) -> None:
        if context.audio is None:
            raise MediaError(context.audio_problem or "no sound")
        self._arrays = function(context.audio)

    def add(self, index: int, frame: Frame) -> None:
        """The next frame."""

    def finish(self) -> Arrays:
        """What the function gave."""
        return self._arrays


class Appearance:
    """Colours of the face and changes from frame to frame.

    ``colour`` (T, 3): mean L*a*b* of the face, of the first and last 25 frames alone. ``background_change``, ``change``
    (T,): of frame t from the one before, NaN for the first.
    """

    def __init__(self, context: ClipContext) -> None:
        self._points = known_landmarks(context)
        self._frames = context.frames
        self._colour = np.full((context.frames, 3), np.nan)
        self._background, self._change = (np.full(context.frames, np.nan) for _ in range(2))
        self._last: tuple[Frame, NDArray[np.bool_] | None] | None = None

    def add(self, index: int, frame: Frame) -> None:
        """The next frame."""
        points = self._points[index]
        has_face = bool(np.isfinite(points).all())
        region = drift.background(points, *frame.shape[:2]) if has_face else None
        near_end = min(index, self._frames - 1 - index) < drift.COLOUR_FRAMES
        if has_face and near_end:
            self._colour[index] = _face_colour(frame, points)
        if self._last is not None:
            last, last_region = self._last
            self._change[index] = drift.change(last, frame)
            if region is not None and last_region is not None:
                self._background[index] = drift.change(last, frame, region & last_region)
        self._last = np.array(frame), region

    def finish(self) -> Arrays:
        """All three."""
        return {"colour": self._colour, "background_change": self._background, "change": self._change}


def _face_colour(frame: Frame, points: NDArray[np.float64]) -> NDArray[np.float64]:
    """Mean L*a*b* (3,) inside the hull of points 0-26; NaN where it lies outside the frame."""
    mask = np.zeros(frame.shape[:2], np.uint8)
    hull = cv2.convexHull(np.round(points[:27]).astype(np.int32))
    cv2.fillConvexPoly(mask, hull, 1)
    inside = frame[mask > 0]
    return drift.lab(inside).mean(axis=0) if len(inside) else np.full(3, np.nan)
