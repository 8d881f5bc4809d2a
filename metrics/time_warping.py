"""Distances of two series that may differ in timing: dynamic time warping inside a band, hard and soft."""

import math
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from gmbench.metrics.series import FRAME_MS
from gmbench.metrics.spec import Direction, Group, MetricSpec, Need

Costs = NDArray[np.float64]
"""(T, 2 band + 1): entry [t, d] is the cost of pairing frame t of one series with frame t + d - band of the other."""
Distance = Callable[[NDArray[np.float64], NDArray[np.float64]], NDArray[np.float64]]
"""From two series of one length (n, ...) to the distances (n,) of their frames."""

BAND = 3
"""Frames that two series may be apart: 120 ms, the latest sound that ITU-R BT.1359 finds hard to notice."""
MOST_MISSING = 0.1
"""Share of costs that may lack a face on a side; they get the mean cost of the clip."""


@dataclass(frozen=True)
class Warping:
    """The cheapest path: its cost over T, and ``shift``, the mean number of frames by which its pairs are apart."""

    cost: float
    shift: float

    @property
    def milliseconds(self) -> float:
        """The shift at 25 fps."""
        return self.shift * FRAME_MS


def band_costs(generated: NDArray[np.float64], reference: NDArray[np.float64], distance: Distance, band: int) -> Costs:
    """Costs of all pairs of frames no more than ``band`` apart; infinity outside the series.

    Args:
        generated, reference: two series (T, ...) of one length.
        distance: of frames; NaN where a side has no face.
        band: 0 leaves each frame with its own; T - 1 is no band at all.

    Raises:
        ValueError: lengths differ.
    """
    frames = len(generated)
    if frames != len(reference):
        raise ValueError(f"expected two series of one length, got {frames} and {len(reference)}")
    costs = np.full((frames, 2 * band + 1), np.inf)
    for place, offset in enumerate(range(-band, band + 1)):
        first, last = max(0, -offset), min(frames, frames - offset)
        if first < last:
            costs[first:last, place] = distance(generated[first:last], reference[first + offset : last + offset])
    return costs


def filled(costs: Costs, most_missing: float = MOST_MISSING) -> Costs:
    """Costs whose NaN are the mean of the others; all NaN where more than a share of them is missing."""
    missing, inside = np.isnan(costs), ~np.isinf(costs)
    if not inside.any() or missing.sum() > most_missing * inside.sum():
        return np.full_like(costs, np.nan)
    return np.where(missing, costs[inside & ~missing].mean(), costs)


def warping(costs: Costs) -> Warping:
    """The cheapest path from the first pair to the last with steps (1, 1), (1, 0), (0, 1), and what it costs.

    Where two steps cost the same, the diagonal one is taken, then the one that advances the first series.

    Args:
        costs: (T, 2 band + 1) of :func:`band_costs`.

    Returns:
        with band 0 the mean of the costs; NaN where a cost is NaN or there is none.
    """
    frames, width = costs.shape
    if frames == 0 or np.isnan(costs).any():
        return Warping(float("nan"), float("nan"))
    band = width // 2
    total, steps = _cheapest(costs)
    t, place, apart, length = frames - 1, band, 0, 0
    while True:
        apart, length = apart + abs(place - band), length + 1
        if (t, place) == (0, band):
            break
        step = steps[t, place]
        t, place = t - (step != _OTHER), place + (step == _FIRST) - (step == _OTHER)
    return Warping(float(total / frames), apart / length)


_BOTH, _FIRST, _OTHER = 0, 1, 2
"""Steps: both series, the first alone, the other alone."""


def _cheapest(costs: Costs) -> tuple[float, NDArray[np.int8]]:
    """Cost of the cheapest path, and the step that leads to each pair."""
    frames, width = costs.shape
    band = width // 2
    before = np.full(width + 2, np.inf).tolist()  # a column of infinity at each end
    steps = np.zeros((frames, width), np.int8)
    for t, row in enumerate(costs.tolist()):
        here = [np.inf] * (width + 2)
        for place, cost in enumerate(row):
            if cost == np.inf:
                continue
            if t == 0 and place == band:
                here[place + 1] = cost
                continue
            options = (before[place + 1], before[place + 2], here[place])
            step = options.index(min(options))
            here[place + 1] = cost + options[step]
            steps[t, place] = step
        before = here
    return float(before[band + 1]), steps


def soft_dtw(costs: Costs, gamma: float) -> float:
    """Soft-DTW: -gamma log of the sum over all monotone paths inside the band of exp(-cost / gamma).

    Args:
        costs: (T, 2 band + 1) of :func:`band_costs`; with a band of T - 1 all paths count.
        gamma: > 0; towards 0 it is the hard distance.

    Returns:
        the value, not divided by a length; negative for a series and itself, NaN where a cost is.

    Source: Cuturi and Blondel, Soft-DTW, ICML 2017; arXiv 2606.01031 divides by max(T, S).
    """
    frames, width = costs.shape
    if frames == 0 or np.isnan(costs).any():
        return float("nan")
    band = width // 2
    before = [math.inf] * (width + 2)
    for t, row in enumerate(costs.tolist()):
        here = [math.inf] * (width + 2)
        for place, cost in enumerate(row):
            if cost == math.inf:
                continue
            start = t == 0 and place == band
            ways = (before[place + 1], before[place + 2], here[place])
            here[place + 1] = cost if start else cost + _soft_least(ways, gamma)
        before = here
    return before[band + 1]


