"""The comparison table of records: a row a method, a column a metric, best values bold where a test supports it."""

import math
from collections.abc import Sequence
from pathlib import Path

import pandas as pd

from gmbench.errors import InputError
from gmbench.evaluation.planning.controls import CONTROLS
from gmbench.evaluation.results.aggregate import SIGNIFICANCE, SummaryRow, paired, rows
from gmbench.evaluation.results.records import WHOLE_SET
from gmbench.evaluation.scoring.registry import metrics
from gmbench.names import closest
from gmbench.reporting.table_formats import Cell, Table, number, render
from gmbench.store import write_atomically

FLAGS = {
    "fid_small_n": "fid_small_n: fewer than 2,048 frames a side, FID is biased upwards; compare rows of equal n only.",
    "fvd_small_n": "fvd_small_n: fewer than 400 windows a side, FVD rests on a singular covariance.",
    "unequal_n": "unequal_n: a method lacks clips of the set; its FID or FVD has another n than the others'.",
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
        MixedColumnError: one column would mix judges, protocols or weights.
        InputError: a metric has no records.
    """
    aggregated = rows(records)
    keys = _keys(aggregated, names)
    by_cell = {(row.method, row.metric): row for row in aggregated}
    methods = ordered_methods({row.method for row in aggregated})
    columns = [_column(records, by_cell, key, methods) for key in keys]
    shared = {key: _on_common_clips(records, by_cell, key, methods) for key in keys}
    shown = [part for key, column in zip(keys, columns, strict=True) for part in (column, shared[key]) if part]
    body = tuple(
        (
            Cell(method),
            Cell(str(max((by_cell[method, k].expected for k in keys if (method, k) in by_cell), default=0))),
            *(cells[place] for _, cells in shown),
        )
        for place, method in enumerate(methods)
    )
    header = ("Method", "Clips", *(title for title, _ in shown))
    return Table(_caption(records, aggregated), header, body, _notes(aggregated, keys, any(shared.values())))


Column = tuple[str, tuple[Cell, ...]]
"""A title and a cell a method."""


def _column(
    records: pd.DataFrame, by_cell: dict[tuple[str, str], SummaryRow], key: str, methods: Sequence[str]
) -> Column:
    leader = best(records[records["metric"] == key], by_cell, key, methods)
    cells = tuple(cell(by_cell.get((method, key)), bold=leader == method) for method in methods)
    return title_of(by_cell, key, methods), cells


def _on_common_clips(
    records: pd.DataFrame, by_cell: dict[tuple[str, str], SummaryRow], key: str, methods: Sequence[str]
) -> Column | None:
    """The same metric over the clips of which every method has a value; None where coverage is alike."""
    rivals = [m for m in methods if m not in CONTROLS and (m, key) in by_cell]
    if len({by_cell[m, key].n for m in rivals}) < 2:
        return None
    own = records[(records["metric"] == key) & (records["clip"] != WHOLE_SET)]
    valued = own[own["value"].notna() & own["method"].isin(rivals)]
    counts = valued.groupby("clip")["method"].nunique()
    common = set(counts.index[counts == len(rivals)])
    if valued.empty:
        return None
    kept = own[own["clip"].isin(common)]
    found = {(row.method, row.metric): row for row in rows(kept)} if common else {}
    title = f"{title_of(by_cell, key, methods)}, {len(common)} common clips"
    return title, tuple(cell(found.get((method, key)), bold=False) for method in methods)


def _caption(records: pd.DataFrame, aggregated: list[SummaryRow]) -> str:
    datasets = ", ".join(sorted(records["dataset"].unique()))
    protocols = ", ".join(sorted({f"{row.protocol} ({row.protocol_hash})" for row in aggregated}))
    return f"{datasets}, protocol {protocols}"


def save(folder: Path, records: pd.DataFrame) -> Path:
    """Write ``table.md``, one table a dataset; returns its path."""
    parts = [render(build(part), "md") for _, part in records.groupby("dataset", sort=True)]
    path = folder / "table.md"
    write_atomically(path, "\n".join(parts).encode())
    return path


def _keys(aggregated: list[SummaryRow], names: Sequence[str] | None) -> list[str]:
    present = list(dict.fromkeys(row.metric for row in aggregated))
    order = {name: position for position, name in enumerate(metrics())}
    present.sort(key=lambda key: order.get(key.split("_fb:")[0], len(order)))
    if not names:
        return [key for key in present if _is_default(key)] or present
    chosen = []
    for name in names:
        found = [key for key in present if key == name or key.split("_fb:")[0] == name]
        if not found:
            raise InputError(f"no records of metric {name!r}; {closest(name, present)}")
        chosen += found
    return list(dict.fromkeys(chosen))


def _is_default(key: str) -> bool:
    metric = metrics().get(key.split("_fb:", maxsplit=1)[0])
    return metric is None or metric.spec.default


def ordered_methods(methods: set[str]) -> list[str]:
    """Methods by name, controls last, ground truth at the very end."""
    controls = [name for name in CONTROLS if name != "ground_truth"] + ["ground_truth"]
    return sorted(methods - set(controls)) + [name for name in controls if name in methods]


def title_of(by_cell: dict[tuple[str, str], SummaryRow], key: str, methods: Sequence[str]) -> str:
    """Header of a metric: title, arrow, unit, and the judge where it is not the published one."""
    name, _, judge = key.partition("_fb:")
    metric = metrics().get(name)
    title = f"{metric.spec.title} {metric.spec.arrow}" if metric else name
    unit = next((by_cell[m, key].unit for m in methods if (m, key) in by_cell), "")
    return title + (f" [{unit}]" if unit else "") + (f" (fallback: {judge})" if judge else "")


def cell(row: SummaryRow | None, bold: bool) -> Cell:
    """A number with its interval, and its coverage where clips are missing."""
    if row is None:
        return Cell("–", note="not evaluated")
    note = "" if row.n == row.expected else f"{row.n}/{row.expected}"
    interval = "" if math.isnan(row.low) or math.isinf(row.low) else f"{number(row.low)}, {number(row.high)}"
    return Cell(number(row.value), interval, note, bold)


def leaders(records: pd.DataFrame, aggregated: Sequence[SummaryRow]) -> dict[str, str | None]:
    """For each metric the method that is best with support of a paired test, if there is one."""
    by_cell = {(row.method, row.metric): row for row in aggregated}
    methods = ordered_methods({row.method for row in aggregated})
    return {str(key): best(part, by_cell, str(key), methods) for key, part in records.groupby("metric", sort=False)}


def best(
    records: pd.DataFrame, by_cell: dict[tuple[str, str], SummaryRow], key: str, methods: Sequence[str]
) -> str | None:
    """The method that beats every other one in a paired test; None if there is no such."""
    rivals = [m for m in methods if m not in CONTROLS and (m, key) in by_cell and by_cell[m, key].n]
    if len(rivals) < 2 or by_cell[rivals[0], key].direction == "reference":
        return None
    sign = 1.0 if by_cell[rivals[0], key].direction == "higher" else -1.0
    metric = metrics().get(key.split("_fb:", maxsplit=1)[0])
    statistic = metric.statistic if metric else "mean"
    leader = max(rivals, key=lambda m: sign * by_cell[m, key].value)
    for rival in rivals:
        if rival == leader:
            continue
        difference = paired(records, leader, rival, statistic)
        if difference is None or not (difference.p < SIGNIFICANCE and sign * difference.value > 0):
            return None
    return leader


def _notes(aggregated: list[SummaryRow], keys: Sequence[str], shared: bool = False) -> tuple[str, ...]:
    notes = ["Mean over clips with a 95 % bootstrap interval. n/N: clips with a value of clips expected."]
    if any(row.n < row.expected for row in aggregated if row.metric in keys):
        notes.append("Clips without a value are left out of the mean, which favours methods that fail on hard clips.")
    if shared:
        notes.append("Common clips: those of which every method but the controls has a value.")
    judges = sorted({key.partition("_fb:")[2] for key in keys} - {""})
    if judges:
        notes.append(
            f"fallback: judged by {', '.join(judges)}, not by the published detector or network; "
            "never compare with published figures."
        )
    shown = [row for row in aggregated if row.metric in keys]
    known = metrics()
    if any((m := known.get(row.metric.split("_fb:")[0])) and m.score_set for row in shown):
        notes.append("FID and FVD are one number of the whole set; they have no interval and are never bold.")
    flags = {flag for row in shown for flag in row.flags.split()}
    notes += [text for flag, text in FLAGS.items() if flag in flags]
    if len({row.method for row in aggregated} - set(CONTROLS)) > 1:
        notes.append("Bold: best, with p < 0.05 against every other method in a paired bootstrap.")
    return tuple(notes)
