"""Whether a method does what its card says, measured on the frames that it gives, whatever it is made of.

Seed and source on pixels; emotion, silence and driver on landmarks, the emotion also as an emotion network sees it.
Both come from outside, since methods know no feature extractor.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from gmbench.face.pose import pose_from_landmarks
from gmbench.methods.interface import GenRequest, TalkingHeadMethod

Frames = NDArray[np.uint8]
CALM = 0.8
"""In silence the lips must move less than this share of what they move in speech."""
LEAST_SHIFT, LEAST_SHARE, LEAST_TURN, LEAST_DIFFERENCE = 0.5, 0.1, 0.5, 2.0
"""Of landmarks in per cent of the distance between the eyes, of a recognised share, of the pose in degrees, of
pixels in levels of 255: smaller differences are those of the landmarks."""
STEP = 3
MOUTH, EYES = slice(48, 68), (slice(36, 42), slice(42, 48))


@dataclass(frozen=True)
class Measures:
    """What frames (T, S, S, 3) are measured with.

    Attributes:
        landmarks: to points (T, 68, 2) in pixels, NaN without a face; None where no backend can run.
        emotion: with their points, to the share of frames (K,) in which a network recognises each emotion; None where
            there is no network.
        missing: why there are no landmarks.
    """

    landmarks: Callable[[Frames], NDArray[np.float64]] | None
    emotion: Callable[[Frames, NDArray[np.float64]], NDArray[np.float64]] | None = None
    missing: str = ""


@dataclass(frozen=True)
class Variants:
    """A request, and the same one with one thing changed; None where there is no such thing to change.

    Attributes:
        request: as the card's defaults are.
        emotion: with another emotion. driver: with another clip to take the pose from. source: with another picture.
    """

    request: GenRequest
    emotion: GenRequest | None = None
    driver: GenRequest | None = None
    source: GenRequest | None = None


@dataclass(frozen=True)
class CapabilityCheck:
    """One change: what the card says of it, what was measured, and whether they agree (None: not measured)."""

    change: str
    card: str
    measured: str
    holds: bool | None


def check(method: TalkingHeadMethod, variants: Variants, measures: Measures) -> list[CapabilityCheck]:
    """What seed, emotion, silence, driver and source change, beside what the card says."""
    request = variants.request
    frames = _frames(method, request)
    checks = _seed(method, request, frames)
    if variants.emotion is not None:
        checks.append(_emotion(method, frames, _frames(method, variants.emotion), measures))
    silent = replace(request, audio=np.zeros_like(request.audio))
    checks.append(_silence(frames, _frames(method, silent), measures))
    if variants.driver is not None:
        checks.append(_driver(method, frames, _frames(method, variants.driver), measures))
    if variants.source is not None:
        checks.append(_source(method, frames, _frames(method, variants.source)))
    return checks


def _frames(method: TalkingHeadMethod, request: GenRequest) -> Frames:
    return np.stack(list(method.generate(request).frames))


def _seed(method: TalkingHeadMethod, request: GenRequest, frames: Frames) -> list[CapabilityCheck]:
    again = _largest(frames, _frames(method, request))
    other = _largest(frames, _frames(method, replace(request, seed=request.seed + 1)))
    diverse = method.card.diversity
    return [
        CapabilityCheck("same seed", "same frames", f"largest difference {again}", again == 0),
        CapabilityCheck(
            "other seed", "differs" if diverse else "same", f"largest difference {other}", (other > 0) == diverse
        ),
    ]


def _emotion(method: TalkingHeadMethod, frames: Frames, other: Frames, measures: Measures) -> CapabilityCheck:
    card = method.card.emotion
    points = _points(measures, frames, other)
    if points is None:
        return _unmeasured("other emotion", card, measures)
    shapes = [np.nanmean(_shape(p), axis=0) for p in points]
    shift = 100 * float(np.linalg.norm(shapes[0] - shapes[1], axis=-1).max())
    measured, moved = f"landmarks move by {shift:.2g} % of the distance between the eyes", shift > LEAST_SHIFT
    if measures.emotion is not None:
        change = float(np.abs(measures.emotion(frames, points[0]) - measures.emotion(other, points[1])).max())
        measured, moved = f"{measured}, recognised shares by {100 * change:.0f} %", moved or change > LEAST_SHARE
    return CapabilityCheck("other emotion", card, measured, moved == (card != "none"))


def _silence(frames: Frames, silent: Frames, measures: Measures) -> CapabilityCheck:
    points = _points(measures, frames, silent)
    if points is None:
        return _unmeasured("silence", "lips calm down", measures)
    speech, silence = (_lip_motion(p) for p in points)
    share = silence / max(speech, 1e-9)
    return CapabilityCheck("silence", "lips calm down", f"{share:.2f} of what they move in speech", share < CALM)


def _driver(method: TalkingHeadMethod, frames: Frames, other: Frames, measures: Measures) -> CapabilityCheck:
    card = "transfer" if "pose" in method.card.drivers else method.card.pose
    points = _points(measures, frames, other)
    if points is None:
        return _unmeasured("other driver", card, measures)
    poses = [pose_from_landmarks(p, *f.shape[1:3]) for p, f in zip(points, (frames, other), strict=True)]
    turn = float(np.nanmean(np.abs(poses[0] - poses[1])))
    holds = (turn > LEAST_TURN) == (card == "transfer")
    return CapabilityCheck("other driver", card, f"pose turns by {turn:.2g} degrees", holds)


def _source(method: TalkingHeadMethod, frames: Frames, other: Frames) -> CapabilityCheck:
    difference = float(np.abs(frames.astype(int) - other).mean())
    one_shot = method.card.identity_mode == "one_shot"
    holds = (difference > LEAST_DIFFERENCE) == one_shot
    card = method.card.identity_mode.replace("_", " ")
    return CapabilityCheck("other source", card, f"pixels differ by {difference:.2g} of 255 on average", holds)


def _unmeasured(change: str, card: str, measures: Measures) -> CapabilityCheck:
    reason = measures.missing or "the landmark backend finds no face in the frames"
    return CapabilityCheck(change, card, f"not measured: {reason}", None)


def _points(measures: Measures, *films: Frames) -> list[NDArray[np.float64]] | None:
    """Landmarks of each film; None where there is no backend, or a film in which it finds no face twice."""
    if measures.landmarks is None:
        return None
    points = [measures.landmarks(film) for film in films]
    return points if all(np.isfinite(p).all(axis=(1, 2)).sum() > 1 for p in points) else None


def _shape(points: NDArray[np.float64]) -> NDArray[np.float64]:
    """Points (T, 68, 2) around their mean, in distances between the eyes."""
    left, right = (points[:, eye].mean(axis=1) for eye in EYES)
    distance = np.linalg.norm(left - right, axis=-1)[:, None, None]
    return np.asarray((points - points.mean(axis=1, keepdims=True)) / distance)


def _lip_motion(points: NDArray[np.float64]) -> float:
    """Mean way of the lips' points over :data:`STEP` frames, so that jitter of the landmarks counts little."""
    mouth = _shape(points)[:, MOUTH]
    return float(np.nanmean(np.abs(mouth[STEP:] - mouth[:-STEP])))


def _largest(a: Frames, b: Frames) -> int:
    return int(np.abs(a.astype(int) - b).max())
