"""Lip synchronisation without a network: how well the sound predicts the lips by linear regression."""

from dataclasses import dataclass

import numpy as np

from gmbench.metrics.landmarks import LEFT_EYE, MOUTH, RIGHT_EYE, Landmarks, interocular
from gmbench.metrics.series import Series, circular_shifts
from gmbench.metrics.spec import Best, Direction, MetricSpec

CONTEXT = 3
LAGS = 15
COMPONENTS = 3
FOLDS = 5
GUARD = 5
RIDGE = 3.0
LEAST_FRAMES = 250
SHIFTS = 20
"""Circular shifts of the sound that stand for chance."""


@dataclass(frozen=True)
class LinearSync:
    """Correlations (2 lags + 1,) of lips and what the sound predicts, from the largest lead of the picture on."""

    by_lag: Series

    @property
    def best(self) -> float:
        """The largest correlation."""
        return float(self.by_lag.max())

    @property
    def offset(self) -> int:
        """Its lag in frames; positive: the sound leads."""
        return int(self.by_lag.argmax()) - len(self.by_lag) // 2

    @property
    def confidence(self) -> float:
        """Largest less median correlation."""
        return float(self.by_lag.max() - np.median(self.by_lag))


def with_context(bands: Series, context: int = CONTEXT) -> Series:
    """(T, d (2 context + 1)): each frame with those around it; the first and the last frame repeat at the ends."""
    places = np.clip(np.arange(len(bands))[:, None] + np.arange(-context, context + 1), 0, len(bands) - 1)
    return bands[places].reshape(len(bands), -1)


def upright_lips(landmarks: Landmarks) -> Series:
    """(T, 40) points 48-67 about their mean, along and across the line of the eyes, over the inter-ocular distance."""
    across = landmarks[:, LEFT_EYE].mean(axis=1) - landmarks[:, RIGHT_EYE].mean(axis=1)
    across = across / np.linalg.norm(across, axis=1, keepdims=True)
    axes = np.stack([across, np.stack([-across[:, 1], across[:, 0]], axis=1)], axis=2)  # (T, 2, 2), columns
    lips = landmarks[:, MOUTH] - landmarks[:, MOUTH].mean(axis=1, keepdims=True)
    return np.asarray((lips @ axes).reshape(len(lips), -1) / interocular(landmarks)[:, None])


def linear_sync(sound: Series, lips: Series, lags: int = LAGS) -> LinearSync:
    """How well sound predicts lips at each lag, held out.

    At lag k frame t - k of the sound stands beside frame t of the lips. The sound's columns are standardised, the lips
    are their first three principal components. Ridge regression (3 times the number of columns) on four of five
    contiguous fifths, five frames off the border, predicts the fifth; the correlations of predicted and true
    components are averaged with the components' variances as weights.

    Args:
        sound: (T, c), lips: (T, p); rows with NaN are left out.

    Returns:
        NaN correlations where either side does not vary.

    Source: this suite; in the place of SyncNet's scores, where no network is at hand.
    """
    return LinearSync(np.array([_correlation(*_lagged(sound, lips, lag)) for lag in range(-lags, lags + 1)]))


def linear_sync_chance(sound: Series, lips: Series, lags: int = LAGS, shifts: int = SHIFTS) -> float:
    """Mean of the largest correlation under circular shifts of the lips between 1 s and the length less 1 s.

    Args:
        sound: (T, c), lips: (T, p) of one length, at least 2 s.

    Returns:
        NaN where nothing varies.
    """
    moved = [np.roll(lips, shift, axis=0) for shift in circular_shifts(len(lips), shifts)]
    largest = np.full(len(moved), np.nan)
    for lag in range(-lags, lags + 1):  # lag by lag: all shifts share the regression's matrix of the sound
        several = [_lagged(sound, one, lag) for one in moved]
        if all(len(x) == len(sound) - abs(lag) for x, _ in several):
            found = _correlations(several[0][0], [y for _, y in several])
        else:  # frames without a face differ from shift to shift
            found = np.array([_correlation(x, y) for x, y in several])
        largest = np.fmax(largest, found)
    return float(largest.mean())


def _lagged(sound: Series, lips: Series, lag: int) -> tuple[Series, Series]:
    """Rows of both that stand beside each other at a lag and are complete."""
    length = min(len(sound), len(lips))
    x = sound[max(0, -lag) : length - max(0, lag)]
    y = lips[max(0, lag) : length - max(0, -lag)]
    keep = np.isfinite(x).all(axis=1) & np.isfinite(y).all(axis=1)
    return (x, y) if keep.all() else (x[keep], y[keep])


def _correlation(sound: Series, lips: Series) -> float:
    return float(_correlations(sound, [lips])[0])


