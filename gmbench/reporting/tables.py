"""The comparison table of records: one row per method, one column per metric, best values bold where a test allows."""

import math
from collections.abc import Sequence

import pandas as pd

from gmbench.evaluation.planning.controls import CONTROLS
from gmbench.evaluation.results import references
from gmbench.evaluation.results.aggregate import SummaryRow, rows
from gmbench.evaluation.results.records import WHOLE_SET
from gmbench.evaluation.scoring.registry import present_keys
from gmbench.metrics.key import MetricKey
from gmbench.reporting.metric_lookup import fallback_extractors, in_declared_order, is_default, metric_of
from gmbench.reporting.summary import Summary
from gmbench.reporting.table_formats import Cell, Table, number

FLAGS = {
    "fid_small_n": "fid_small_n: fewer than 2,048 frames per side, FID is biased up; compare only rows of equal n.",
    "fvd_small_n": "fvd_small_n: fewer than 400 windows per side, FVD rests on a singular covariance.",
    "unequal_n": "unequal_n: a method lacks clips of the set; its FID or FVD has another n than the others'.",
    "infinite_clips": "infinite_clips: so many clips have the value ∞ (nothing differs); the mean is over the others.",
    "classes_missing": "classes_missing: Emo-Score needs clips of each of its emotions; none of some is here.",
    "no_face": "no_face: clips in which no face was found count as wrong in accuracies and as 0 in scores.",
    "own_reference": "own_reference: the speaker has no neutral reference; F-SIM compares with the clip's own.",
}
"""What flags of records mean to a reader of a table."""


def build(records: pd.DataFrame, names: Sequence[str] | None = None) -> Table:
    """The comparison table of one dataset.

    Args:
        records: of one dataset and protocol.
        names: metrics to show, with or without the suffix of a fallback extractor; all by default.

    Raises:
        MixedColumnError: one column would mix extractors, protocols or weights.
        InputError: a metric has no records.
    """
    return comparison_table(Summary.of(records), names)


def comparison_table(summary: Summary, names: Sequence[str] | None = None) -> Table:
    """The same from numbers that are aggregated already."""
    keys = _shown_keys(summary, names)
    common = {key: _on_common_clips(summary, key) for key in keys}
    columns = [column for key in keys for column in (_column(summary, key), common[key]) if column]
    body = tuple(
        (Cell(method), Cell(str(_clips_expected(summary, method, keys))), *(cells[place] for _, cells in columns))
        for place, method in enumerate(summary.methods)
    )
    header = ("Method", "Clips", *(title for title, _ in columns))
    return Table(caption(summary), header, body, _notes(summary, keys, any(common.values())))


TitledColumn = tuple[str, tuple[Cell, ...]]
"""A title and one cell per method."""


def _column(summary: Summary, key: str) -> TitledColumn:
    best = summary.leaders[key]
    cells = tuple(number_cell(summary.by_cell.get((method, key)), best == method) for method in summary.methods)
    return column_title(summary, key), cells


def _on_common_clips(summary: Summary, key: str) -> TitledColumn | None:
    """The same metric over the clips of which every method has a value; None where coverage is alike.

    A method that has no value of any clip has no part in it, or there would be no common clip at all.
    """
    cells = {m: summary.by_cell.get((m, key)) for m in summary.methods if m not in CONTROLS}
    rivals = [m for m, cell in cells.items() if cell is not None and cell.n > 0]
    if len({summary.by_cell[m, key].n for m in rivals}) < 2:
        return None
    records = summary.records
    of_clips = records[(records["metric"] == key) & (records["clip"] != WHOLE_SET)]
    with_value = of_clips[of_clips["value"].notna() & of_clips["method"].isin(rivals)]
    counts = with_value.groupby("clip")["method"].nunique()
    common = set(counts.index[counts == len(rivals)])
    if with_value.empty:
        return None
    on_common = rows(of_clips[of_clips["clip"].isin(common)]) if common else []
    by_method = {row.method: row for row in on_common}
    title = f"{column_title(summary, key)}, {len(common)} common clips"
    return title, tuple(number_cell(by_method.get(method), bold=False) for method in summary.methods)


def _clips_expected(summary: Summary, method: str, keys: Sequence[str]) -> int:
    return max((summary.by_cell[method, k].expected for k in keys if (method, k) in summary.by_cell), default=0)


def caption(summary: Summary) -> str:
    """Dataset and protocol of a table."""
    datasets = ", ".join(sorted(summary.records["dataset"].unique()))
    protocols = ", ".join(sorted({f"{row.protocol} ({row.protocol_hash})" for row in summary.rows}))
    return f"{datasets}, protocol {protocols}"


def _shown_keys(summary: Summary, names: Sequence[str] | None) -> list[str]:
    present = in_declared_order(summary.keys)
    if not names:
        return [key for key in present if is_default(key)] or present
    return present_keys(names, present)


def column_title(summary: Summary, key: str) -> str:
    """Header of a metric: title, arrow, unit, and the extractor where it is not the official one."""
    metric = metric_of(key)
    title = f"{metric.spec.title} {metric.spec.arrow}" if metric else MetricKey.parse(key).name
    unit = next((row.unit for row in summary.rows if row.metric == key), "")
    fallback = MetricKey.parse(key).fallback
    return title + (f" [{unit}]" if unit else "") + (f" (fallback: {fallback})" if fallback else "")


def number_cell(row: SummaryRow | None, bold: bool) -> Cell:
    """A number with its interval, its coverage where clips are missing, and how many infinite ones are left out."""
    if row is None:
        return Cell("–", note="not evaluated")
    parts = (
        "" if row.n == row.expected else f"{row.n}/{row.expected}",
        f"{row.infinite} of {row.n} ∞" if "infinite_clips" in row.flags.split() else "",
    )
    note = ", ".join(part for part in parts if part)
    interval = "" if math.isnan(row.low) or math.isinf(row.low) else f"{number(row.low)}, {number(row.high)}"
    return Cell(number(row.value), interval, note, bold)


def _notes(summary: Summary, keys: Sequence[str], has_common: bool) -> tuple[str, ...]:
    shown_rows = [row for row in summary.rows if row.metric in keys]
    notes = ["Mean over clips with a 95 % bootstrap interval. n/N: clips with a value of clips expected."]
    if any(row.n < row.expected for row in shown_rows):
        notes.append("Clips without a value are left out of the mean, which favours methods that fail on hard clips.")
    if has_common:
        notes.append("Common clips: those of which every method with values has one, controls left out.")
    if extractors := fallback_extractors(keys):
        notes.append(
            f"fallback: scored by {', '.join(extractors)}, not by the published detector or network; "
            "never compare with published figures."
        )
    if any((metric := metric_of(key)) and metric.score_set for key in keys):
        notes.append("FID and FVD are one number of the whole set; they have no interval and are never bold.")
    notes += references.warnings(summary.records)
    flags = {flag for row in shown_rows for flag in row.flags.split()}
    notes += [text for flag, text in FLAGS.items() if flag in flags]
    if len(set(summary.methods) - set(CONTROLS)) > 1:
        notes.append("Bold: best, with p < 0.05 against every other method in a paired bootstrap.")
    return tuple(notes)
