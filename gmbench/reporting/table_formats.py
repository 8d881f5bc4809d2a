"""A grid of cells as markdown, CSV, LaTeX (booktabs) and HTML; the same grid gives the same bytes."""

import csv
import html
import io
import math
from dataclasses import dataclass

from gmbench.errors import InputError
from gmbench.names import closest

FORMATS = ("md", "csv", "latex", "html")


@dataclass(frozen=True)
class Cell:
    """Text of a cell; ``bold`` marks a best value that the paired test supports."""

    text: str
    interval: str = ""
    note: str = ""
    bold: bool = False


@dataclass(frozen=True)
class Table:
    """A grid: one row per method, one column per metric, and notes below."""

    title: str
    header: tuple[str, ...]
    body: tuple[tuple[Cell, ...], ...]
    notes: tuple[str, ...]


def render(table: Table, form: str) -> str:
    """A table as text.

    Raises:
        InputError: unknown format.
    """
    writers = {"md": _markdown, "csv": _csv, "latex": _latex, "html": _html}
    if form not in writers:
        raise InputError(f"unknown table format {form!r}; {closest(form, writers)}")
    return writers[form](table)


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
    """Plain values; the interval and the coverage of each metric in separate columns."""
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
    "<": r"\textless{}", ">": r"\textgreater{}", "|": r"\textbar{}", "±": r"$\pm$",
    "×": r"$\times$", "φ": r"$\varphi$", "²": r"\textsuperscript{2}",
}  # fmt: skip


def _tex(text: str) -> str:
    return "".join(_TEX.get(character, character) for character in text)
