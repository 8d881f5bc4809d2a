"""The papers' tables as printed, with known errors as footnotes; never merged with numbers measured here."""

import csv
import functools
import html
from dataclasses import dataclass
from importlib import resources

from gmbench.errors import InputError
from gmbench.names import closest
from gmbench.reporting.table_formats import Cell, Table


@dataclass(frozen=True)
class Erratum:
    """Something wrong or unusable in a published table; empty fields stand for all."""

    number: int
    sources: tuple[str, ...]
    tables: tuple[str, ...]
    metrics: tuple[str, ...]
    method: str
    text: str

    def concerns(self, source: str, table: str) -> bool:
        """Whether it belongs below a table."""
        return source in self.sources and (not self.tables or table in self.tables)

    def marks(self, metric: str, method: str) -> bool:
        """Whether it belongs to a cell."""
        return (not self.metrics or metric in self.metrics) and self.method.lower() in ("", method.lower())


@dataclass(frozen=True)
class PublishedTable:
    """One table of a paper on one dataset, as printed: ``cells`` by (method, metric)."""

    source: str
    table: str
    dataset: str
    setting: str
    methods: tuple[str, ...]
    metrics: tuple[str, ...]
    cells: dict[tuple[str, str], str]

    @property
    def errata(self) -> tuple[Erratum, ...]:
        """Footnotes."""
        return tuple(erratum for erratum in errata() if erratum.concerns(self.source, self.table))


@functools.cache
def errata() -> tuple[Erratum, ...]:
    """All known errors."""
    return tuple(
        Erratum(
            int(row["number"]),
            _parts(row["source"]),
            _parts(row["table"]),
            _parts(row["metric"]),
            row["method"],
            row["erratum"],
        )
        for row in _rows("errata.csv")
    )


@functools.cache
def published_tables() -> tuple[PublishedTable, ...]:
    """All tables of the papers, in their order."""
    groups: dict[tuple[str, str, str, str], list[dict[str, str]]] = {}
    for row in _rows("published_results.csv"):
        groups.setdefault((row["source"], row["table"], row["dataset"], row["setting"]), []).append(row)
    return tuple(
        PublishedTable(
            *key,
            tuple(dict.fromkeys(r["method"] for r in rows)),
            tuple(dict.fromkeys(r["metric"] for r in rows)),
            {(r["method"], r["metric"]): r["value"].replace("inf", "∞") for r in rows},
        )
        for key, rows in groups.items()
    )


def select(source: str | None, dataset: str | None, table: str | None = None) -> list[PublishedTable]:
    """Tables of a paper, by its number, and of a dataset; raises InputError where there are none."""
    wanted = (("source", source), ("dataset", dataset), ("table", table))
    selected = [t for t in published_tables() if all(v in (None, getattr(t, k)) for k, v in wanted)]
    if not selected:
        names = {t.source for t in published_tables()} | {t.dataset for t in published_tables()}
        raise InputError(f"no published table of {source or dataset!r}; {closest(str(source or dataset), names)}")
    return selected


def as_table(table: PublishedTable) -> Table:
    """A table with the numbers of its footnotes at the cells they concern, for any of the formats."""
    title = f"{table.source}, table {table.table}, {table.dataset}" + (f" ({table.setting})" if table.setting else "")
    body = tuple((Cell(method), *(_cell(table, method, m) for m in table.metrics)) for method in table.methods)
    notes = tuple(f"{f.number}. {f.text}" for f in table.errata)
    return Table(f"{title}, as published", ("Method", *table.metrics), body, notes)


def errata_html() -> str:
    """All footnotes as a list for the report page."""
    items = "".join(
        f"<li value={f.number}>{html.escape(', '.join(f.sources))}"
        f"{html.escape(' table ' + ', '.join(f.tables) if f.tables else '')}: {html.escape(f.text)}</li>"
        for f in errata()
    )
    return f"<ol>{items}</ol>"


def _cell(table: PublishedTable, method: str, metric: str) -> Cell:
    value = table.cells.get((method, metric), "")
    marks = [str(f.number) for f in table.errata if (f.metrics or f.method) and f.marks(metric, method)]
    return Cell(value, note=", ".join(marks) if value else "")


def _rows(name: str) -> list[dict[str, str]]:
    text = resources.files("gmbench.reporting").joinpath(f"published/{name}").read_text("utf-8")
    return list(csv.DictReader(text.splitlines()))


def _parts(text: str) -> tuple[str, ...]:
    return tuple(part for part in text.split(";") if part)
