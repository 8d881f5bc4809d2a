"""What the command shows: tables and JSON on stdout, progress and warnings on stderr."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn
from rich.table import Table as Grid

from gmbench.metrics.spec import ARROWS

if TYPE_CHECKING:
    import pandas as pd

out = Console(width=None if sys.stdout.isatty() else 240)
err = Console(stderr=True)


def print_json(rows: Sequence[dict[str, Any]]) -> None:
    """One JSON object with ``rows`` on stdout."""
    sys.stdout.write(json.dumps({"rows": list(rows)}, ensure_ascii=False, indent=1, allow_nan=False) + "\n")


def print_warnings(notes: Iterable[str]) -> None:
    """One line each on stderr."""
    for note in notes:
        err.print(f"warning: {note}", style="yellow", markup=False, highlight=False, soft_wrap=True)


def print_notes(notes: Iterable[str]) -> None:
    """One line each on stderr, of what is so and no reason to worry."""
    for note in notes:
        err.print(note, markup=False, highlight=False, soft_wrap=True)


def print_summary(summary: Sequence[Any]) -> None:
    """One row per metric, one column per method: fits a terminal."""
    from gmbench.reporting.summary import ordered_methods

    methods = ordered_methods({row.method for row in summary})
    keys = list(dict.fromkeys(row.metric for row in summary))
    cells = {(row.metric, row.method): row for row in summary}
    whole = {row.expected for row in summary}
    caption = (
        f"95 % intervals; {whole.pop()} clips" if len(whole) == 1 else "95 % intervals; (clips with a value/clips)"
    )
    grid = Grid("metric", "", "unit", header_style="bold", caption=caption, caption_justify="left")
    grid.columns[0].no_wrap = True
    for method in methods:
        grid.add_column(method, justify="right")
    for key in keys:
        line = [cells.get((key, method)) for method in methods]
        metric = next(row for row in line if row is not None)
        grid.add_row(key, ARROWS[metric.direction], metric.unit, *map(_cell, line))
    out.print(grid)


def _cell(row: Any) -> str:
    from gmbench.reporting.table_formats import number

    if row is None:
        return "–"
    interval = f" [{number(row.low)}, {number(row.high)}]" if row.n > 1 and row.low == row.low else ""
    share = f" ({row.n}/{row.expected})" if row.n < row.expected else ""
    infinite = f" ({row.infinite} of {row.n} ∞)" if "infinite_clips" in row.flags.split() else ""
    return number(row.value) + interval.replace("[", r"\[") + share + infinite


def print_failures(records: pd.DataFrame, most: int = 10) -> None:
    """One line for each clip that failed, with how many metrics it lacks."""
    bad = records[records["status"].isin(["failed", "missing"])]
    lines = bad.groupby(["method", "clip", "reason"], sort=True)["metric"].count()
    for (method, clip, reason), count in list(zip(lines.index.tolist(), lines, strict=True))[:most]:
        err.print(f"{method}/{clip}: {count} metrics: {reason}", style="yellow", markup=False, highlight=False)
    if len(lines) > most:
        err.print(f"... and {len(lines) - most} more; all reasons are in the records", style="yellow", markup=False)


@contextmanager
def progress(what: str, unit: str = "clips") -> Iterator[Any]:
    """A progress bar on stderr with units per second and time left; nothing without a terminal."""
    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TextColumn("{task.fields[rate]}"),
        TimeElapsedColumn(),
        TimeRemainingColumn(),
    )
    with Progress(*columns, console=err, disable=not err.is_terminal, transient=True) as bar:
        task = bar.add_task(what, total=None, rate="")

        def report(done: int, total: int) -> None:
            speed = bar.tasks[0].finished_speed or bar.tasks[0].speed
            bar.update(task, completed=done, total=total, rate=f"{speed:.2f} {unit}/s" if speed else "")

        yield report
