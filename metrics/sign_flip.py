"""Paired sign-flip test: how often chance alone would give a difference as large, whichever the values' distribution.

Under the null hypothesis the two methods could change places in each independent unit (a clip, or a speaker with all
clips), so every choice of signs of the units' contributions to the difference is as likely as the observed one.
Source: R. A. Fisher, The Design of Experiments, 1935, section 21; B. Phipson and G. K. Smyth, Permutation p-values
should never be zero, 2010.
"""

import functools
from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

EXACT_UNITS = 24
"""Up to so many units all choices of signs are counted."""
DRAWS = 9_999
"""Random choices of signs for more units."""
MOST_UNITS = 512
"""Of more units neighbours share a sign: still an exact test, since those choices of signs are a group too."""
_SEED = 0
_TOGETHER = 400
"""Draws that are in memory as numbers at a time."""


def sign_flip_p(contributions: NDArray[np.float64]) -> float:
    """Two-sided p-value of a sum under random signs of its parts.

    Args:
        contributions: (units,) finite; their sum is the statistic.

    Returns:
        The share of choices of signs whose sum is as far from zero, at least 2 / 2^n of the n parts that are not zero;
        for more than 24 parts (b + 1) / (9,999 + 1) of as many random choices. 1 where all parts are zero.

    Example:
        >>> sign_flip_p(np.array([1.0, 2.0, 0.5, 1.5, 1.0, 3.0]))
        0.03125
    """
    parts = np.asarray(contributions, np.float64)
    parts = parts[parts != 0]
    if len(parts) == 0:
        return 1.0
    parts = parts / np.abs(parts).max()
    least = abs(parts.sum()) - 1e-9 * len(parts)  # sums in another order are the same but for rounding
    if len(parts) <= EXACT_UNITS:
        return _exact(parts, least)
    if len(parts) > MOST_UNITS:
        parts = np.add.reduceat(parts, np.arange(MOST_UNITS) * len(parts) // MOST_UNITS)
    extreme = sum(int((abs(signs @ parts) >= least).sum()) for signs in _random_signs(len(parts)))
    return float((extreme + 1) / (DRAWS + 1))


def _exact(parts: NDArray[np.float64], least: float) -> float:
    """By the sums of both halves: a sum of all is one of each."""
    half = len(parts) // 2
    first, second = _signed_sums(parts[:half]), np.sort(_signed_sums(parts[half:]))
    above = int((len(second) - np.searchsorted(second, least - first)).sum())
    return min(1.0, 2.0 * above / 2.0 ** len(parts))


def _signed_sums(parts: NDArray[np.float64]) -> NDArray[np.float64]:
    """(2^n,) sums of n parts under all choices of signs."""
    sums = np.zeros(1)
    for part in parts:
        sums = np.concatenate([sums + part, sums - part])
    return sums


def _random_signs(units: int) -> Iterator[NDArray[np.float64]]:
    """The draws, (at most 400, units) of -1 and 1 at a time; the same in every run."""
    for bits in _random_bits(units):
        signs = np.unpackbits(bits, axis=1, count=units).astype(np.float64)
        signs *= 2
        signs -= 1
        yield signs


@functools.lru_cache(maxsize=2)
def _random_bits(units: int) -> list[NDArray[np.uint8]]:
    """Of all draws, eight units a byte."""
    generator = np.random.default_rng(_SEED)
    counts = [min(_TOGETHER, DRAWS - start) for start in range(0, DRAWS, _TOGETHER)]
    return [np.packbits(generator.integers(0, 2, (count, units), np.int8), axis=1) for count in counts]
