"""The same table otherwise: other decimals, no intervals, rows and columns swapped."""

from collections.abc import Callable
from dataclasses import replace

from gmbench.reporting.table_formats import Cell, Table, interval, number


def with_digits(table: Table, digits: int | None) -> Table:
    """All numbers with so many decimals; None leaves them as they are."""
    if digits is None:
        return table
    return _each_cell(table, lambda cell: _rounded(cell, digits))


def _rounded(cell: Cell, digits: int) -> Cell:
    if cell.measured is None:
        return cell
    ends = interval(cell.measured.low, cell.measured.high, digits) if cell.interval else ""
    return replace(cell, text=number(cell.measured.value, digits), interval=ends)


def without_intervals(table: Table) -> Table:
    """Values alone."""
    return _each_cell(table, lambda cell: replace(cell, interval=""))


def transposed(table: Table, form: str = "") -> Table:
    """Metrics as rows, methods as columns; a printed paper's form has short titles, CSV has names of records."""
    titles = {"latex": table.short, "csv": table.keys}.get(form) or table.header
    columns = list(zip(*table.body, strict=True))
    corner = "Metric" if table.header[0] == "Method" else table.header[0]
    header = (corner, *(cell.text for cell in columns[0]))
    body = tuple((Cell(title), *cells) for title, cells in zip(titles[1:], columns[1:], strict=True))
    return Table(table.title, header, body, table.notes)


def _each_cell(table: Table, change: Callable[[Cell], Cell]) -> Table:
    return replace(table, body=tuple(tuple(change(cell) for cell in row) for row in table.body))
