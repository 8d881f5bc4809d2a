"""From records to rows: one number per (method, dataset, metric), with interval, coverage and remarks."""

import logging
import math
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import pandas as pd

from gmbench.emotions import canonical
from gmbench.errors import InputError
from gmbench.evaluation.results import references
from gmbench.evaluation.results.records import ORDER, WHOLE_SET, check_columns, json_number
from gmbench.evaluation.scoring.registry import metrics
from gmbench.metrics import statistics
from gmbench.metrics.key import MetricKey
from gmbench.names import closest


@dataclass(frozen=True)
class SummaryRow:
    """An aggregated number.

    Attributes:
        value, low, high: clip mean (or median) and its 95 % interval; of the finite clips, unless none is finite.
        pooled: mean over all frames of those clips.
        n, expected: clips with a value, and clips that should have one.
        infinite: of those with a value, the clips whose value is infinite, such as PSNR where nothing differs.
        frames_used, frames_expected: frames behind the value.
        unit, direction: of the metric.
        backend, protocol, protocol_hash, metric_version: what the number may be compared with.
        flags: all remarks in the records behind it.
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
    direction: str
    protocol: str
    protocol_hash: str
    backend: str
    metric_version: int
    flags: str
    infinite: int = 0

    def as_json(self) -> dict[str, Any]:
        """All fields, infinity as ``"inf"`` and NaN as null."""
        return {k: json_number(v) if isinstance(v, float) else v for k, v in asdict(self).items()}


@dataclass(frozen=True)
class Comparison:
    """Paired comparison first - second of two methods under one metric, on their common clips.

    ``remark`` says of how many clips the two were compared with different references; these are no pairs.
    """

    metric: str
    dataset: str
    first: str
    second: str
    difference: float
    low: float
    high: float
    p: float
    n: int
    expected: int
    unit: str
    direction: str
    protocol: str
    backend: str
    better: str
    protocol_hash: str = ""
    remark: str = ""

    def as_json(self) -> dict[str, Any]:
        """All fields, NaN as null; ``method`` and ``value`` as in the rows of an evaluation."""
        fields = {"method": self.first, "value": self.difference} | asdict(self)
        return {k: json_number(v) if isinstance(v, float) else v for k, v in fields.items()}


SIGNIFICANCE = 0.05
INFINITE_CLIPS = "infinite_clips"
"""Flag of a mean that leaves out clips of an infinite value, which it would drown in."""
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
    unknown = sorted(set(records["metric_name"].astype(str)) - set(known))
    if unknown:
        _log.warning(
            "no installed package declares %s: plain means, which may be another quantity, and no side is better; "
            "install the package that the metrics came with", ", ".join(unknown),
        )  # fmt: skip
    records = records.sort_values(ORDER, kind="stable")  # the resamples go by position
    for (dataset, method, key), group in records.groupby(["dataset", "method", "metric"], sort=True):
        first = group.iloc[0]
        metric = known.get(str(first["metric_name"]))
        counted = group[group["clips_expected"] > 0]
        infinite = int(np.isinf(counted["value"]).sum())
        averaged = _finite(counted)
        estimate = statistics.estimate(
            averaged["value"].to_numpy(), list(averaged["speaker"]), metric.statistic if metric else "mean",
            classes=_classes(averaged),
        )  # fmt: skip
        absent = set(metric.emotions) - set(_classes(counted[counted["value"].notna()])) if metric else set()
        if absent:  # the mean over the others would be another quantity
            estimate = statistics.Estimate(math.nan, math.nan, math.nan, 0)
        row = SummaryRow(
            method=str(method),
            dataset=str(dataset),
            metric=str(key),
            value=estimate.value,
            low=estimate.low,
            high=estimate.high,
            pooled=statistics.pooled_mean(averaged["value"].to_numpy(), averaged["frames_used"].to_numpy()),
            n=int(counted["clips_used"][counted["value"].notna()].sum()),
            expected=int(counted["clips_expected"].sum()),
            frames_used=int(group["frames_used"].sum()),
            frames_expected=int(group["frames_expected"].sum()),
            unit=metric.spec.unit if metric else "",
            direction=metric.spec.direction if metric else "reference",
            protocol=str(first["protocol"]),
            protocol_hash=str(first["protocol_hash"]),
            backend=str(first["backend"]),
            metric_version=int(first["metric_version"]),
            flags=" ".join(
                sorted(
                    {f for fs in group["flags"] for f in str(fs).split()}
                    | _remarks(metric is None, bool(absent), len(averaged) < len(counted))
                )
            ),
            infinite=infinite,
        )
        result.append((dataset, method, order.get(str(first["metric_name"]), len(order)), row))
    return [row for *_, row in sorted(result, key=lambda item: item[:3])]


def _classes(records: pd.DataFrame) -> list[str]:
    """Emotions in the suite's vocabulary; other labels as they are."""
    return [canonical(str(label)) or str(label) for label in records["emotion"]]


