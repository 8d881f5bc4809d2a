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
class Measured:
    """The number of a cell, for machines: value, interval, and clips with a value of clips expected."""

    value: float
    low: float
    high: float
    n: int
    expected: int


@dataclass(frozen=True)
class Cell:
    """A cell: its text, and behind the text the numbers, where it has any.

    Attributes:
        bold: marks a best value that the paired test supports.
        measured: what ``text`` and ``interval`` show, for other decimals and for CSV.
    """

    text: str
    interval: str = ""
    note: str = ""
    bold: bool = False
    measured: Measured | None = None


@dataclass(frozen=True)
class Table:
    """A grid: one row per method, one column per metric, and notes below.

    Attributes:
        keys: names of the columns for machines, where they differ from the header.
        short: header of a printed paper, without what the notes say.
        blocks: heading and first row of each further block of rows, which stand apart from the first.
    """

    title: str
    header: tuple[str, ...]
    body: tuple[tuple[Cell, ...], ...]
    notes: tuple[str, ...]
    keys: tuple[str, ...] = ()
    short: tuple[str, ...] = ()
    blocks: tuple[tuple[str, int], ...] = ()

    def heading(self, row: int) -> str:
        """The heading above a row, if a block begins there."""
        return next((text for text, first in self.blocks if first == row), "")


def render(table: Table, form: str) -> str:
    """A table as text.

    Raises:
        InputError: unknown format.
    """
    writers = {"md": _markdown, "csv": _csv, "latex": _latex, "html": _html}
    if form not in writers:
        raise InputError(f"unknown table format {form!r}; {closest(form, writers)}")
    return writers[form](table)


def number(value: float, digits: int | None = None) -> str:
    """A number as text; ∞ and n/a for what is no number.

    Args:
        digits: decimals; by default four significant digits at most and three decimals at most, and what that would
            round to nothing as a power of ten.

    >>> number(26.0149), number(0.0004), number(0.0), number(26.0149, 1)
    ('26.01', '4e-04', '0', '26.0')
    """
    if math.isnan(value):
        return "n/a"
    if math.isinf(value):
        return "∞" if value > 0 else "-∞"
    if digits is not None:
        return f"{value:.{digits}f}"
    if value == 0:
        return "0"
    decimals = max(0, min(3, 3 - math.floor(math.log10(abs(value)))))
    text = f"{value:.{decimals}f}"
    return text if float(text) != 0 else f"{value:.0e}"


def interval(low: float | None, high: float | None, digits: int | None = None) -> str:
    """Both ends of an interval; empty where there is none."""
    if low is None or high is None or math.isnan(low) or math.isinf(low):
        return ""
    return f"{number(low, digits)}, {number(high, digits)}"


def _markdown(table: Table) -> str:
    def text(cell: Cell) -> str:
        value = f"**{_md(cell.text)}**" if cell.bold else _md(cell.text)
        return value + (f" [{cell.interval}]" if cell.interval else "") + (f" ({cell.note})" if cell.note else "")

    lines = [f"**{_md(table.title)}**", ""]
    lines.append("| " + " | ".join(_md(h) for h in table.header) + " |")
    lines.append("|---" + "|---:" * (len(table.header) - 1) + "|")
    for place, row in enumerate(table.body):
        if heading := table.heading(place):
            lines.append(f"| *{_md(heading)}* |" + " |" * (len(table.header) - 1))
        lines.append("| " + " | ".join(text(cell) for cell in row) + " |")
    return "\n".join([*lines, "", *(f"{note}  " for note in table.notes)]) + "\n"


def _csv(table: Table) -> str:
    """One line per row for machines: names of records in the header; a measured number takes four columns."""
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    names = table.keys or table.header
    wide = [any(row[column].measured for row in table.body) for column in range(len(names))]
    parts = ("", "_low", "_high", "_n")
    writer.writerow(
        [name + part for name, is_wide in zip(names, wide, strict=True) for part in (parts if is_wide else [""])]
    )
    for row in table.body:
        writer.writerow([text for cell, is_wide in zip(row, wide, strict=True) for text in _csv_cells(cell, is_wide)])
    return out.getvalue()


def _csv_cells(cell: Cell, is_wide: bool) -> list[str]:
    if not is_wide:
        return [cell.text]
    if cell.measured is None:
        return [""] * 4
    values = (cell.measured.value, cell.measured.low, cell.measured.high)
    return [*("" if math.isnan(value) else f"{value:.6g}" for value in values), str(cell.measured.n)]


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
        " & ".join(_tex(h) for h in table.short or table.header) + r" \\",
        r"\midrule",
    ]
    for place, row in enumerate(table.body):
        if table.heading(place):
            lines.append(r"\midrule")
        lines.append(" & ".join(text(cell) for cell in row) + r" \\")
    lines += [r"\bottomrule", r"\end{tabular}", *(f"% {note}" for note in table.notes)]
    return "\n".join(lines) + "\n"


def _html(table: Table) -> str:
    def text(cell: Cell) -> str:
        value = f"<strong>{html.escape(cell.text)}</strong>" if cell.bold else html.escape(cell.text)
        small = " ".join(p for p in (f"[{cell.interval}]" if cell.interval else "", cell.note) if p)
        return value + (f" <small>{html.escape(small)}</small>" if small else "")

    head = "".join(f"<th>{html.escape(h)}</th>" for h in table.header)
    lines = []
    for place, row in enumerate(table.body):
        if heading := table.heading(place):
            lines.append(f'</tbody>\n<tbody><tr><th colspan="{len(table.header)}">{html.escape(heading)}</th></tr>')
        lines.append("<tr>" + "".join(f"<td>{text(c)}</td>" for c in row) + "</tr>")
    body = "\n".join(lines)
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
    "×": r"$\times$", "†": r"$^\dagger$", "φ": r"$\varphi$", "²": r"\textsuperscript{2}",
}  # fmt: skip


def _tex(text: str) -> str:
    return "".join(_TEX.get(character, character) for character in text)
