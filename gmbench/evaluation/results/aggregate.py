"""From records to rows: one number per (method, dataset, metric), with interval, coverage and remarks."""

import logging
import math
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import pandas as pd

from gmbench.evaluation.results.clip_values import ClipValues, emotions_of
from gmbench.evaluation.results.records import ORDER, check_columns, groups, json_number
from gmbench.evaluation.scoring.flags import names_of
from gmbench.evaluation.scoring.registry import metrics
from gmbench.metrics import statistics
from gmbench.metrics.spec import Best


@dataclass(frozen=True)
class SummaryRow:
    """An aggregated number.

    Attributes:
        value, low, high: clip mean (or median) and its 95 % interval; of the finite clips, unless none is finite.
        pooled: mean over all frames of those clips.
        n, expected: clips with a value, and clips that should have one.
        infinite: of those with a value, the clips whose value is infinite, such as PSNR where nothing differs.
        frames_used, frames_expected: frames behind the value.
        unit, direction: of the metric; where its best value lies (:attr:`gmbench.metrics.spec.MetricSpec.aim`).
        backend, protocol, protocol_hash, metric_version: what the number may be compared with.
        flags: all remarks in the records behind it.
        units, unit_kind: independent clips or speakers behind the interval.
        distance: mean distance of the clips to the best value, where that is 0 or the real clip's and known.
    """

    method: str
    dataset: str
    metric: str
    value: float
    low: float
    high: float
    pooled: float
    n: int
    expected: int
    frames_used: int
    frames_expected: int
    unit: str
    direction: Best
    protocol: str
    protocol_hash: str
    backend: str
    metric_version: int
    flags: str
    infinite: int = 0
    units: int = 0
    unit_kind: statistics.UnitKind = "clips"
    distance: float | None = None

    def as_json(self) -> dict[str, Any]:
        """All fields, infinity as ``"inf"`` and NaN as null."""
        return {k: json_number(v) if isinstance(v, float) else v for k, v in asdict(self).items()}


INFINITE_CLIPS = "infinite_clips"
"""Flag of a mean that leaves out clips of an infinite value, which it would drown in."""
FEW_FRAMES = "few_frames"
"""Flag of a number that rests on fewer frames than its metric needs to be known well."""
UNKNOWN_METRIC = "unknown_metric"
"""Flag of a metric that no installed package declares: its plain mean is shown, and no side is better."""
_log = logging.getLogger(__name__)


def rows(records: pd.DataFrame) -> list[SummaryRow]:
    """Aggregate records, in order of dataset, method and declaration of the metrics.

    A metric whose package is not installed any more is logged and bears the flag ``unknown_metric``.

    Raises:
        MixedColumnError: a metric's records come from different protocols, extractors or weights.
    """
    check_columns(records)
    known = metrics()
    order = {name: position for position, name in enumerate(known)}
    result = []
    unknown = sorted(set(map(str, records["metric_name"].unique())) - set(known))
    if unknown:
        _log.warning(
            "no installed package declares %s: plain means, which may be another quantity, and no side is better; "
            "install the package that the metrics came with", ", ".join(unknown),
        )  # fmt: skip
    for dataset, method, key, values, group in _numbers(records):
        first = group.iloc[0]
        metric = known.get(str(first["metric_name"]))
        counted = group[group["clips_expected"] > 0]
        infinite = int(np.isinf(counted["value"]).sum())
        averaged = _finite(counted)
        estimate = statistics.estimate(
            averaged["value"].to_numpy(), list(averaged["speaker"]), metric.statistic if metric else "mean",
            emotions_of(averaged), metric.hit if metric else 0.0,
        )  # fmt: skip
        absent = set(metric.emotions) - set(emotions_of(counted[counted["value"].notna()])) if metric else set()
        if absent:  # the mean over the others would be another quantity
            estimate = statistics.Estimate(math.nan, math.nan, math.nan, 0)
        lowest, highest = metric.spec.bounds if metric else (-math.inf, math.inf)
        row = SummaryRow(
            method=method,
            dataset=dataset,
            metric=key,
            value=estimate.value,
            low=max(estimate.low, lowest),
            high=min(estimate.high, highest),
            pooled=statistics.pooled_mean(averaged["value"].to_numpy(), averaged["frames_used"].to_numpy()),
            n=int(counted["clips_used"][counted["value"].notna()].sum()),
            expected=int(counted["clips_expected"].sum()),
            frames_used=int(group["frames_used"].sum()),
            frames_expected=int(group["frames_expected"].sum()),
            unit=metric.spec.unit if metric else "",
            direction=metric.spec.aim if metric else "none",
            protocol=str(first["protocol"]),
            protocol_hash=str(first["protocol_hash"]),
            backend=str(first["backend"]),
            metric_version=int(first["metric_version"]),
            flags=" ".join(
                sorted(
                    {name for fs in group["flags"] for name in names_of(str(fs).split())}
                    | _remarks(metric is None, bool(absent), len(averaged) < len(counted))
                    | ({FEW_FRAMES} if metric and group["frames_used"].sum() < metric.few_frames else set())
                )
            ),
            infinite=infinite,
            units=estimate.units,
            unit_kind=estimate.unit_kind,
            distance=values.distance(method),
        )
        result.append((dataset, method, order.get(str(first["metric_name"]), len(order)), row))
    return [row for *_, row in sorted(result, key=lambda item: item[:3])]


def _numbers(records: pd.DataFrame) -> Iterator[tuple[str, str, str, ClipValues, pd.DataFrame]]:
    """Dataset, method, metric, the values of all methods and the records behind each number; metrics are sorted."""
    for (dataset, key), group in groups(records, ["dataset", "metric"]):
        ordered = group.sort_values(ORDER, kind="stable")
        values = ClipValues(ordered, key)
        for method, own in ordered.groupby("method", sort=True):
            yield dataset, str(method), key, values, own


def _finite(records: pd.DataFrame) -> pd.DataFrame:
    """The records without those of infinite value, or all where no other has a value."""
    finite = records[~np.isinf(records["value"])]
    return finite if finite["value"].notna().any() else records


def _remarks(unknown: bool, classes_missing: bool, infinite_left_out: bool) -> set[str]:
    """Flags of an aggregated number besides those of its records."""
    remarks = {UNKNOWN_METRIC: unknown, "classes_missing": classes_missing, INFINITE_CLIPS: infinite_left_out}
    return {flag for flag, applies in remarks.items() if applies}
