"""Paired comparisons of two methods as tables."""

import math
from collections.abc import Sequence

from gmbench.metrics.key import MetricKey
from gmbench.reporting.comparisons import HOW, Comparison, remarks
from gmbench.reporting.metric_lookup import metric_of
from gmbench.reporting.table_formats import Cell, Measured, Table, interval, number
from gmbench.reporting.tables import fallback_notes


def comparison_tables(comparisons: Sequence[Comparison], first: str, second: str) -> list[Table]:
    """A table per dataset and protocol: differences with intervals, p, common clips, and which side is better."""
    groups: dict[tuple[str, str], list[Comparison]] = {}
    for comparison in comparisons:
        groups.setdefault((comparison.dataset, comparison.protocol_hash), []).append(comparison)
    return [_table(group, first, second) for group in groups.values()]


def _table(comparisons: Sequence[Comparison], first: str, second: str) -> Table:
    header = ("Metric", f"{first} - {second}", "p (Holm)", "Clips", "Better")
    body = tuple(
        (
            Cell(_title(c)),
            Cell(number(c.difference), interval(c.low, c.high), measured=_measured(c)),
            Cell("–" if math.isnan(c.p_adjusted) else f"{c.p_adjusted:.4f}"),
            Cell(str(c.n)),
            Cell(c.better or "–"),
        )
        for c in comparisons
    )
    one = comparisons[0]
    title = f"{first} against {second}: {one.dataset}, protocol {one.protocol} ({one.protocol_hash})"
    notes = (*fallback_notes([c.metric for c in comparisons]), *remarks(comparisons), f"Better: p < 0.05 in {HOW}.")
    return Table(title, header, body, notes)


def _measured(comparison: Comparison) -> Measured:
    c = comparison
    return Measured(c.difference, c.low, c.high, c.n, c.expected)


def _title(comparison: Comparison) -> str:
    """Title, arrow and fallback of the metric, as in the columns of tables, and what is compared if not its value."""
    key, metric = MetricKey.parse(comparison.metric), metric_of(comparison.metric)
    title = f"{metric.spec.title} {metric.spec.arrow}".rstrip() if metric else key.name
    distance = ", distance" if comparison.of_distance else ""
    return title + distance + (f" (fallback: {key.fallback})" if key.fallback else "")
