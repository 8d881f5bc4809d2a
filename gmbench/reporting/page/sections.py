"""Parts of the page that follow from records alone, for any evaluation: the papers' forms, pairs, clip values."""

import html
import itertools
from collections.abc import Sequence
from pathlib import Path

import pandas as pd

from gmbench.evaluation.planning.controls import CONTROLS
from gmbench.evaluation.results import aggregate, result_folder
from gmbench.reporting import figures, paper_tables, table_formats
from gmbench.reporting import published_tables as printed
from gmbench.reporting.page.markup import Section, grid_html, picture_html
from gmbench.store import write_atomically

SUFFIXES = {"md": "md", "latex": "tex", "csv": "csv", "html": "html"}
MOST_PAIRED = 8
"""Methods of which all pairs are compared on the page; of more, the command compares those that matter."""


def of_records(records: pd.DataFrame, folders: Sequence[Path], out: Path) -> list[Section]:
    """All of them; ``folders`` are the evaluations', tables and figures go below the page's folder ``out``."""
    return [*left_out(folders), clip_values(records, out), pairs(records), papers(records, out)]


def left_out(folders: Sequence[Path]) -> list[Section]:
    """What the evaluations say that they left out, if anything."""
    lines = [f"<li>{html.escape(note)}</li>" for folder in folders for note in result_folder.warnings(folder)]
    return [Section("Left out", f"<ul>{''.join(dict.fromkeys(lines))}</ul>")] if lines else []


def clip_values(records: pd.DataFrame, out: Path) -> Section:
    """Every metric's clip values by method."""
    drawn = figures.distributions(records, out / "figures")
    return Section("Clips under each metric", "".join(picture_html(f"figures/{file}", text) for file, text in drawn))


def pairs(records: pd.DataFrame) -> Section:
    """Paired differences of the methods of each dataset and protocol."""
    parts = []
    for (dataset, protocol), own in records.groupby(["dataset", "protocol"], sort=True):
        methods = sorted(set(own["method"]) - set(CONTROLS))
        name = html.escape(f"{dataset}, {protocol}")
        if not 2 <= len(methods) <= MOST_PAIRED:
            parts.append(f"<p>{name}: <code>gmbench compare A B</code> compares any two of {len(methods)} methods.</p>")
            continue
        for first, second in itertools.combinations(methods, 2):
            lines = [_line(c) for c in aggregate.compare(own, first, second) if c.direction != "reference"]
            head = ["metric", f"{first} - {second}", "95 % interval", "p", "clips", "better"]
            title = f"{name}: {html.escape(first)} and {html.escape(second)}"
            parts.append(f"<details><summary>{title}</summary>{grid_html(head, lines)}</details>")
    return Section("Paired comparisons", "<p>On common clips, by a paired bootstrap.</p>" + "".join(parts))


def papers(records: pd.DataFrame, out: Path) -> Section:
    """Each paper's table with these numbers, and below it as published; all formats in ``tables``."""
    parts = [
        "<p>The papers' rows and columns with the numbers measured here, and each table as published, which was "
        "measured otherwise: never compare across the two.</p>"
    ]
    for form in paper_tables.load_all().values():
        grids = {}
        if form.kind in ("comparison", "ablation"):
            for (dataset, protocol), own in records.groupby(["dataset", "protocol_hash"], sort=True):
                several = records.loc[records["dataset"] == dataset, "protocol_hash"].nunique() > 1
                grids[f"{form.name}-{dataset}" + (f"-{protocol}" if several else "")] = paper_tables.build(form, own)
        else:
            grids[form.name] = paper_tables.build(form)
        told = []
        for name, grid in grids.items():
            links = []
            for kind, suffix in SUFFIXES.items():
                path = Path("tables") / f"{_file(name)}.{suffix}"
                write_atomically(out / path, table_formats.render(grid, kind).encode())
                links.append(f'<a href="{html.escape(path.as_posix())}">{suffix}</a>')
            told.append(f'<div class="wide">{table_formats.render(grid, "html")}</div><p>{", ".join(links)}</p>')
        for table in printed.select(form.source, None, form.table):
            told.append(f'<div class="wide">{table_formats.render(printed.as_table(table), "html")}</div>')
        title = html.escape(f"{form.source} table {form.table} ({form.name})")
        parts.append(f"<details><summary>{title}</summary>{''.join(told)}</details>")
    return Section("The papers' tables", "".join(parts))


def _line(found: aggregate.Comparison) -> list[str]:
    p = "n/a" if found.p != found.p else f"{found.p:.4f}"
    interval = f"[{table_formats.number(found.low)}, {table_formats.number(found.high)}]"
    return [found.metric, table_formats.number(found.difference), interval, p, str(found.n), found.better or "–"]


def _file(name: str) -> str:
    return "".join(c if c.isalnum() or c in "-_." else "_" for c in name)
