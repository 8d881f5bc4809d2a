"""Methods ranked over all metrics: mean rank, and how often a paired test supports being best."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy.stats import rankdata

from gmbench.reporting.comparisons import HOW, place_value
from gmbench.reporting.summary import Summary
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


def ranks(summary: Summary) -> list[Rank]:
    """Methods of one dataset and protocol from the best mean rank down.

    Controls and methods that take from the reference are not ranked. Metrics without a best value, those whose best
    value is the real clip's where that is not known, and those that one method alone has do not count. Ties share
    their mean rank. A method without a value is last.
    """
    methods = summary.ranked
    places: dict[str, list[float]] = {method: [] for method in methods}
    firsts, supported, incomplete = (dict.fromkeys(methods, 0) for _ in range(3))
    for key in summary.keys:
        rows = [summary.by_cell[m, key] for m in methods if (m, key) in summary.by_cell]
        values = [place_value(row) for row in rows]
        if len(rows) < 2 or all(map(math.isnan, values)):
            continue
        for row, place in zip(rows, _places(values), strict=True):
            places[row.method].append(place)
            firsts[row.method] += place == 1
            supported[row.method] += summary.is_best(key, row.method)
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
        "Methods are ordered by means; where the best value is the real clip's or 0, by their clips' distance to it.",
        f"Supported: p < 0.05 against every other method in {HOW}.",
    )
    return Table(title, header, body, notes)


def _mean(places: Sequence[float]) -> float:
    return float(np.mean(places)) if places else math.nan


def _places(values: Sequence[float]) -> list[float]:
    """Ranks from 1, the least value first; no value is the worst."""
    known = [math.inf if math.isnan(value) else value for value in values]
    return [float(place) for place in rankdata(known, method="average")]
