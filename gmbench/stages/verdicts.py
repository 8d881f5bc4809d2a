"""What orderings of a method's ablations came to over seeds: margins with intervals, p-values, verdicts.

The unit is the seed: one training of what an ordering is about. "Resolved" means that the 95 % interval of the mean
difference (Student's t over seeds) lies above zero, "reversed" below. Many orderings are looked at together, so
beside each p-value stands the one after Holm's correction over all verdicts of the run.
"""

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy import stats

from gmbench.evaluation.results import aggregate
from gmbench.evaluation.scoring.registry import metrics
from gmbench.methods.card import BETWEEN, EMBEDDINGS, TALKING, TRACKS, ExpectedOrdering
from gmbench.methods.registry import System
from gmbench.metrics.statistics import holm
from gmbench.reporting import table_formats

FILE = "verdicts.json"
LEVEL = 0.05
"""Of the intervals and tests: 95 % and 5 %."""
HEAD = (
    "System", "Metric", "Table", "Measured on", "Expected better", "Expected worse", "Margin", "95 % interval", "Seeds",
    "p", "p (Holm)", "Verdict",
)  # fmt: skip


@dataclass(frozen=True)
class Verdict:
    """What an ordering ``better`` over ``worse`` came to.

    Attributes:
        method: the system whose card expects it.
        margin: mean over seeds of the difference in the expected direction.
        low, high: its 95 % interval.
        p: two-sided p-value of a t-test over seeds; holm: the same after Holm's correction over all of a run.
        values: means of both, one pair per seed.
        verdict: ``resolved``, ``reversed``, ``not resolved`` (the interval holds zero, or there is none), or
            ``no value``.
        drive: what it is measured on, as of the ordering.
        shared: ablations that hold networks fixed over the seeds, joined by a hyphen.
        reason: why there is no value, or why of fewer seeds than asked.
    """

    metric: str
    table: str
    better: str
    worse: str
    margin: float
    low: float
    high: float
    p: float
    values: tuple[tuple[float, float], ...]
    verdict: str
    holm: float = math.nan
    drive: str = ""
    shared: str = ""
    reason: str = ""
    method: str = ""


@dataclass(frozen=True)
class SeedDifference:
    """Mean difference over seeds with its 95 % interval and the p-value of a paired t-test."""

    mean: float
    low: float
    high: float
    p: float

    @property
    def verdict(self) -> str:
        """``resolved``, ``reversed``, ``not resolved``, or ``no value``."""
        if math.isnan(self.mean):
            return "no value"
        if self.low > 0:
            return "resolved"
        return "reversed" if self.high < 0 else "not resolved"


def difference_over_seeds(gains: NDArray[np.float64]) -> SeedDifference:
    """Student's interval and paired t-test of differences (seeds,).

    Of a single seed there is no interval (NaN). Differences that are equal to the last bit, as those of methods
    that do not depend on the seed, give an interval of no width and p = 0, or 1 where they are zero.

    Example:
        >>> difference_over_seeds(np.array([1.0, 2.0, 3.0, 2.0, 2.0]))
        SeedDifference(mean=2.0, low=1.12..., high=2.87..., p=0.003...)
    """
    seeds, mean = len(gains), float(gains.mean()) if len(gains) else math.nan
    if seeds < 2 or math.isnan(mean):
        return SeedDifference(mean, math.nan, math.nan, math.nan)
    error = float(gains.std(ddof=1) / math.sqrt(seeds))
    if error == 0:
        return SeedDifference(mean, mean, mean, float(mean == 0))
    half = float(stats.t.ppf(1 - LEVEL / 2, seeds - 1)) * error
    p = float(2 * stats.t.sf(abs(mean) / error, seeds - 1))
    return SeedDifference(mean, mean - half, mean + half, p)


