"""What a comparison of methods may claim: paired tests, and which method is better or best under a metric.

All tables, ranks and pages take their bold, "better" and places from here. Rules:

- Methods are compared on the clips where both have a value, by a sign-flip test over clips, or over speakers where
  clips of several are labelled (:mod:`gmbench.metrics.statistics`).
- Under a metric whose best value is the real clip's (or 0), what is compared is each clip's distance to it.
- Below :data:`MIN_UNITS` independent units nothing is better, whatever the values are.
- P-values are adjusted after Holm over all metrics of a comparison, or of a table, that have a best value.
- Controls, and methods that take pose or expression from the reference, are never better, best or ranked.
"""

import itertools
import math
from collections.abc import Collection, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import pandas as pd

from gmbench.errors import InputError
from gmbench.evaluation.results import references
from gmbench.evaluation.results.aggregate import SummaryRow
from gmbench.evaluation.results.clip_values import ClipValues
from gmbench.evaluation.results.records import WHOLE_SET, check_columns, json_number
from gmbench.metrics.spec import Best
from gmbench.metrics.statistics import Difference, UnitKind, holm, least_p
from gmbench.names import closest
from gmbench.reporting import oracles
from gmbench.reporting.metric_lookup import in_declared_order, metric_of
from gmbench.reporting.table_formats import number

SIGNIFICANCE = 0.05
MIN_UNITS = 6
"""Fewer independent clips or speakers than this cannot reach p < 0.05, even if all agree."""
HOW = (
    "a paired sign-flip test over common clips, or over speakers where clips of several are labelled, adjusted after "
    "Holm over all metrics here that have a best value; nothing is claimed from fewer than six clips or speakers"
)
BOLD = f"Bold: best, with p < 0.05 against every other method in {HOW}."


@dataclass(frozen=True)
class Comparison:
    """Paired comparison first - second of two methods under one metric, on their common clips.

    Attributes:
        difference, low, high: mean difference and its 95 % interval; of distances to the best value where that is 0 or
            the real clip's (``of_distance``).
        p: of the test; p_adjusted: after Holm, over the metrics of the comparison that have a best value.
        n, expected: common clips, and clips of the dataset.
        units, unit_kind: independent clips or speakers among them.
        infinite: common clips whose difference is infinite; the test counts them, the mean does not.
        better: the method that is better with support of the test, or empty; reason: then why there is none.
        remark: of how many clips the two were compared with different references; these are no pairs.
    """

    metric: str
    dataset: str
    first: str
    second: str
    difference: float
    low: float
    high: float
    p: float
    p_adjusted: float
    n: int
    expected: int
    units: int
    unit_kind: UnitKind
    infinite: int
    unit: str
    direction: Best
    protocol: str
    protocol_hash: str
    backend: str
    better: str
    reason: str
    remark: str
    of_distance: bool = False

    def as_json(self) -> dict[str, Any]:
        """All fields, NaN as null; ``method`` and ``value`` as in the rows of an evaluation."""
        fields = {"method": self.first, "value": self.difference} | asdict(self)
        return {k: json_number(v) if isinstance(v, float) else v for k, v in fields.items()}


@dataclass(frozen=True)
class Lead:
    """What may be said about the best of several methods under a metric.

    Attributes:
        best: the method that beats every other one with support of the test, or empty; reason: then why there is none.
        p_adjusted: of its comparison with the nearest rival, after Holm over the metrics.
    """

    best: str
    p_adjusted: float
    reason: str


@dataclass(frozen=True)
class _Tested:
    """A pair of methods under one metric: what was tested, and why nothing may be claimed, if so."""

    difference: Difference
    sign: float
    obstacle: str
    of_distance: bool = False

    @property
    def p(self) -> float:
        """For the family; NaN where nothing may be claimed whatever it is."""
        return math.nan if self.obstacle else self.difference.p

    def verdict(self, first: str, second: str, p_adjusted: float, tests: int) -> tuple[str, str]:
        """The better method, or empty and why there is none."""
        found = self.difference
        if self.obstacle:
            return "", self.obstacle
        if p_adjusted < SIGNIFICANCE:
            if found.supported * found.value < 0:
                return "", "infinite differences contradict the mean"
            return (first if found.supported * self.sign > 0 else second), ""
        if least_p(found.units) * tests >= SIGNIFICANCE:
            return "", f"too few {found.unit_kind} to tell for {tests} metrics at once"
        return "", ""


