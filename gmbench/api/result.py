"""Results of an evaluation: numbers as tables of pandas, paired comparisons, formats of papers, the report page."""

import functools
import tempfile
import warnings
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field, fields
from pathlib import Path
from typing import Any

import pandas as pd

from gmbench.api.paths import PathLike, as_path, path_or_none
from gmbench.errors import GmbenchWarning, InputError
from gmbench.evaluation.planning.controls import CONTROLS
from gmbench.evaluation.planning.plan import Plan
from gmbench.evaluation.results import aggregate, compared_files, reasons, result_folder
from gmbench.evaluation.results import records as record_tables
from gmbench.evaluation.results.aggregate import SummaryRow
from gmbench.evaluation.results.merging import NamedRecords
from gmbench.evaluation.scoring import registry
from gmbench.names import closest
from gmbench.reporting import comparisons, found_records
from gmbench.reporting.comparisons import Comparison

Names = str | Sequence[str] | None
"""One name, several, or None for all."""
_FIRST = ("method", "metric", "value", "low", "high", "n", "expected", "unit", "direction", "dataset")
"""Columns of :meth:`Result.table` that come first."""


@dataclass(frozen=True, repr=False)
class Result:
    """What an evaluation measured, of :func:`gmbench.evaluate` or :func:`gmbench.load`.

    Attributes:
        encoded: the records as the package holds them, repeated texts as categories; see :attr:`records`.
        warnings: what was left out or should be known.
        arguments: what was asked for.
        plan: which clips were compared with what; None for a loaded result.
        parts: the records by the folder or file that they were read from; empty for a new result.
    """

    encoded: pd.DataFrame
    warnings: tuple[str, ...] = ()
    arguments: dict[str, object] = field(default_factory=dict)
    plan: Plan | None = None
    parts: tuple[NamedRecords, ...] = ()

    @functools.cached_property
    def records(self) -> pd.DataFrame:
        """One row per (method, clip, metric), as in ``records.parquet``; all tables derive from it."""
        return record_tables.plain(self.encoded)

    @property
    def methods(self) -> list[str]:
        """Methods and controls in the order of tables."""
        from gmbench.reporting.summary import ordered_methods

        return ordered_methods(set(self.encoded["method"]))

    @property
    def metrics(self) -> list[str]:
        """Keys of the metrics in the order in which they are declared."""
        from gmbench.reporting.metric_lookup import in_declared_order

        return in_declared_order(self.encoded["metric"].unique())

    def table(
        self, metrics: Names = None, methods: Names = None, *, controls: bool = True, wide: bool = False
    ) -> pd.DataFrame:
        """One row per method and metric: value, 95 % interval, clips behind it, unit, and what it may be compared with.

        Args:
            metrics, methods: of these only; all by default.
            controls: with the rows that were made from the reference.
            wide: values alone, one row per method and one column per metric.

        Raises:
            InputError: nothing of a name. MixedColumnError: records of several protocols, extractors or weights.
        """
        chosen = self._only(metrics, methods, controls)
        rows = aggregate.rows(chosen) if len(chosen) else []
        table = _frame(rows, SummaryRow, _FIRST)
        if not wide:
            return table
        values = table.pivot(index=["dataset", "method"], columns="metric", values="value")
        order = [(d, m) for d in sorted(set(table["dataset"])) for m in self.methods if (d, m) in values.index]
        values = values.reindex(order)[[key for key in self.metrics if key in values.columns]]
        return values.droplevel("dataset") if table["dataset"].nunique() < 2 else values

    def clips(self, metrics: Names = None, methods: Names = None, *, controls: bool = True) -> pd.DataFrame:
        """One row per method, clip and metric: value, status and, where there is no value, the reason."""
        return record_tables.plain(self._only(metrics, methods, controls)).reset_index(drop=True)

    def missing(self) -> pd.DataFrame:
        """Why numbers are missing: one row per method and reason, with the metrics and clips that lack a value."""
        return _frame(reasons.reasons_of(self.encoded), reasons.MissingNumbers)

    def compare(self, first: str, second: str, metrics: Names = None) -> pd.DataFrame:
        """Paired comparison of two methods on their common clips: difference (first - second), interval, p, better.

        Raises:
            InputError: nothing of a name.
        """
        rows = comparisons.compare(self._only(metrics), first, second)
        return _frame(
            rows, Comparison, ("metric", "difference", "low", "high", "p", "p_adjusted", "n", "better", "reason")
        )

    def to_latex(self, metrics: Names = None, methods: Names = None, *, controls: bool = True) -> str:
        """The comparison table for a paper (booktabs); best values bold where a paired test supports it."""
        return self._rendered("latex", metrics, methods, controls)

    def to_markdown(self, metrics: Names = None, methods: Names = None, *, controls: bool = True) -> str:
        """The comparison table as markdown."""
        return self._rendered("md", metrics, methods, controls)

    def to_html(self, metrics: Names = None, methods: Names = None, *, controls: bool = True) -> str:
        """The comparison table as HTML; notebooks show it for a result."""
        return self._rendered("html", metrics, methods, controls)

    def save(self, folder: PathLike) -> Path:
        """Write records, provenance, the files that were compared, and ``table.md``, as ``gmbench eval --out`` does.

        What was evaluated into the folder before stays; what was evaluated again is replaced.

        Raises:
            StoreError: the folder cannot be written. MixedColumnError: it holds numbers of another kind.
        """
        target = as_path(folder)
        for note in self.write(target):
            warnings.warn(note, GmbenchWarning, stacklevel=2)
        return target

    def write(self, folder: Path) -> list[str]:
        """:meth:`save` that returns its warnings."""
        from gmbench.reporting.page.write import read_sources
        from gmbench.reporting.saved_results import save_results

        result_folder.check_writable(folder)
        notes = result_folder.merge_warnings(folder, self.encoded, identical_clips=self.plan is not None)
        save_results(folder, self.encoded, self.arguments, self.plan)
        compared_files.copy(read_sources(self.parts), folder)
        return notes

    def report(
        self,
        folder: PathLike,
        *,
        title: str = "gmbench",
        clips: str = "link",
        force: bool = False,
        store: PathLike | None = None,
    ) -> Path:
        """Write the report page: leaderboard, every clip beside its reference, failures, provenance.

        The page of a loaded result shows all that its folders hold.

        Args:
            folder: of the page.
            clips: ``link`` (hard links to the clips, copies on another disk), ``copy`` or ``none``.
            force: write into a folder that holds something else than a page.
            store: that of the evaluation, for the landmarks; ``GMBENCH_STORE`` or the user's cache by default.

        Returns:
            path of ``index.html``, which opens from disk.
        """
        from gmbench.reporting import page

        if clips not in page.CLIPS:
            raise InputError(f"clips: expected one of {', '.join(page.CLIPS)}, got {clips!r}")
        target = as_path(folder)
        if self.parts:
            page.from_folders([part.path for part in self.parts], target, title, clips, force, path_or_none(store))
        else:
            with tempfile.TemporaryDirectory() as made:
                own = self.save(Path(made) / "evaluation")
                page.from_folders([own], target, title, clips, force, path_or_none(store))
        return target / "index.html"

    def _only(self, metrics: Names, methods: Names = None, controls: bool = True) -> pd.DataFrame:
        """Records of some metrics and methods; raises InputError where there is none of a name."""
        chosen = self.encoded
        if metrics is not None:
            chosen = chosen[chosen["metric"].isin(registry.present_keys(metrics, self.metrics))]
        if methods is not None:
            wanted = [methods] if isinstance(methods, str) else list(methods)
            for name in wanted:
                if name not in self.methods:
                    raise InputError(f"no records of method {name!r}; {closest(name, self.methods)}")
            chosen = chosen[chosen["method"].isin(wanted)]
        return chosen if controls else chosen[~chosen["method"].isin(list(CONTROLS))]

    def _rendered(self, form: str, metrics: Names, methods: Names, controls: bool) -> str:
        from gmbench.reporting import table_formats, tables

        chosen = self._only(metrics, methods, controls)
        keys = None if metrics is None else registry.present_keys(metrics, self.metrics)
        parts = [tables.build(part, keys) for _, part in chosen.groupby("dataset", sort=True)]
        return "\n".join(table_formats.render(part, form) for part in parts)

    def _repr_html_(self) -> str:
        return self.to_html()

    def __repr__(self) -> str:
        """Datasets, methods and how much there is."""
        datasets = ", ".join(sorted(set(self.encoded["dataset"])))
        clips = self.encoded.loc[self.encoded["clip"] != record_tables.WHOLE_SET, "clip"].nunique()
        lost = sum(len(group.metrics) * len(group.clips) for group in reasons.reasons_of(self.encoded))
        tail = f", {lost} numbers missing" if lost else ""
        about = f"{', '.join(self.methods)}; {clips} clips, {len(self.metrics)} metrics{tail}"
        return f"<gmbench.Result of {datasets}: {about}>"


def load(*folders: PathLike, dataset: str | None = None, protocol: str | None = None) -> Result:
    """A result that ``gmbench eval`` or :meth:`Result.save` wrote.

    Args:
        folders: of evaluations, or files of records; later ones replace what they repeat. Without any, as the commands:
            ``gmbench-results`` of this folder and what a pipeline scored here.
        dataset, protocol: records of this dataset and protocol (name or hash) only.

    Raises:
        InputError: no records there. MixedColumnError: records of several protocols, and none was chosen.
    """
    found = found_records.find([as_path(folder) for folder in folders] or None)
    chosen = result_folder.only(found.records, dataset, protocol)
    notes = [*found.notes, *(note for part in found.parts for note in result_folder.warnings(part.folder))]
    return Result(chosen.reset_index(drop=True), tuple(dict.fromkeys(notes)), parts=found.parts)


def _frame(rows: Sequence[Any], kind: type, first: tuple[str, ...] = ()) -> pd.DataFrame:
    """Dataclass objects of a kind as a table, some columns first."""
    names = [f.name for f in fields(kind)]
    return pd.DataFrame([asdict(row) for row in rows], columns=[*first, *(name for name in names if name not in first)])
