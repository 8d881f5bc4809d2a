"""Scores of functions of one series, landmarks or pose: of the generated clip, and its difference to the real one."""

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from gmbench.evaluation.scoring.clip_data import ClipData, ClipFeatures, Unscored
from gmbench.evaluation.scoring.metric import Score, defined

Of = Callable[[NDArray[np.float64]], float]
Read = Callable[[ClipFeatures], NDArray[np.float64]]


def pose(clip: ClipFeatures) -> NDArray[np.float64]:
    """(T, 3) degrees."""
    return clip.pose


def points(clip: ClipFeatures) -> NDArray[np.float64]:
    """(T, 68, 2) pixels."""
    return clip.landmarks


def of_generated(function: Of, read: Read, least: int = 2) -> Callable[[ClipData], Score]:
    """Score of the generated clip alone from its landmarks or pose; ``undefined`` below ``least`` valid frames."""

    def score(clip: ClipData) -> Score:
        series = read(clip.generated)
        flags = clip.pose_flags(clip.generated) if read is pose else clip.face_flags(clip.generated)
        valid = _valid(series, least)
        return defined(function(series), valid, len(series), _too_short(least), flags)

    return score


def gap(function: Of, read: Read, least: int = 2) -> Callable[[ClipData], Score]:
    """Absolute difference of the generated clip's and the reference's value."""
    value_of = of_generated(function, read, least)

    def score(clip: ClipData) -> Score:
        generated, real = value_of(clip), read(clip.reference)
        _valid(real, least)
        difference = abs(generated.value - function(real))
        return defined(difference, generated.frames_used, generated.frames_expected, _too_short(least), generated.flags)

    return score


def gap_of_scores(score_of: Callable[[ClipData], Score]) -> Callable[[ClipData], Score]:
    """Absolute difference of any score to that of the real clip in its place."""

    def score(clip: ClipData) -> Score:
        generated = score_of(clip)
        real = score_of(clip.of_reference())
        return Score(
            abs(generated.value - real.value), generated.frames_used, generated.frames_expected, generated.flags
        )

    return score


def _valid(series: NDArray[np.float64], least: int) -> int:
    """Number of valid frames; raises Unscored below ``least`` where that is more than two frames."""
    valid = int(np.isfinite(series.reshape(len(series), -1)).all(axis=1).sum())
    if valid < least and least > 2:
        raise Unscored("undefined", f"{valid} frames with a face; {_too_short(least)}")
    return valid


def _too_short(least: int) -> str:
    return "needs at least two frames with a face" if least <= 2 else f"needs at least {least}"