def verdicts_of(
    ordering: ExpectedOrdering, measured: Sequence[pd.DataFrame], method: str, seeds: int,
    untrained: Mapping[str, str] | None = None,
) -> list[Verdict]:  # fmt: skip
    """Verdicts on the neighbours in an order, from the systems' means at each seed; not yet corrected.

    Args:
        ordering: what a card expects.
        measured: records of the systems.
        method: whose card it is.
        seeds: how many were asked for.
        untrained: reasons by system of those that could not be trained: seeds at which one of a pair lacks are left
            out.
    """
    untrained = untrained or {}
    metric = metrics().get(ordering.metric)
    means: dict[str, float] = {}
    for table in measured:
        of_metric = table[table["metric_name"] == ordering.metric]
        if metric is None:
            means |= plain_means(of_metric)
        else:
            means |= {row.method: row.value for row in aggregate.rows(of_metric)}
    lower = metric.spec.direction == "lower" if metric else ordering.lower
    sign, asked = -1.0 if lower else 1.0, ordering.seeds(seeds)
    result = []
    for better, worse in zip(ordering.order, ordering.order[1:], strict=False):
        lost = [lacking(ordering, method, (better, worse), seed, untrained) for seed in range(asked)]
        names = [
            tuple(column(ordering, method, name, seed) for name in (better, worse))
            for seed in range(asked) if not lost[seed]
        ]  # fmt: skip
        pairs = tuple((means.get(a, math.nan), means.get(b, math.nan)) for a, b in names)
        found = difference_over_seeds(sign * np.array([a - b for a, b in pairs]))
        verdict = Verdict(
            ordering.metric, ordering.table, better, worse, found.mean, found.low, found.high, found.p, pairs,
            found.verdict, drive=ordering.drive, shared="-".join(ordering.shared),
            reason=_why(pairs, found, lost), method=method,
        )  # fmt: skip
        result.append(verdict)
    return result


def plain_means(table: pd.DataFrame) -> dict[str, float]:
    """By system, the mean of the records of a measure that is no metric of videos; NaN where it has no value."""
    return {str(name): float(part.mean()) for name, part in table.groupby("method", observed=True)["value"]}


def lacking(
    ordering: ExpectedOrdering, method: str, names: Sequence[str], seed: int, untrained: Mapping[str, str]
) -> str:
    """Why systems that an ordering compares cannot be trained at a seed; empty where all can."""
    if not untrained or ordering.drive in (BETWEEN, TALKING):
        return ""
    reasons = (untrained.get(trained(ordering, method, name, seed), "") for name in names)
    return next(filter(None, reasons), "")


def _why(pairs: Sequence[tuple[float, float]], found: SeedDifference, lost: Sequence[str]) -> str:
    """Why there is no value, or no interval."""
    reason = next(filter(None, lost), "")
    if not pairs:
        return reason
    if found.verdict == "no value":
        return "a system has no number"
    if reason:
        return f"{len(pairs)} of {len(lost)} seeds{', so no interval' if len(pairs) == 1 else ''}: {reason}"
    return ""


def without_value(ordering: ExpectedOrdering, reason: str, method: str) -> list[Verdict]:
    """Verdicts of an ordering that cannot be measured here."""
    nan = math.nan
    shared = "-".join(ordering.shared)
    return [
        Verdict(
            ordering.metric, ordering.table, better, worse, nan, nan, nan, nan, (), "no value", drive=ordering.drive,
            shared=shared, reason=reason, method=method,
        )
        for better, worse in zip(ordering.order, ordering.order[1:], strict=False)
    ]  # fmt: skip


def corrected(verdicts: Sequence[Verdict]) -> list[Verdict]:
    """The same verdicts with p-values after Holm's correction over all of them."""
    adjusted = holm([verdict.p for verdict in verdicts])
    return [replace(verdict, holm=p) for verdict, p in zip(verdicts, adjusted, strict=True)]


def column(ordering: ExpectedOrdering, method: str, name: str, seed: int) -> str:
    """What records call a system, a way between emotions, or what clips are read by, at a seed."""
    if ordering.drive in (BETWEEN, TALKING, EMBEDDINGS):
        return way_name(name, seed, ordering.drive == TALKING)
    return system_of(method, name, ordering.drive, ordering.shared, seed).name


