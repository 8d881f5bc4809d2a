"""Methods ranked over all metrics: mean rank, and how often a paired test supports being best."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from scipy.stats import rankdata

from gmbench.evaluation.planning.controls import CONTROLS
from gmbench.evaluation.results.aggregate import SummaryRow
from gmbench.reporting.table_formats import Cell, Table, number


@dataclass(frozen=True)
class Rank:
    """Place of a method: mean of its ranks (1 is best) over the ``metrics`` that count.

    Attributes:
        firsts: metrics under which it is first.
        supported: of these, those where a paired test supports it against every other method.
        incomplete: metrics under which clips are missing; they count all the same.
    """

    method: str
    mean: float
    metrics: int
    firsts: int
    supported: int
    incomplete: int


def ranks(rows: Sequence[SummaryRow], leaders: Mapping[str, str | None]) -> list[Rank]:
    """Methods of one dataset and protocol from the best mean rank down; controls are not ranked.

    ``leaders`` names each metric's method that a paired test supports as the best; see
    :attr:`gmbench.reporting.summary.Summary.leaders`.
    Metrics without a better side, those that name the value of chance, and those that one method alone has do not
    count. Ties share their mean rank. A method without a value is last.
    """
    methods = sorted({row.method for row in rows} - set(CONTROLS))
    by_cell = {(row.method, row.metric): row for row in rows}
    directions = {row.metric: row.direction for row in rows if row.direction != "reference"}
    places: dict[str, list[float]] = {method: [] for method in methods}
    firsts, supported, incomplete = (dict.fromkeys(methods, 0) for _ in range(3))
    for key, direction in directions.items():
        ranked = [by_cell[m, key] for m in methods if (m, key) in by_cell]
        if len(ranked) < 2:
            continue
        for row, place in zip(ranked, _places([row.value for row in ranked], direction), strict=True):
            places[row.method].append(place)
            firsts[row.method] += place == 1
            supported[row.method] += row.method == leaders.get(key)
            incomplete[row.method] += row.n < row.expected
    result = [Rank(m, _mean(places[m]), len(places[m]), firsts[m], supported[m], incomplete[m]) for m in methods]
    return sorted(result, key=lambda rank: (math.isnan(rank.mean), rank.mean, rank.method))


def as_table(ranked: Sequence[Rank], title: str) -> Table:
    """The ranking for any of the formats."""
    header = ("Method", "Mean rank ↓", "Metrics", "First", "First, supported", "Metrics with missing clips")
    lines = [
        (r.method, number(r.mean), str(r.metrics), str(r.firsts), str(r.supported), str(r.incomplete)) for r in ranked
    ]
    body = tuple(tuple(Cell(text) for text in line) for line in lines)
    notes = (
        "Ranks weigh all metrics alike and say nothing of how far methods are apart; read the metrics first.",
        "Supported: p < 0.05 against every other method in a paired bootstrap.",
    )
    return Table(title, header, body, notes)


def _mean(places: Sequence[float]) -> float:
    return float(np.mean(places)) if places else math.nan


def _places(values: Sequence[float], direction: str) -> list[float]:
    """Ranks from 1; no value is the worst."""
    sign = -1.0 if direction == "higher" else 1.0
    signed = [math.inf if math.isnan(value) else sign * value for value in values]
    return [float(place) for place in rankdata(signed, method="average")]
