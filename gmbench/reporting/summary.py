"""Aggregated numbers of one dataset and protocol, computed once and shared by all tables, ranks and pages."""

import functools
import math
from collections import Counter
from collections.abc import Collection, Iterable
from dataclasses import dataclass

import pandas as pd

from gmbench.errors import InputError
from gmbench.evaluation.planning.controls import CONTROLS
from gmbench.evaluation.results.aggregate import SummaryRow, rows
from gmbench.evaluation.results.clip_values import ClipValues
from gmbench.evaluation.results.records import groups
from gmbench.reporting import oracles
from gmbench.reporting.comparisons import Lead, leads


def ordered_methods(methods: set[str], takes: Collection[str] = ()) -> list[str]:
    """Methods by name, then those that take from the reference, controls last, ground truth at the very end."""
    controls = [name for name in CONTROLS if name != "ground_truth"] + ["ground_truth"]
    named = sorted(methods - set(controls), key=lambda name: (name in takes, name))
    return named + [name for name in controls if name in methods]


@dataclass(frozen=True)
class Summary:
    """Records of one dataset and protocol, and the numbers aggregated from them.

    Attributes:
        records: one row per (method, clip, metric).
        rows: one number per (method, metric), in order of method and declaration of the metrics.
    """

    records: pd.DataFrame
    rows: tuple[SummaryRow, ...]

    @property
    def dataset(self) -> str:
        """Name of the dataset."""
        return str(self.records["dataset"].iloc[0])

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
        return [cls.of(part) for _, part in groups(records, ["dataset", "protocol_hash"])]

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
        return ordered_methods({row.method for row in self.rows}, self.takes)

    @functools.cached_property
    def keys(self) -> list[str]:
        """Metric keys in the order of the rows."""
        return list(dict.fromkeys(row.metric for row in self.rows))

    @functools.cached_property
    def takes(self) -> dict[str, str]:
        """What methods take from the reference, in words, by method; see :mod:`gmbench.reporting.oracles`."""
        return oracles.taken(self.records)

    @functools.cached_property
    def ranked(self) -> list[str]:
        """The methods that may be best: no controls, and none that takes something from the reference."""
        return [m for m in self.methods if m not in self.takes and m not in CONTROLS]

    @functools.cached_property
    def sizes(self) -> dict[str, str]:
        """Width x height of the decoded frames by method, most clips first; none of methods without a clip."""
        clips = self.records[self.records["generated_size"] != ""].drop_duplicates(["method", "clip"])
        found: dict[str, Counter[str]] = {}
        for method, size in sorted(zip(clips["method"].astype(str), clips["generated_size"].astype(str), strict=True)):
            found.setdefault(method, Counter())[size] += 1
        return {method: ", ".join(size for size, _ in sizes.most_common()) for method, sizes in found.items()}

    @functools.cached_property
    def leads(self) -> dict[str, Lead]:
        """For each metric key the best method, as far as a paired test supports it."""
        return leads(self.records, self.rows)

    @functools.cached_property
    def real_means(self) -> dict[str, float]:
        """The real clips' mean under each metric whose best value that is, where it is known."""
        keys = {row.metric for row in self.rows if row.direction == "reference"}
        chosen = groups(self.records, ["metric"])
        found = {key: ClipValues(group, key).real_mean for (key,), group in chosen if key in keys}
        return {key: found[key] for key in self.keys if not math.isnan(found.get(key, math.nan))}

    def is_best(self, key: str, method: str) -> bool:
        """Whether a method's number is bold."""
        return self.leads[key].best == method
