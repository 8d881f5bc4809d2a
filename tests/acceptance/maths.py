"""Numbers of tracks and pictures that several acceptance tests take; NaN where there is none."""

import numpy as np
from scipy.stats import spearmanr

from gmbench.metrics.landmarks import MOUTH, normalised_landmark_distance

INNER_LIPS, CORNERS = (62, 66), (60, 64)
STILL = 1e-9
"""Spread below which a track does not move."""


def mouth_opening(points: np.ndarray) -> np.ndarray:
    """Distance of the inner lips over the mouth's width (T,) of landmarks (T, 68, 2)."""
    height, width = (np.linalg.norm(points[:, a] - points[:, b], axis=-1) for a, b in (INNER_LIPS, CORNERS))
    return np.asarray(height / np.maximum(width, 1e-6))


def correlation(a: np.ndarray, b: np.ndarray) -> float:
    """Pearson's correlation of two tracks over the frames that both have; NaN where one does not move."""
    pair = _both(a, b)
    if pair.shape[1] < 3 or pair.std(axis=1).min() < STILL:
        return float("nan")
    return float(np.corrcoef(pair)[0, 1])


def rank_correlation(a: np.ndarray, b: np.ndarray) -> float:
    """Spearman's correlation, as :func:`correlation`."""
    pair = _both(a, b)
    if pair.shape[1] < 3 or pair.std(axis=1).min() < STILL:
        return float("nan")
    return float(spearmanr(*pair).statistic)


def mean_difference(a: np.ndarray, b: np.ndarray) -> float:
    """Mean absolute difference over the rows that both have; one of them may have a single row."""
    if len(a) > 1 and len(b) > 1:
        a, b = a[: len(b)], b[: len(a)]
    return mean(np.abs(a - b).ravel())


def mean(values: np.ndarray | list[float]) -> float:
    """Mean of the finite values."""
    finite = np.asarray(values, np.float64)
    finite = finite[np.isfinite(finite)]
    return float(finite.mean()) if len(finite) else float("nan")


def ratio(a: float, b: float) -> float:
    """a / b; NaN where b is not positive."""
    return float(a / b) if b > STILL else float("nan")


def psnr(drawn: np.ndarray, real: np.ndarray) -> float:
    """Mean over frames (T, S, S, 3), dB."""
    errors = ((drawn.astype(float) - real) ** 2).mean((1, 2, 3))
    return float((10 * np.log10(255**2 / np.maximum(errors, 1e-9))).mean())


def mouth_distance(moved: np.ndarray, real: np.ndarray) -> float:
    """M-NLMD of landmarks (T, 68, 2)."""
    frames = min(len(moved), len(real))
    return mean(normalised_landmark_distance(moved[:frames], real[:frames], MOUTH))


def standard_errors_apart(a: np.ndarray | list[float], b: np.ndarray | list[float]) -> float:
    """Difference of two means in standard errors of the difference; NaN with fewer than two values on a side."""
    first, second = (np.asarray(x, np.float64) for x in (a, b))
    first, second = first[np.isfinite(first)], second[np.isfinite(second)]
    if min(len(first), len(second)) < 2:
        return float("nan")
    error = np.sqrt(first.var(ddof=1) / len(first) + second.var(ddof=1) / len(second))
    return ratio(float(first.mean() - second.mean()), float(error)) if error > STILL else float("nan")


def _both(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """(2, n): rows of two tracks in which both are finite."""
    frames = min(len(a), len(b))
    pair = np.stack([np.asarray(a[:frames], np.float64), np.asarray(b[:frames], np.float64)])
    return pair[:, np.isfinite(pair).all(axis=0)]