def trained(ordering: ExpectedOrdering, method: str, name: str, seed: int) -> str:
    """The trained system behind what an ordering compares: an ablation, a drive, or what the full one reads."""
    whole = "" if ordering.drive == EMBEDDINGS else name
    return system_of(method, whole, "", ordering.shared, seed).trained


def way_name(way: str, seed: int, talking: bool = False) -> str:
    """What records call the sequences of a way between emotions, or what clips are read by."""
    return f"{way}{'-talking' if talking else ''}-s{seed}"


def system_of(method: str, name: str, drive: str, shared: Sequence[str], seed: int) -> System:
    """The system of an ablation, or of drives, under a drive at a seed, with the ablations that share networks."""
    taken = "" if drive in (TRACKS, EMBEDDINGS) else drive
    return System.of(method, "-".join(part for part in (name, *shared) if part), taken, seed)


def reasons(verdicts: Sequence[Verdict]) -> list[str]:
    """What keeps verdicts from a value, each once; the table's cells have their places here as numbers."""
    return list(dict.fromkeys(v.reason for v in verdicts if v.reason))


def rows(verdicts: Sequence[Verdict]) -> list[list[str]]:
    """Cells of a table of verdicts, in the order of :data:`HEAD`; numbers in brackets are of :func:`reasons`."""
    number = table_formats.number
    places = {reason: place for place, reason in enumerate(reasons(verdicts), 1)}
    found = []
    for v in verdicts:
        measured_on = " ".join(part for part in (v.drive or "own", v.shared) if part)
        interval = "" if math.isnan(v.low) else f"{number(v.low)} to {number(v.high)}"
        outcome = v.verdict + (f" ({places[v.reason]})" if v.reason else "")
        numbers = [
            "" if math.isnan(v.margin) else number(v.margin),
            interval,
            str(len(v.values) or ""),
            _p(v.p),
            _p(v.holm),
        ]
        found.append(
            [v.method, v.metric, v.table, measured_on, v.better or "full", v.worse or "full", *numbers, outcome]
        )
    return found


def summary(verdicts: Sequence[Verdict]) -> str:
    """One sentence on what the verdicts rest on, and which of them stand after Holm's correction."""
    tested = [v for v in verdicts if not math.isnan(v.p)]
    found = [v for v in tested if v.verdict in ("resolved", "reversed")]
    kept = sum(v.holm < LEVEL for v in found)
    if not tested:
        return f"None of {len(verdicts)} claims has an interval: that takes two seeds or more."
    return (
        "Mean difference in the expected direction over seeds; interval and two-sided p of a paired t-test. "
        f"The interval excludes zero in {len(found)} of {len(tested)}; "
        f"{kept} of these stay below p = {LEVEL:g} after Holm's correction over all {len(tested)}."
    )


def markdown(verdicts: Sequence[Verdict]) -> str:
    """Verdicts as a table, below a sentence on what they rest on and above the reasons of missing values."""
    lines = [summary(verdicts), "", f"| {' | '.join(HEAD)} |", "|---|---|---|---|---|---|---:|---|---:|---:|---:|---|"]
    lines += [f"| {' | '.join(cells)} |" for cells in rows(verdicts)]
    if listed := reasons(verdicts):
        lines += ["", *(f"{place}. {reason}" for place, reason in enumerate(listed, 1))]
    return "\n".join(lines) + "\n"


def read_verdicts(out: Path) -> list[Verdict]:
    """Verdicts of all methods whose ablations were run below a folder, corrected for their number together."""
    found = []
    for path in sorted(out.glob(f"*/{FILE}")):
        for row in json.loads(path.read_text("utf-8"))["verdicts"]:
            found.append(Verdict(**(row | {"values": tuple(tuple(pair) for pair in row["values"])})))
    return corrected(found)


def _p(p: float) -> str:
    """A p-value with two digits."""
    return "" if math.isnan(p) else "< 0.0001" if p < 1e-4 else f"{p:.2g}"
