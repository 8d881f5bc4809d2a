"""Human ratings: preference shares, mean opinion scores, emotion accuracy, agreement.

All functions take what raters gave; nothing here makes ratings up.
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import stats


@dataclass(frozen=True)
class OpinionScore:
    """Mean opinion score with its standard deviation (n - 1) and half-width of the 95 % t-interval."""

    mean: float
    deviation: float
    half_width: float
    n: int


def preference_share(votes: NDArray[np.float64]) -> NDArray[np.float64]:
    """Votes per method -> share in percent (GMTalker T. VII); NaN if nobody voted."""
    votes = np.asarray(votes, np.float64)
    if (votes < 0).any():
        raise ValueError(f"expected vote counts of at least 0, got {votes.min()}")
    total = votes.sum()
    return 100.0 * votes / total if total else np.full(len(votes), np.nan)


def mean_opinion_score(ratings: NDArray[np.float64]) -> OpinionScore:
    """Mean, standard deviation and 95 % t-interval of ratings (FlowVQTalker T. 2, DICE-Talk T. 3)."""
    ratings = np.asarray(ratings, np.float64)
    n = len(ratings)
    if n == 0:
        return OpinionScore(float("nan"), float("nan"), float("nan"), 0)
    if n == 1:
        return OpinionScore(float(ratings[0]), float("nan"), float("nan"), 1)
    deviation = float(ratings.std(ddof=1))
    half = float(stats.t.ppf(0.975, n - 1)) * deviation / np.sqrt(n)
    return OpinionScore(float(ratings.mean()), deviation, float(half), n)


def two_level_interval(
    table: NDArray[np.float64],
    statistic: Callable[[NDArray[np.float64]], float] = np.nanmean,
    resamples: int = 1000,
    seed: int = 0,
) -> tuple[float, float]:
    """95 % bootstrap interval that resamples raters and clips.

    Args:
        table: (raters, clips) values, NaN where a rater did not see a clip.
        statistic: of the resampled table.
    """
    generator = np.random.default_rng(seed)
    raters, clips = table.shape
    values = []
    for _ in range(resamples):
        rows = generator.integers(0, raters, raters)
        columns = generator.integers(0, clips, clips)
        sample = table[np.ix_(rows, columns)]
        if np.isfinite(sample).any():
            values.append(statistic(sample))
    low, high = np.percentile(values, [2.5, 97.5]) if values else (float("nan"), float("nan"))
    return float(low), float(high)


def krippendorff_alpha(table: NDArray[np.float64], ordinal: bool = True) -> float:
    """Krippendorff's alpha of agreement.

    Args:
        table: (raters, units), NaN where missing.
        ordinal: distance on ranks; otherwise nominal.

    Returns:
        1 for perfect agreement, 0 for chance; NaN if no unit has two ratings or all ratings are equal.

    Source: Krippendorff, Computing Krippendorff's Alpha-Reliability, 2011.
    """
    levels = np.unique(table[np.isfinite(table)])
    coincidence = np.zeros((len(levels), len(levels)))
    for unit in table.T:
        given = unit[np.isfinite(unit)]
        if len(given) < 2:
            continue
        counts = (given[:, None] == levels).sum(axis=0).astype(float)
        coincidence += (np.outer(counts, counts) - np.diag(counts)) / (len(given) - 1)
    totals = coincidence.sum(axis=1)
    n = totals.sum()
    if n == 0 or np.count_nonzero(totals) < 2:
        return float("nan")
    if ordinal:
        between = np.cumsum(totals) - totals / 2.0
        distance = (between[:, None] - between[None, :]) ** 2
    else:
        distance = 1.0 - np.eye(len(levels))
    observed = (coincidence * distance).sum()
    expected = (np.outer(totals, totals) * distance).sum() / (n - 1)
    return float(1.0 - observed / expected)
