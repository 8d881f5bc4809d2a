"""Aggregated numbers of one dataset and protocol, computed once and shared by all tables, ranks and pages."""

import functools
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import pandas as pd

from gmbench.errors import InputError
from gmbench.evaluation.planning.controls import CONTROLS
from gmbench.evaluation.results.aggregate import SIGNIFICANCE, SummaryRow, paired, rows
from gmbench.reporting.metric_lookup import metric_of


def ordered_methods(methods: set[str]) -> list[str]:
    """Methods by name, controls last, ground truth at the very end."""
    controls = [name for name in CONTROLS if name != "ground_truth"] + ["ground_truth"]
    return sorted(methods - set(controls)) + [name for name in controls if name in methods]


@dataclass(frozen=True)
class Summary:
    """Records of one dataset and protocol, and the numbers aggregated from them.

    Attributes:
        records: one row per (method, clip, metric).
        rows: one number per (method, metric), in order of method and declaration of the metrics.
    """

    records: pd.DataFrame
    rows: tuple[SummaryRow, ...]

    @classmethod
    def of(cls, records: pd.DataFrame) -> "Summary":
        """Aggregate records.

        Raises:
            MixedColumnError: a metric's records come from different protocols, extractors or weights.
        """
        return cls(records, tuple(rows(records)))

    @classmethod
    def per_protocol(cls, records: pd.DataFrame) -> "list[Summary]":
        """The numbers of each dataset and protocol.

        Raises:
            InputError: no records. MixedColumnError: as :meth:`of`.
        """
        if records.empty:
            raise InputError("no records to show; run 'gmbench eval' or 'dvc repro' first")
        return [cls.of(part) for _, part in records.groupby(["dataset", "protocol_hash"], sort=True)]

    def only(self, metric_names: Iterable[str]) -> "Summary":
        """The part of some metrics, by their names without a fallback's suffix."""
        records = self.records[self.records["metric_name"].isin(set(metric_names))]
        keys = set(records["metric"])
        return Summary(records, tuple(row for row in self.rows if row.metric in keys))

    @functools.cached_property
    def by_cell(self) -> dict[tuple[str, str], SummaryRow]:
        """Numbers by (method, metric key)."""
        return {(row.method, row.metric): row for row in self.rows}

    @functools.cached_property
    def methods(self) -> list[str]:
        """Methods in the order of tables."""
        return ordered_methods({row.method for row in self.rows})

    @functools.cached_property
    def keys(self) -> list[str]:
        """Metric keys in the order of the rows."""
        return list(dict.fromkeys(row.metric for row in self.rows))

    @functools.cached_property
    def leaders(self) -> dict[str, str | None]:
        """For each metric key the method that is best with support of a paired test, if there is one."""
        return {key: self.best(key, self.methods) for key in self.keys}

    def best(self, key: str, methods: Sequence[str]) -> str | None:
        """The one of some methods that beats every other one in a paired test; None if there is no such."""
        rivals = [m for m in methods if m not in CONTROLS and (m, key) in self.by_cell and self.by_cell[m, key].n]
        if len(rivals) < 2 or self.by_cell[rivals[0], key].direction == "reference":
            return None
        sign = 1.0 if self.by_cell[rivals[0], key].direction == "higher" else -1.0
        metric = metric_of(key)
        statistic = metric.statistic if metric else "mean"
        leader = max(rivals, key=lambda m: sign * self.by_cell[m, key].value)
        records = self.records[self.records["metric"] == key]
        for rival in rivals:
            if rival == leader:
                continue
            difference = paired(records, leader, rival, statistic)
            if difference is None or not (difference.p < SIGNIFICANCE and sign * difference.value > 0):
                return None
        return leader
