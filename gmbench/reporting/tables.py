"""Comparison tables as markdown, CSV, LaTeX (booktabs) and HTML, from one grid of cells."""

import csv
import html
import io
import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import pandas as pd

from gmbench.errors import InputError
from gmbench.evaluation.aggregate import SIGNIFICANCE, Row, paired, rows
from gmbench.evaluation.controls import CONTROLS
from gmbench.evaluation.registry import metrics
from gmbench.names import closest
from gmbench.store import write_atomically

FORMATS = ("md", "csv", "latex", "html")
FLAGS = {
    "fid_small_n": "fid_small_n: fewer than 2,048 frames a side, FID is biased upwards; compare rows of equal n only.",
    "fvd_small_n": "fvd_small_n: fewer than 400 windows a side, FVD rests on a singular covariance.",
    "unequal_n": "unequal_n: a method lacks clips of the set; its FID or FVD has another n than the others'.",
    "classes_missing": "classes_missing: Emo-Score needs clips of each of its emotions; none of some is here.",
    "no_face": "no_face: clips in which no face was found count as wrong in accuracies and as 0 in scores.",
    "own_reference": "own_reference: the speaker has no neutral reference; F-SIM compares with the clip's own.",
}
"""What flags of records mean to a reader of a table."""


@dataclass(frozen=True)
class Cell:
    """Text of a cell; ``bold`` marks a best value that the paired test supports."""

    text: str
    interval: str = ""
    note: str = ""
    bold: bool = False


@dataclass(frozen=True)
class Table:
    """A grid: one row a method, one column a metric, and notes below."""

    title: str
    header: tuple[str, ...]
    body: tuple[tuple[Cell, ...], ...]
    notes: tuple[str, ...]


def build(records: pd.DataFrame, names: Sequence[str] | None = None) -> Table:
    """The comparison table of one dataset.

    Args:
        records: of one dataset and protocol.
        names: metrics to show, with or without the suffix of a fallback judge; all by default.

    Raises:
        MixedColumnError: one column would mix judges, protocols or weights.
        InputError: a metric has no records.
    """
    aggregated = rows(records)
    keys = _keys(aggregated, names)
    by_cell = {(row.method, row.metric): row for row in aggregated}
    methods = ordered_methods({row.method for row in aggregated})
    best = {key: _best(records[records["metric"] == key], by_cell, key, methods) for key in keys}
    body = tuple(
        (
            Cell(method),
            Cell(str(max((by_cell[method, k].expected for k in keys if (method, k) in by_cell), default=0))),
            *(_cell(by_cell.get((method, key)), bold=best[key] == method) for key in keys),
        )
        for method in methods
    )
    header = ("Method", "Clips", *(_title(by_cell, key, methods) for key in keys))
    datasets = ", ".join(sorted(records["dataset"].unique()))
    protocols = ", ".join(sorted({f"{row.protocol} ({row.protocol_hash})" for row in aggregated}))
    title = f"{datasets}, protocol {protocols}"
    return Table(title, header, body, _notes(aggregated, keys))


def render(table: Table, form: str) -> str:
    """A table as text.

    Raises:
        InputError: unknown format.
    """
    writers = {"md": _markdown, "csv": _csv, "latex": _latex, "html": _html}
    if form not in writers:
        raise InputError(f"unknown table format {form!r}; {closest(form, writers)}")
    return writers[form](table)


def save(folder: Path, records: pd.DataFrame) -> Path:
    """Write ``table.md``, one table a dataset; returns its path."""
    parts = [render(build(part), "md") for _, part in records.groupby("dataset", sort=True)]
    path = folder / "table.md"
    write_atomically(path, "\n".join(parts).encode())
    return path


def number(value: float) -> str:
    """Four significant digits at most, three decimals at most; ∞ and n/a for what is no number."""
    if math.isnan(value):
        return "n/a"
    if math.isinf(value):
        return "∞" if value > 0 else "-∞"
    if value == 0:
        return "0"
    decimals = max(0, min(3, 3 - math.floor(math.log10(abs(value)))))
    return f"{value:.{decimals}f}"


def _keys(aggregated: list[Row], names: Sequence[str] | None) -> list[str]:
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
    return metric is None or metric.facts.default


def ordered_methods(methods: set[str]) -> list[str]:
    """Methods by name, controls last, ground truth at the very end."""
    controls = [name for name in CONTROLS if name != "ground_truth"] + ["ground_truth"]
    return sorted(methods - set(controls)) + [name for name in controls if name in methods]


def _title(by_cell: dict[tuple[str, str], Row], key: str, methods: Sequence[str]) -> str:
    name, _, judge = key.partition("_fb:")
    metric = metrics().get(name)
    title = f"{metric.facts.title} {metric.facts.arrow}" if metric else name
    unit = next((by_cell[m, key].unit for m in methods if (m, key) in by_cell), "")
    return title + (f" [{unit}]" if unit else "") + (f" (fallback: {judge})" if judge else "")


