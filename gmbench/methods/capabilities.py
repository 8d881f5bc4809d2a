"""Whether a method does what its card says: seeds, emotions, silence. Measured on coefficients and frames it gives."""

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from gmbench.errors import InputError
from gmbench.methods.interface import EmotionSpec, GenRequest, GenResult, TalkingHeadMethod

CALM = 0.8
"""In silence the expression must move less than this share of what it moves in speech."""


@dataclass(frozen=True)
class Finding:
    """One capability: what the card says, what was measured, and whether they agree."""

    what: str
    said: str
    measured: str
    holds: bool


def check(method: TalkingHeadMethod, request: GenRequest, other: EmotionSpec) -> list[Finding]:
    """Findings on one request, its repetition, another seed, another emotion, and silence.

    Raises:
        InputError: the method gives no expression to measure.
    """
    card = method.card
    first = _drawn(method, request)
    again = _drawn(method, request)
    reseeded = _drawn(method, replace(request, seed=request.seed + 1))
    felt = _drawn(method, replace(request, emotion=other))
    silent = _drawn(method, replace(request, audio=np.zeros_like(request.audio)))
    spread = _difference(first, reseeded)
    shift = float(np.abs(_expression(first).mean(axis=0) - _expression(felt).mean(axis=0)).max())
    calm = _speed(silent) / max(_speed(first), 1e-9)
    return [
        Finding(
            "same seed",
            "same frames",
            f"largest difference {_difference(first, again)}",
            _difference(first, again) == 0,
        ),
        Finding(
            "other seed",
            "differs" if card.diversity else "same",
            f"largest difference {spread}",
            (spread > 0) == card.diversity,
        ),
        Finding(
            "other emotion",
            card.emotion,
            f"mean expression moves by {shift:.3g}",
            (shift > 1e-3) == (card.emotion != "none"),
        ),
        Finding("silence", "lips calm down", f"{calm:.2f} of the speed in speech", calm < CALM),
    ]


@dataclass(frozen=True)
class _Film:
    frames: NDArray[np.uint8]
    result: GenResult


def _drawn(method: TalkingHeadMethod, request: GenRequest) -> _Film:
    result = method.generate(request)
    return _Film(np.stack(list(result.frames)), result)


def _difference(a: _Film, b: _Film) -> int:
    return int(np.abs(a.frames.astype(int) - b.frames).max())


def _expression(film: _Film) -> NDArray[np.float32]:
    if film.result.expression is None:
        raise InputError("the method gives no expression coefficients; its capabilities cannot be measured here")
    return film.result.expression


def _speed(film: _Film) -> float:
    return float(np.abs(np.diff(_expression(film), axis=0)).mean())