def _correlations(sound: Series, several: list[Series]) -> Series:
    """The held-out correlation of one sound with each of several lips of its length."""
    if len(sound) <= FOLDS * (GUARD + 1):
        return np.full(len(several), np.nan)
    mean, spread = sound.mean(axis=0), sound.std(axis=0)
    varies = spread > 1e-9 * np.maximum(1.0, np.abs(mean))  # the deviation of equal values need not vanish exactly
    if not varies.any():
        return np.full(len(several), np.nan)
    x = np.where(varies, sound - mean, 0.0) / np.where(varies, spread, 1.0)
    targets = [_principal(lips) for lips in several]
    y = np.concatenate(targets, axis=1)
    predicted = _held_out(x, y)
    ends = np.cumsum([target.shape[1] for target in targets])[:-1]
    return np.array([_weighted(p, t) for p, t in zip(np.split(predicted, ends, axis=1), targets, strict=True)])


def _principal(lips: Series) -> Series:
    """(n, <= 3) scores of the first principal components."""
    centred = lips - lips.mean(axis=0)
    _, axes = np.linalg.eigh(centred.T @ centred)
    return np.asarray(centred @ axes[:, ::-1][:, :COMPONENTS])


def _held_out(x: Series, y: Series) -> Series:
    """Prediction (n, m) of y (n, m) from x (n, c), each fifth from the others."""
    edges = np.linspace(0, len(x), FOLDS + 1).round().astype(int)
    result = np.empty_like(y)
    whole = x.T @ x + RIDGE * x.shape[1] * np.eye(x.shape[1])
    products, totals, sums = x.T @ y, y.sum(axis=0), x.sum(axis=0)
    for start, stop in zip(edges, edges[1:], strict=False):
        left_out = slice(max(0, start - GUARD), stop + GUARD)
        out_x, out_y = x[left_out], y[left_out]
        mean = (totals - out_y.sum(axis=0)) / (len(x) - len(out_x))
        target = products - out_x.T @ out_y - np.outer(sums - out_x.sum(axis=0), mean)
        result[start:stop] = x[start:stop] @ np.linalg.solve(whole - out_x.T @ out_x, target) + mean
    return result


def _weighted(predicted: Series, truth: Series) -> float:
    """Mean correlation of columns (n, m), weighted by the truth's variance; NaN where nothing varies."""
    p, t = predicted - predicted.mean(axis=0), truth - truth.mean(axis=0)
    variance = (t**2).sum(axis=0)
    scale = np.sqrt((p**2).sum(axis=0) * variance)
    varies = (variance > 1e-12 * max(float(variance.max(initial=0.0)), 1e-12)) & (scale > 0)
    if not varies.any():
        return float("nan")
    return float(((p * t).sum(axis=0)[varies] / scale[varies] * variance[varies]).sum() / variance[varies].sum())


def _spec(
    name: str, title: str, unit: str, direction: Direction, best: Best, range_: str, what: str, interpretation: str,
    aggregation: str = "clip value -> clip mean", responds_to: tuple[str, ...] = (),
) -> MetricSpec:  # fmt: skip
    return MetricSpec(
        name=name,
        title=title,
        group="lips",
        what=what,
        version=1,
        direction=direction,
        best=best,
        unit=unit,
        range=range_,
        needs=("audio", "landmarks"),
        aggregation=aggregation,
        source="this suite: ridge regression of lip shape on the sound's mel bands, held out",
        interpretation=interpretation,
        caveats="A mouth driven linearly by loudness beats real video: above real is not better. Undefined below 10 s; "
        "of nine clips five stood clear of chance, one equalled it, those of 5, 8 and one of 10 s did not: where "
        "sync_lin is not well above sync_lin_chance, the offset means nothing. The largest of 31 lags is "
        "positive by chance.",
        default=False,
        responds_to=responds_to,
    )


SPECS = (
    _spec("sync_lin", "Lip-sound corr.", "", "higher", "reference", "[-1, 1]",
          "How well the sound predicts the lips, without any network.",
          "Correlation of lips and their linear prediction from the sound at the best lag. Read its excess over "
          "sync_lin_chance; six real clips have 0.24 to 0.55 where chance is 0.04 to 0.10.",
          responds_to=("shuffle",)),
    _spec("sync_lin_offset", "Lip-sound offset", "frames", "reference", "zero", "-15 to 15",
          "Frames by which the sound leads the picture, without any network.",
          "The lag of sync_lin. Negative: the sound is late. 0 is in step.",
          "clip value -> median over clips", ("late", "early")),
    _spec("sync_lin_conf", "Lip-sound conf.", "", "higher", "reference", "[0, 2]",
          "How much better the best lag predicts the lips than the median one.",
          "As SyncNet's confidence, of sync_lin's correlations."),
    _spec("sync_lin_chance", "Lip-sound chance", "", "reference", "none", "[-1, 1]",
          "Lip-sound corr. of the same lips with shifted sound: the chance level.",
          "sync_lin of the same lips under 20 circular shifts of the sound, each at its best lag."),
)  # fmt: skip