def _soft_least(values: tuple[float, ...], gamma: float) -> float:
    least = min(values)
    if least == math.inf:
        return least
    return least - gamma * math.log(sum(math.exp((least - value) / gamma) for value in values))


def soft_divergence(between: Costs, first: Costs, second: Costs, gamma: float) -> float:
    """Soft-DTW less half of that of each series with itself: 0 for equal series.

    Args:
        between, first, second: :func:`band_costs` of both series, and of each with itself.

    Source: Blondel et al., Differentiable divergences between time series, AISTATS 2021.
    """
    return soft_dtw(between, gamma) - (soft_dtw(first, gamma) + soft_dtw(second, gamma)) / 2.0


class BandCosts:
    """:func:`band_costs` of two series whose frames come one after another, of any kind.

    Attributes:
        costs: (frames, 2 band + 1).
    """

    def __init__(self, frames: int, band: int) -> None:
        rows, columns = np.indices((frames, 2 * band + 1))
        others = rows + columns - band
        self.costs: Costs = np.where((others < 0) | (others >= frames), np.inf, np.nan)
        self._band, self._frames = band, 0
        self._generated: deque[Any] = deque(maxlen=band + 1)
        self._reference: deque[Any] = deque(maxlen=band + 1)

    def add(self, generated: Any, reference: Any, distance: Callable[[Any, Any], float]) -> None:
        """The next frame of both; None where a side has none, whose costs are NaN."""
        t, self._frames = self._frames, self._frames + 1
        self._generated.append(generated)
        self._reference.append(reference)
        for back in range(len(self._reference)):
            earlier = self._reference[-1 - back], self._generated[-1 - back]
            if generated is not None and earlier[0] is not None:
                self.costs[t, self._band - back] = distance(generated, earlier[0])
            if back and earlier[1] is not None and reference is not None:
                self.costs[t - back, self._band + back] = distance(earlier[1], reference)


_TRAPS = (
    "Never one column with the distance without warping, which is never below it. It rewards lively timing, not right "
    "timing: read warp_ms and av_offset beside it. Up to three frames of shift are forgiven. Undefined where more than "
    "10 % of the pairs lack a face. With dtw_gamma in the protocol it is the divergence of soft-DTW by T, under a key "
    "with that gamma: another number, which softens with gamma and is near 0 for equal clips alone."
)


def _spec(
    name: str, title: str, unit: str, needs: tuple[Need, ...], what: str, group: Group = "time",
    direction: Direction = "lower", caveats: str = "", range_: str = "[0, inf)",
    aggregation: str = "cost of the cheapest path over its frames -> clip mean",
) -> MetricSpec:  # fmt: skip
    return MetricSpec(
        name=name,
        title=title,
        group=group,
        what=what,
        version=1,
        direction=direction,
        unit=unit,
        range=range_,
        needs=needs,
        aggregation=aggregation,
        source="arXiv 2606.01031 has soft-DTW without a band; hard, inside three frames and by T: this suite",
        interpretation=f"{what} Frames may be paired up to 120 ms apart, as long as none is left out.",
        caveats=caveats + _TRAPS,
        default=False,
        responds_to=("shuffle",) if direction == "lower" else (),
    )


SPECS = (
    _spec("m_lmd_dtw", "M-LMD (DTW)", "px (eat128)", ("reference", "landmarks"),
          "Mouth landmark distance that forgives small shifts in time.",
          caveats="Without warping it is m_lmd; on three real clips two frames of delay cost 2 to 4 % of that, ten "
          "frames at least 80 %. "),
    _spec("open_dtw", "Opening (DTW)", "", ("reference", "landmarks"),
          "Difference of the mouth's opening, in shares of the inter-ocular distance, that forgives small shifts."),
    _spec("pose_dtw", "Pose (DTW)", "deg", ("reference", "pose"),
          "Difference of the head's angles, summed over the three, that forgives small shifts.",
          caveats="Without warping it is three times apd, which is the angles' mean. "),
    _spec("expr_dtw", "Expression (DTW)", "", ("reference", "landmarks"),
          "Mean difference of 51 blendshapes that forgives small shifts.",
          caveats="Without warping it is a hundredth of aed. Only for landmarks that come with blendshapes "
          "(MediaPipe). "),
    _spec("lpips_dtw", "LPIPS (DTW)", "", ("reference", "network"),
          "Perceptual distance (AlexNet) that forgives small shifts.",
          caveats="Without warping it is lpips_alex; it looks at seven times as many pairs of frames. "),
    _spec("sync_d_dtw", "Sync-D (DTW)", "", ("audio", "network"),
          "SyncNet's distance of lips and sound that forgives small shifts around the clip as it is.",
          caveats="Unlike sync_d it does not look for the best offset of the whole clip: sound more than three frames "
          "late stays late. Lips in step are some way from their sound too, so it never comes near 0. "),
    _spec("warp_ms", "Warp", "ms", ("reference", "landmarks"),
          "How far the frames are apart that m_lmd_dtw pairs.",
          caveats="Small for lips in step and for lips that fit nowhere. ", range_="[0, 120]",
          aggregation="mean shift along the cheapest path -> clip mean"),
)  # fmt: skip