def _cell(row: Row | None, bold: bool) -> Cell:
    if row is None:
        return Cell("–", note="not evaluated")
    note = "" if row.n == row.expected else f"{row.n}/{row.expected}"
    interval = "" if math.isnan(row.low) or math.isinf(row.low) else f"{number(row.low)}, {number(row.high)}"
    return Cell(number(row.value), interval, note, bold)


def _best(records: pd.DataFrame, by_cell: dict[tuple[str, str], Row], key: str, methods: Sequence[str]) -> str | None:
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


def _notes(aggregated: list[Row], keys: Sequence[str]) -> tuple[str, ...]:
    notes = ["Mean over clips with a 95 % bootstrap interval. n/N: clips with a value of clips expected."]
    if any(row.n < row.expected for row in aggregated if row.metric in keys):
        notes.append("Clips without a value are left out of the mean, which favours methods that fail on hard clips.")
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


def _markdown(table: Table) -> str:
    def text(cell: Cell) -> str:
        value = f"**{_md(cell.text)}**" if cell.bold else _md(cell.text)
        return value + (f" [{cell.interval}]" if cell.interval else "") + (f" ({cell.note})" if cell.note else "")

    lines = [f"**{_md(table.title)}**", ""]
    lines.append("| " + " | ".join(_md(h) for h in table.header) + " |")
    lines.append("|---" + "|---:" * (len(table.header) - 1) + "|")
    lines += ["| " + " | ".join(text(cell) for cell in row) + " |" for row in table.body]
    return "\n".join([*lines, "", *(f"{note}  " for note in table.notes)]) + "\n"


def _csv(table: Table) -> str:
    """Plain values; the interval and the coverage of each metric in columns of their own."""
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    metric_columns = [c for h in table.header[2:] for c in (h, f"{h} 95 % interval", f"{h} n/N")]
    writer.writerow([*table.header[:2], *metric_columns])
    for row in table.body:
        cells = [part for cell in row[2:] for part in (cell.text, cell.interval, cell.note)]
        writer.writerow([row[0].text, row[1].text, *cells])
    return out.getvalue()


def _latex(table: Table) -> str:
    def text(cell: Cell) -> str:
        value = rf"\textbf{{{_tex(cell.text)}}}" if cell.bold else _tex(cell.text)
        small = " ".join(
            p for p in (f"[{cell.interval}]" if cell.interval else "", f"({cell.note})" if cell.note else "") if p
        )
        return value + (rf" {{\scriptsize {_tex(small)}}}" if small else "")

    lines = [
        rf"% {table.title.replace(chr(10), ' ')}",
        rf"\begin{{tabular}}{{l{'r' * (len(table.header) - 1)}}}",
        r"\toprule",
        " & ".join(_tex(h) for h in table.header) + r" \\",
        r"\midrule",
        *(" & ".join(text(cell) for cell in row) + r" \\" for row in table.body),
        r"\bottomrule",
        r"\end{tabular}",
        *(f"% {note}" for note in table.notes),
    ]
    return "\n".join(lines) + "\n"


def _html(table: Table) -> str:
    def text(cell: Cell) -> str:
        value = f"<strong>{html.escape(cell.text)}</strong>" if cell.bold else html.escape(cell.text)
        small = " ".join(p for p in (f"[{cell.interval}]" if cell.interval else "", cell.note) if p)
        return value + (f" <small>{html.escape(small)}</small>" if small else "")

    head = "".join(f"<th>{html.escape(h)}</th>" for h in table.header)
    body = "\n".join("<tr>" + "".join(f"<td>{text(c)}</td>" for c in row) + "</tr>" for row in table.body)
    notes = "".join(f"<p>{html.escape(note)}</p>\n" for note in table.notes)
    return (
        f"<table>\n<caption>{html.escape(table.title)}</caption>\n<thead><tr>{head}</tr></thead>\n"
        f"<tbody>\n{body}\n</tbody>\n</table>\n{notes}"
    )


def _md(text: str) -> str:
    for character in "\\|*_<`[":
        text = text.replace(character, "\\" + character)
    return text.replace("\n", " ")


_TEX = {
    "\\": r"\textbackslash{}", "&": r"\&", "%": r"\%", "$": r"\$", "#": r"\#", "_": r"\_", "{": r"\{",
    "}": r"\}", "~": r"\textasciitilde{}", "^": r"\textasciicircum{}", "↑": r"$\uparrow$",
    "↓": r"$\downarrow$", "→": r"$\rightarrow$", "∞": r"$\infty$", "–": "--", "\n": " ",
}  # fmt: skip


def _tex(text: str) -> str:
    return "".join(_TEX.get(character, character) for character in text)