def _finite(records: pd.DataFrame) -> pd.DataFrame:
    """The records without those of infinite value, or all where no other has a value."""
    finite = records[~np.isinf(records["value"])]
    return finite if finite["value"].notna().any() else records


def _remarks(unknown: bool, classes_missing: bool, infinite_left_out: bool) -> set[str]:
    """Flags of an aggregated number besides those of its records."""
    remarks = {UNKNOWN_METRIC: unknown, "classes_missing": classes_missing, INFINITE_CLIPS: infinite_left_out}
    return {flag for flag, applies in remarks.items() if applies}


def compare(records: pd.DataFrame, first: str, second: str) -> list[Comparison]:
    """Paired comparison of two methods under every metric that both have, by dataset and protocol.

    Raises:
        InputError: a method has no records, or no dataset and protocol that the other one has too.
        MixedColumnError: several extractors or weights under one metric.
    """
    methods = sorted(records["method"].unique())
    for method in (first, second):
        if method not in methods:
            raise InputError(f"no records of method {method!r}; {closest(method, methods)}")
    result = []
    for _, part in records.groupby(["dataset", "protocol_hash"], sort=True):
        if {first, second} <= set(part["method"]):
            result += _compared(part, first, second)
    if not result:
        raise InputError(_nothing_to_pair(records, first, second))
    return result


def _compared(part: pd.DataFrame, first: str, second: str) -> list[Comparison]:
    """Comparisons within one dataset and protocol, in the order of the metrics' declaration."""
    check_columns(part)
    known = metrics()
    result = []
    for key, group in part.groupby("metric", sort=True):
        metric = known.get(str(group.iloc[0]["metric_name"]))
        difference = paired(group, first, second, metric.statistic if metric else "mean")
        if difference is None:
            continue
        direction = metric.spec.direction if metric else "reference"
        result.append(
            Comparison(
                metric=str(key), dataset=str(group.iloc[0]["dataset"]), first=first, second=second,
                difference=difference.value, low=difference.low, high=difference.high,
                p=difference.p, n=difference.n, expected=group["clip"].nunique(),
                protocol=str(group.iloc[0]["protocol"]), backend=str(group.iloc[0]["backend"]),
                unit=metric.spec.unit if metric else "", direction=direction,
                better=_better(difference, direction, first, second),
                protocol_hash=str(group.iloc[0]["protocol_hash"]), remark=_remark(group, first, second),
            )
        )  # fmt: skip
    position = {name: place for place, name in enumerate(known)}
    return sorted(result, key=lambda c: position.get(MetricKey.parse(c.metric).name, len(position)))


def _nothing_to_pair(records: pd.DataFrame, first: str, second: str) -> str:
    """Why two methods have no metric in common."""
    own = [records[records["method"] == method] for method in (first, second)]
    for column, remedy in (
        ("dataset", f"{references.DIFFERENT}: evaluate both with the same --reference"),
        ("protocol", "evaluate both under one protocol"),
        ("metric", "evaluate both under the same metrics"),
    ):
        values = [sorted(part[column].astype(str).unique()) for part in own]
        if not set(values[0]) & set(values[1]):
            found = [f"{m} has {', '.join(v[:5])}" for m, v in zip((first, second), values, strict=True)]
            return f"no {column} in common ({'; '.join(found)}); {remedy}"
    return f"no metric of one dataset and protocol that both {first} and {second} have; evaluate both in one run"


def paired(group: pd.DataFrame, first: str, second: str, statistic: str = "mean") -> statistics.Difference | None:
    """Paired difference of two methods in the records of one metric; None if either is absent."""
    counted = group[group["clips_expected"] > 0]
    pair = ["clip", "speaker", "emotion", "reference_sha256"]  # clips of other references are no pairs
    table = counted.set_index([*pair, "method"])["value"].unstack("method")
    if first not in table or second not in table:
        return None
    speakers = [str(speaker) for _, speaker, *_ in table.index]
    emotions = [canonical(str(emotion)) or str(emotion) for _, _, emotion, _ in table.index]
    return statistics.paired_difference(
        table[first].to_numpy(), table[second].to_numpy(), speakers, statistic=statistic, classes=emotions
    )


def _remark(group: pd.DataFrame, first: str, second: str) -> str:
    kinds = group[group["method"].isin([first, second])].groupby("clip")["reference_sha256"].nunique()
    different = [str(clip) for clip in kinds.index[kinds > 1]]
    if different == [WHOLE_SET]:
        return f"the sets were {references.DIFFERENT}"
    return f"{len(different)} clips were {references.DIFFERENT} and are left out" if different else ""


def _better(difference: statistics.Difference, direction: str, first: str, second: str) -> str:
    if direction == "reference" or not difference.p < SIGNIFICANCE:
        return ""
    return first if (difference.value > 0) == (direction == "higher") else second