def compare(records: pd.DataFrame, first: str, second: str) -> list[Comparison]:
    """Paired comparison of two methods under every metric that both have, by dataset and protocol.

    Raises:
        InputError: a method has no records, or no dataset and protocol that the other one has too.
        MixedColumnError: several extractors or weights under one metric.
    """
    found = compare_each(records, [(first, second)])[first, second]
    if not found:
        raise InputError(_nothing_to_pair(records, first, second))
    return found


def compare_each(records: pd.DataFrame, pairs: Sequence[tuple[str, str]]) -> dict[tuple[str, str], list[Comparison]]:
    """:func:`compare` of several pairs of methods, by pair, with what they share looked at once.

    A pair without a metric in common has no comparisons.

    Raises:
        InputError: a method has no records. MixedColumnError: as there.
    """
    methods = sorted(records["method"].unique())
    for method in itertools.chain(*pairs):
        if method not in methods:
            raise InputError(f"no records of method {method!r}; {closest(method, methods)}")
    found: dict[tuple[str, str], list[Comparison]] = {pair: [] for pair in pairs}
    for _, part in records.groupby(["dataset", "protocol_hash"], sort=True):
        here = [pair for pair in found if set(pair) <= set(part["method"])]
        if here:
            family = _Family(part)
            for first, second in here:
                found[first, second] += family.comparisons(first, second)
    return found


class _Family:
    """Records of one dataset and protocol, metric by metric."""

    def __init__(self, part: pd.DataFrame) -> None:
        check_columns(part)
        self.barred = oracles.barred(part)
        self.groups = {str(key): group for key, group in part.groupby("metric", sort=True)}
        self.methods = {key: set(group["method"]) for key, group in self.groups.items()}
        self.values: dict[str, ClipValues] = {}

    def comparisons(self, first: str, second: str) -> list[Comparison]:
        """Of two methods, in the order of the metrics' declaration."""
        keys = [key for key in in_declared_order(self.groups) if {first, second} <= self.methods[key]]
        tested = [self._tested(key, first, second) for key in keys]
        adjusted = holm([one.p for one in tested])
        tests = sum(not math.isnan(p) for p in adjusted)
        return [
            _comparison(self.groups[key], key, first, second, one, p, tests)
            for key, one, p in zip(keys, tested, adjusted, strict=True)
        ]

    def _tested(self, key: str, first: str, second: str) -> _Tested:
        """Two methods under one metric."""
        group = self.groups[key]
        if (group["clip"] == WHOLE_SET).any():
            return _Tested(_set_difference(group, first, second), 0.0, "one number of the whole set: no test")
        if key not in self.values:
            self.values[key] = ClipValues(group, key)
        values = self.values[key]
        difference = values.difference(first, second)
        obstacle = _obstacle(values, difference, [first, second], self.barred)
        return _Tested(difference, values.sign, obstacle, values.of_distance)


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


def _remark(group: pd.DataFrame, first: str, second: str) -> str:
    """Of how many clips two methods were compared with different references."""
    kinds = group[group["method"].isin([first, second])].groupby("clip")["reference_sha256"].nunique()
    different = [str(clip) for clip in kinds.index[kinds > 1]]
    if different == [WHOLE_SET]:
        return f"the sets were {references.DIFFERENT}"
    return f"{len(different)} clips were {references.DIFFERENT} and are left out" if different else ""


def _obstacle(values: ClipValues, difference: Difference, methods: Collection[str], barred: Mapping[str, str]) -> str:
    """Why nothing may be claimed from a difference, whatever its p-value."""
    if values.aim == "none":
        return "has no best value"
    if values.lacks_real:
        return "best is the real clip's value, which is not known here"
    if difference.n == 0:
        return "no common clip"
    reasons = [f"{method} {barred[method]}" for method in methods if method in barred]
    if reasons:
        return "; ".join(reasons)
    return f"too few {difference.unit_kind} to tell" if difference.units < MIN_UNITS else ""


def _set_difference(group: pd.DataFrame, first: str, second: str) -> Difference:
    """Of numbers of the whole set, which have neither interval nor test."""
    values, clips = (dict(zip(group["method"], group[column], strict=True)) for column in ("value", "clips_used"))
    difference = float(values[first]) - float(values[second])
    return Difference(difference, math.nan, math.nan, math.nan, min(int(clips[first]), int(clips[second])))


