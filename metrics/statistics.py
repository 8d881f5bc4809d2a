"""From clip values to one number with an interval, and the paired comparison of two methods.

Clips of one speaker are not independent. Where clips of several speakers are labelled, the speaker with all clips is
the independent unit: of intervals, and of the test, which changes the sign of all differences of a speaker at once.
Clips without a label then count as one further speaker. Elsewhere the unit is the clip.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from gmbench.metrics.intervals import (
    NO_ENDS,
    Ends,
    Linear,
    mean_interval,
    median_interval,
    share_difference_interval,
    share_interval,
)
from gmbench.metrics.sign_flip import sign_flip_p

UnitKind = Literal["clips", "speakers"]
Statistic = Literal["mean", "median", "macro"]
"""``macro``: the mean over classes of the classes' means."""
NAN = float("nan")


@dataclass(frozen=True)
class Estimate:
    """A mean with its 95 % interval; ``n`` clips had a value, ``units`` of them (or of their speakers) independent."""

    value: float
    low: float
    high: float
    n: int
    units: int = 0
    unit_kind: UnitKind = "clips"


@dataclass(frozen=True)
class Difference:
    """Paired difference first - second with its 95 % interval and two-sided p-value of a sign-flip test.

    Attributes:
        n: clips where both methods have a value.
        units: independent ones among them, of ``unit_kind``.
        infinite: clips whose difference is infinite: left out of value and interval; in the test as large as the
            largest finite one.
        supported: sum of the tested differences, whose sign is the test's direction.
    """

    value: float
    low: float
    high: float
    p: float
    n: int
    units: int = 0
    unit_kind: UnitKind = "clips"
    infinite: int = 0
    supported: float = 0.0


def pooled_mean(values: NDArray[np.float64], frames: NDArray[np.int64]) -> float:
    """Mean over all frames of all clips, from clip means and frame counts; NaN clips are left out."""
    valid = ~np.isnan(values) & (frames > 0)
    if not valid.any():
        return NAN
    return float(np.average(values[valid], weights=frames[valid]))


def least_p(units: int) -> float:
    """The smallest p-value that a two-sided sign-flip test of so many units can give."""
    return min(1.0, 2.0 * 0.5**units)


def holm(p: Sequence[float]) -> list[float]:
    """P-values of a family of tests, adjusted after Holm (1979); NaN is no test.

    Example:
        >>> holm([0.01, 0.04, float("nan"), 0.03])
        [0.03, 0.06, nan, 0.06]
    """
    adjusted, largest = [NAN] * len(p), 0.0
    order = sorted((value, place) for place, value in enumerate(p) if not np.isnan(value))
    for rank, (value, place) in enumerate(order):
        largest = max(largest, min(1.0, (len(order) - rank) * value))
        adjusted[place] = largest
    return adjusted


def estimate(
    values: NDArray[np.float64],
    speakers: Sequence[str] | None = None,
    statistic: str = "mean",
    classes: Sequence[str] | None = None,
    hit: float = 0.0,
) -> Estimate:
    """Clip mean, median or macro mean with its 95 % interval.

    Args:
        values: (n,) clip values; NaN means undefined and lowers ``n``; infinity stays.
        speakers: one name a clip, empty where unknown.
        statistic: ``mean``, ``median`` or ``macro``.
        classes: one name a clip, for ``macro``.
        hit: value of a hit where clip values are 0 or this one: the number is a share.

    Returns:
        NaN values if no clip has a value; NaN ends of the interval for a single unit.
    """
    values = np.asarray(values, np.float64)
    keep = ~np.isnan(values)
    kept = values[keep]
    if len(kept) == 0:
        return Estimate(NAN, NAN, NAN, 0)
    unit, kind = _units(_names(speakers, keep))
    count = int(unit.max()) + 1
    if not np.isfinite(kept).all():
        centre = float(np.median(kept) if statistic == "median" else kept.mean())
        return Estimate(centre, *((centre, centre) if np.isinf(kept).all() else NO_ENDS), len(kept), count, kind)
    if statistic == "median":
        return Estimate(float(np.median(kept)), *median_interval(kept, unit), len(kept), count, kind)
    mean = _linear(kept, unit, _classes(statistic, classes, keep))
    ends = _scaled(share_interval, mean, kept, hit) if hit else mean_interval(mean)
    return Estimate(mean.value, *ends, len(kept), count, kind)


