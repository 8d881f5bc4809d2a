"""Parts of the page that follow from records alone, for any evaluation: the papers' tables and pairs."""

import html
import itertools
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from gmbench.evaluation.planning.controls import CONTROLS
from gmbench.evaluation.results import result_folder
from gmbench.reporting import paper_table_builder, paper_tables, published_tables
from gmbench.reporting.comparisons import HOW, cells, compare_each, remarks
from gmbench.reporting.latents import drawn_latents
from gmbench.reporting.page.markup import Section, grid_html, wide_html
from gmbench.reporting.paper_tables import PaperTable
from gmbench.reporting.summary import Summary
from gmbench.reporting.table_formats import Table, render
from gmbench.store import write_atomically

SUFFIXES = {"md": "md", "latex": "tex", "csv": "csv", "html": "html"}
MAX_PAIRED = 8
"""Most methods of which all pairs are compared on the page; of more than that, those that are ranked."""


def record_sections(summaries: Sequence[Summary], folders: Sequence[Path], out: Path) -> list[Section]:
    """All of them; ``folders`` are the evaluations', tables and figures go below the page's folder ``out``."""
    return [*left_out(folders), pairs(summaries), papers(summaries, out)]


def left_out(folders: Sequence[Path]) -> list[Section]:
    """What the evaluations say that they left out, if anything."""
    lines = [f"<li>{html.escape(note)}</li>" for folder in folders for note in result_folder.warnings(folder)]
    return [Section("Left out", f"<ul>{''.join(dict.fromkeys(lines))}</ul>")] if lines else []


def pairs(summaries: Sequence[Summary]) -> Section:
    """Paired differences of the methods of each dataset and protocol; of many, of those that are ranked."""
    parts = []
    for summary in summaries:
        every = [name for name in summary.methods if name not in CONTROLS]
        methods = sorted(every if len(every) <= MAX_PAIRED else summary.ranked)
        name = html.escape(f"{summary.dataset}, {summary.records['protocol'].iloc[0]}")
        command = f"<code>gmbench compare A B</code> compares any two of {len(every)} methods"
        if not 2 <= len(methods) <= MAX_PAIRED:
            parts.append(f"<p>{name}: {command}.</p>")
            continue
        if len(methods) < len(every):
            parts.append(f"<p>{name}: the {len(methods)} methods that make everything themselves; {command}.</p>")
        for (first, second), found in compare_each(summary.records, [*itertools.combinations(methods, 2)]).items():
            compared = [c for c in found if c.direction != "none"]
            head = ["metric", f"{first} - {second}", "95 % interval", "p (Holm)", "clips", "better"]
            said = remarks(compared) if found else ["no metric of one protocol that both have"]
            notes = "".join(f"<p>{html.escape(note)}</p>" for note in said)
            title = f"{name}: {html.escape(first)} and {html.escape(second)}"
            parts.append(
                f"<details><summary>{title}</summary>{grid_html(head, [cells(c) for c in compared])}{notes}</details>"
            )
    return Section("Paired comparisons", f"<p>Better: p &lt; 0.05 in {html.escape(HOW)}.</p>" + "".join(parts))


def papers(summaries: Sequence[Summary], out: Path, cards: Sequence[Mapping[str, Any]] = ()) -> Section:
    """Each paper's table with these numbers, and below it as published; all formats in ``tables``.

    ``cards`` are the run cards of systems that were trained here.
    """
    parts = [
        "<p>The papers' rows and columns with the numbers measured here, and each table as published, which was "
        "measured otherwise: never compare across the two.</p>"
    ]
    for form in paper_tables.load_all().values():
        tables = [_measured_html(name, table, out) for name, table in _filled(form, summaries, out, cards).items()]
        for printed in [] if form.figure else published_tables.select(form.source, form.dataset, form.table):
            tables.append(wide_html(render(published_tables.as_table(printed), "html")))
        title = html.escape(f"{form.source} {form.place} ({form.name})")
        parts.append(f"<details><summary>{title}</summary>{''.join(tables)}</details>")
    return Section("The papers' tables", "".join(parts))


def _filled(
    form: PaperTable, summaries: Sequence[Summary], out: Path, cards: Sequence[Mapping[str, Any]]
) -> Mapping[str, Table]:
    """A paper's table for every dataset and protocol, by name; one of latents or costs, and one, empty, of studies."""
    if form.kind not in ("comparison", "ablation"):
        spaces = drawn_latents(out / "figures", form.system) if form.kind == "latents" else []
        return {form.name: paper_table_builder.build(form, spaces=spaces, cards=cards)}
    datasets = [summary.dataset for summary in summaries]
    tables = {}
    for dataset, summary in zip(datasets, summaries, strict=True):
        protocol = f"-{summary.records['protocol_hash'].iloc[0]}" if datasets.count(dataset) > 1 else ""
        tables[f"{form.name}-{dataset}{protocol}"] = paper_table_builder.build(form, summary.records, summary=summary)
    return tables


def _measured_html(name: str, table: Table, out: Path) -> str:
    """The table and links to it in all formats, which are written below ``out``."""
    links = []
    for kind, suffix in SUFFIXES.items():
        path = Path("tables") / f"{_file_name(name)}.{suffix}"
        write_atomically(out / path, render(table, kind).encode())
        links.append(f'<a href="{html.escape(path.as_posix())}">{suffix}</a>')
    return f"{wide_html(render(table, 'html'))}<p>{', '.join(links)}</p>"


def _file_name(name: str) -> str:
    return "".join(c if c.isalnum() or c in "-_." else "_" for c in name)