def _comparison(
    group: pd.DataFrame, key: str, first: str, second: str, tested: _Tested, p_adjusted: float, tests: int
) -> Comparison:
    found, (better, reason) = tested.difference, tested.verdict(first, second, p_adjusted, tests)
    metric, start = metric_of(key), group.iloc[0]
    expected = int(group["clips_expected"].max()) if start["clip"] == WHOLE_SET else group["clip"].nunique()
    lowest, highest = metric.spec.bounds if metric else (-math.inf, math.inf)
    widest = highest - lowest  # no two values are farther apart
    return Comparison(
        metric=key, dataset=str(start["dataset"]), first=first, second=second, difference=found.value,
        low=max(found.low, -widest), high=min(found.high, widest), p=found.p, p_adjusted=p_adjusted,
        n=found.n, expected=expected, units=found.units,
        unit_kind=found.unit_kind, infinite=found.infinite, unit=metric.spec.unit if metric else "",
        direction=metric.spec.aim if metric else "none", protocol=str(start["protocol"]),
        protocol_hash=str(start["protocol_hash"]), backend=str(start["backend"]), better=better,
        reason=reason, remark=_remark(group, first, second), of_distance=tested.of_distance,
    )  # fmt: skip


def cells(comparison: Comparison) -> list[str]:
    """Metric, difference, interval, adjusted p-value, clips and the better method as texts."""
    c = comparison
    metric = c.metric + (f", distance to {'real' if c.direction == 'reference' else '0'}" if c.of_distance else "")
    interval = "–" if math.isnan(c.low) else f"{number(c.low)}, {number(c.high)}"
    p = "–" if math.isnan(c.p_adjusted) else f"{c.p_adjusted:.4f}"
    return [metric, number(c.difference), interval, p, str(c.n), c.better or "–"]


def remarks(compared: Sequence[Comparison]) -> list[str]:
    """Why nothing is better under some metrics, and what is left out, one sentence each."""
    found: dict[str, list[str]] = {}
    for c in compared:
        infinite = (
            f"{c.infinite} clips of infinite difference count in the test and not in the mean" if c.infinite else ""
        )
        for text in filter(None, (c.reason, c.remark, infinite)):
            found.setdefault(text, []).append(c.metric)
    return [f"{', '.join(keys)}: {text}" for text, keys in found.items()]


def place_value(row: SummaryRow) -> float:
    """What methods are ordered by under a metric, the least first: NaN where it has no best value."""
    if row.direction in ("reference", "zero"):
        return math.nan if row.distance is None else row.distance
    return {"higher": -row.value, "lower": row.value}.get(row.direction, math.nan)


def leads(records: pd.DataFrame, rows: Sequence[SummaryRow], methods: Collection[str] | None = None) -> dict[str, Lead]:
    """The best method under each metric, as far as a test supports it; of all, or of some methods.

    Args:
        records: of one dataset and protocol; rows: the numbers aggregated from them.

    Returns:
        By metric key; the best must beat every other method that may be ranked.
    """
    barred = oracles.barred(records)
    rivals: dict[str, dict[str, float]] = {}
    for row in rows:
        placed = place_value(row)
        if row.method not in barred and (methods is None or row.method in methods) and not math.isnan(placed):
            rivals.setdefault(row.metric, {})[row.method] = placed
    found = {
        key: (best := min(sorted(places), key=places.__getitem__), _hardest(records, key, best, places, barred))
        for key, places in rivals.items()
        if len(places) > 1
    }
    adjusted = holm([tested.p for _, tested in found.values()])
    tests = sum(not math.isnan(p) for p in adjusted)
    result = {key: Lead("", math.nan, "") for key in dict.fromkeys(row.metric for row in rows)}
    for (key, (best, tested)), p in zip(found.items(), adjusted, strict=True):
        better, reason = tested.verdict(best, "", p, tests)
        result[key] = Lead(better, p, reason)
    return result


def _hardest(records: pd.DataFrame, key: str, best: str, rivals: Collection[str], barred: Mapping[str, str]) -> _Tested:
    """The comparison of the best with the rival that it is told from least."""
    group = records[records["metric"] == key]
    if (group["clip"] == WHOLE_SET).any():
        return _Tested(
            Difference(math.nan, math.nan, math.nan, math.nan, 0), 0.0, "one number of the whole set: no test"
        )
    values = ClipValues(group, key)
    tested = []
    for rival in sorted(set(rivals) - {best}):
        difference = values.difference(best, rival)
        tested.append(_Tested(difference, values.sign, _obstacle(values, difference, [best, rival], barred)))
    return max(tested, key=lambda one: (bool(one.obstacle), one.difference.p))
