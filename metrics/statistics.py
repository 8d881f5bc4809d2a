"""From clip values to one number with an interval, and the paired comparison of two methods."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

RESAMPLES = 1000
SEED = 0
MIN_SPEAKERS = 5
"""From this many speakers on, the bootstrap resamples speakers instead of clips."""


_STATISTICS: dict[str, Callable[..., Any]] = {"mean": np.mean, "median": np.median}
"""Besides these ``macro``: the mean over classes of the classes' means."""


@dataclass(frozen=True)
class Estimate:
    """A mean with its 95 % bootstrap interval; ``n`` clips had a value."""

    value: float
    low: float
    high: float
    n: int


@dataclass(frozen=True)
class Difference:
    """Paired difference first - second with its 95 % interval and two-sided bootstrap p-value."""

    value: float
    low: float
    high: float
    p: float
    n: int


def pooled_mean(values: NDArray[np.float64], frames: NDArray[np.int64]) -> float:
    """Mean over all frames of all clips, from clip means and frame counts; NaN clips are left out."""
    valid = ~np.isnan(values) & (frames > 0)
    if not valid.any():
        return float("nan")
    return float(np.average(values[valid], weights=frames[valid]))


def estimate(
    values: NDArray[np.float64],
    speakers: Sequence[str] | None = None,
    statistic: str = "mean",
    resamples: int = RESAMPLES,
    seed: int = SEED,
    classes: Sequence[str] | None = None,
) -> Estimate:
    """Clip mean, median or macro mean with a percentile bootstrap interval of 95 %.

    Args:
        values: (n,) clip values; NaN means undefined and lowers ``n``; infinity stays.
        speakers: one name a clip; with five or more the bootstrap resamples speakers.
        statistic: ``mean``, ``median`` or ``macro``.
        classes: one name a clip, for ``macro``; a resample without a class is the mean over the others.
        resamples: number of bootstrap samples.
        seed: of the generator.

    Returns:
        NaN values if no clip has a value; a degenerate interval for a single clip is NaN.
    """
    names = None if classes is None else np.asarray(list(classes), dtype=str)[~np.isnan(np.asarray(values, np.float64))]
    values, groups = _defined(values, speakers)
    reduce = _reduction(statistic, names)
    if len(values) == 0:
        return Estimate(float("nan"), float("nan"), float("nan"), 0)
    centre = float(reduce(values, np.arange(len(values))))
    if len(values) == 1 or not np.isfinite(values).all():
        ends = (centre, centre) if np.isinf(values).all() else (float("nan"), float("nan"))
        return Estimate(centre, *ends, len(values))
    samples = _bootstrap(values, groups, reduce, resamples, seed)
    low, high = np.percentile(samples, [2.5, 97.5])
    return Estimate(centre, float(low), float(high), len(values))


def paired_difference(
    first: NDArray[np.float64],
    second: NDArray[np.float64],
    speakers: Sequence[str] | None = None,
    resamples: int = 10 * RESAMPLES,
    seed: int = SEED,
    statistic: str = "mean",
    classes: Sequence[str] | None = None,
) -> Difference:
    """Mean difference of two methods on the clips where both have a finite value.

    With ``statistic`` macro it is the mean over ``classes`` of the classes' mean differences.

    The interval is the 95 % percentile bootstrap of the paired differences, the p-value twice the
    smaller share of resampled means on one side of zero (at least 2 / (resamples + 1)).

    Returns:
        NaN interval and p-value with fewer than two common clips.
    """
    if len(first) != len(second):
        raise ValueError(f"expected paired values of one length, got {len(first)} and {len(second)}")
    with np.errstate(invalid="ignore"):
        raw = np.asarray(first, np.float64) - np.asarray(second, np.float64)
    raw[~np.isfinite(raw)] = np.nan
    names = None if classes is None else np.asarray(list(classes), dtype=str)[~np.isnan(raw)]
    difference, groups = _defined(raw, speakers)
    reduce = _reduction("macro" if statistic == "macro" else "mean", names)
    if len(difference) == 0:
        return Difference(float("nan"), float("nan"), float("nan"), float("nan"), 0)
    centre = float(reduce(difference, np.arange(len(difference))))
    if len(difference) == 1:
        return Difference(centre, float("nan"), float("nan"), float("nan"), 1)
    samples = _bootstrap(difference, groups, reduce, resamples, seed)
    low, high = np.percentile(samples, [2.5, 97.5])
    below, above = int((samples <= 0).sum()), int((samples >= 0).sum())
    p = min(1.0, 2.0 * (min(below, above) + 1) / (len(samples) + 1))
    return Difference(centre, float(low), float(high), p, len(difference))


def _defined(
    values: NDArray[np.float64], speakers: Sequence[str] | None
) -> tuple[NDArray[np.float64], list[NDArray[np.int64]]]:
    """Values that are not NaN, and the groups of positions that the bootstrap resamples."""
    values = np.asarray(values, np.float64)
    keep = ~np.isnan(values)
    kept = values[keep]
    names = np.asarray(list(speakers) if speakers is not None else [""] * len(values), dtype=str)[keep]
    unique = [name for name in np.unique(names) if name]
    if len(unique) >= MIN_SPEAKERS and all(names != ""):
        return kept, [np.flatnonzero(names == name) for name in unique]
    return kept, [np.array([i]) for i in range(len(kept))]


def _reduction(statistic: str, classes: NDArray[np.str_] | None) -> Callable[..., Any]:
    """A function of values (n,) and positions (..., n) into them, to one number for each row of positions."""
    if statistic != "macro":
        plain = _STATISTICS[statistic]
        return lambda values, positions: plain(values[positions], axis=-1)
    if classes is None:
        raise ValueError("expected a class for each value of a macro mean")
    _, members = np.unique(classes, return_inverse=True)

    def macro(values: NDArray[np.float64], positions: NDArray[np.int64]) -> Any:
        rows = np.atleast_2d(positions)
        found = np.array([_class_mean(values[row], members[row]) for row in rows])
        return found if positions.ndim > 1 else found[0]

    return macro


def _class_mean(values: NDArray[np.float64], members: NDArray[np.int64]) -> float:
    counts = np.bincount(members)
    sums = np.bincount(members, weights=values)
    return float((sums[counts > 0] / counts[counts > 0]).mean())


def _bootstrap(
    values: NDArray[np.float64],
    groups: list[NDArray[np.int64]],
    reduce: Callable[..., Any],
    resamples: int,
    seed: int,
) -> NDArray[np.float64]:
    generator = np.random.default_rng(seed)
    draws = generator.integers(0, len(groups), size=(resamples, len(groups)))
    if all(len(group) == 1 for group in groups):
        return np.asarray(reduce(values, draws))
    return np.array([reduce(values, np.concatenate([groups[i] for i in draw])) for draw in draws])