def paired_difference(
    first: NDArray[np.float64],
    second: NDArray[np.float64],
    speakers: Sequence[str] | None = None,
    statistic: str = "mean",
    classes: Sequence[str] | None = None,
    hit: float = 0.0,
) -> Difference:
    """Mean difference of two methods on the clips where both have a value.

    With ``statistic`` macro it is the mean over ``classes`` of the classes' mean differences. The test flips the
    signs of the units' parts of that very mean, see :func:`gmbench.metrics.sign_flip.sign_flip_p`.

    Args:
        first, second: (n,) values of the same clips; NaN is no value; two equal infinities differ by 0.
        speakers, classes, hit: as for :func:`estimate`.

    Returns:
        NaN interval with a single unit; NaN for all without a common clip.
    """
    if len(first) != len(second):
        raise ValueError(f"expected paired values of one length, got {len(first)} and {len(second)}")
    first, second = np.asarray(first, np.float64), np.asarray(second, np.float64)
    with np.errstate(invalid="ignore"):
        raw = np.where(first == second, 0.0, first - second)
    keep = ~np.isnan(raw)
    differences, names = raw[keep], _names(speakers, keep)
    labels = _classes(statistic, classes, keep)
    if len(differences) == 0:
        return Difference(NAN, NAN, NAN, NAN, 0)
    unit, kind = _units(names)
    finite = np.isfinite(differences)
    largest = float(np.abs(differences[finite]).max(initial=0.0)) or 1.0
    parts = _weights(labels, len(differences)) * np.clip(differences, -largest, largest)
    p, value, ends = sign_flip_p(np.asarray(np.bincount(unit, parts), np.float64)), NAN, NO_ENDS
    if finite.any():
        known = differences[finite]
        mean = _linear(known, _units(names[finite])[0], labels[finite] if labels is not None else None)
        value, ends = mean.value, _scaled(share_difference_interval, mean, known, hit) if hit else mean_interval(mean)
    infinite = int((~finite).sum())
    return Difference(value, *ends, p, len(differences), int(unit.max()) + 1, kind, infinite, float(parts.sum()))


def _names(names: Sequence[str] | None, keep: NDArray[np.bool_]) -> NDArray[np.str_]:
    """The names of kept clips; empty ones where there are none."""
    return np.asarray(list(names) if names is not None else [""] * len(keep), dtype=str)[keep]


def _classes(statistic: str, classes: Sequence[str] | None, keep: NDArray[np.bool_]) -> NDArray[np.str_] | None:
    """The classes of kept clips where the statistic is the mean over them."""
    if statistic != "macro":
        return None
    if classes is None:
        raise ValueError("expected a class for each value of a macro mean")
    return _names(classes, keep)


def _units(speakers: NDArray[np.str_]) -> tuple[NDArray[np.int64], UnitKind]:
    """The number of each clip's independent unit, and what the units are."""
    if len(set(speakers) - {""}) > 1:
        return np.unique(speakers, return_inverse=True)[1], "speakers"
    return np.arange(len(speakers)), "clips"


def _weights(classes: NDArray[np.str_] | None, count: int) -> NDArray[np.float64]:
    """Weight of each clip in a mean, or in the mean over classes; their sum is 1."""
    if classes is None:
        return np.full(count, 1.0 / count)
    _, member, sizes = np.unique(classes, return_inverse=True, return_counts=True)
    return np.asarray(1.0 / (len(sizes) * sizes[member]), np.float64)


def _linear(values: NDArray[np.float64], unit: NDArray[np.int64], classes: NDArray[np.str_] | None) -> Linear:
    """The mean, or the mean over classes, with each unit's part in its error."""
    weights, mean = _weights(classes, len(values)), float(values.mean())
    if classes is None:
        return Linear.of(mean, values - mean, weights, unit)
    _, member, sizes = np.unique(classes, return_inverse=True, return_counts=True)
    means = np.bincount(member, values) / sizes
    size = sizes[member]
    within = (values - means[member]) * np.sqrt(size / np.maximum(size - 1, 1))
    residuals = np.where(size > 1, within, values - mean)  # of a class of one clip the spread of the whole
    return Linear.of(float(means.mean()), np.asarray(residuals, np.float64), weights, unit)


def _scaled(
    interval: Callable[[Linear, NDArray[np.float64]], Ends], mean: Linear, values: NDArray[np.float64], hit: float
) -> Ends:
    """The interval of a share whose hits count ``hit`` instead of 1."""
    low, high = interval(Linear(mean.value / hit, mean.parts / hit, mean.units), values / hit)
    return hit * low, hit * high
