"""A table of numbers on the screen: as wide as the terminal, methods or metrics as rows, whichever fits better."""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

from rich.cells import cell_len

from gmbench.commands.terminal import output
from gmbench.commands.terminal.layout import NumberColumn, number_blocks, pad, wrap
from gmbench.reporting.table_formats import Cell, Table
from gmbench.reporting.table_layout import transposed, without_intervals

_FALLBACK = re.compile(r" \(fallback: ([^)]+)\)")
_SUPERSCRIPTS = "⁰¹²³⁴⁵⁶⁷⁸⁹"
_UNIT = re.compile(r" \[[^\]]*\]")
_NONE = re.compile(r"0/\d+$")


def print_table(table: Table, *, wide: bool = False, swap: bool = False, turnable: bool = True) -> None:
    """Print a table in the width of the terminal; numbers are never cut.

    Intervals go first; then columns go into several blocks, one below the other.

    Args:
        wide: no limit of width.
        swap: the other one of metrics as rows and methods as rows than would be chosen.
        turnable: whether the columns may become rows; not for columns of different kinds.
    """
    for text, style in table_lines(table, None if wide else output.width(), swap, turnable):
        output.line(text, style)


def table_text(table: Table, *, swap: bool = False, turnable: bool = True) -> str:
    """A table as plain text of any width, for a file."""
    return "".join(f"{text.rstrip()}\n" for text, _ in table_lines(table, None, swap, turnable))


def table_lines(
    table: Table, width: int | None, swap: bool = False, turnable: bool = True
) -> Iterator[tuple[str, str]]:
    """Lines of a table with their styles; see :func:`print_table`."""
    title, plain = _without_equal_counts(table)
    plain, marks = _with_marks(plain)
    chosen = _choose(plain, width, swap, turnable)
    yield from ((line, "bold") for line in _wrapped(title, width))
    for place, block in enumerate(chosen.blocks):
        if place:
            yield "", ""
        rule = next(i for i, line in enumerate(block) if line.startswith("─"))
        for i, line in enumerate(block):
            yield line, "bold" if i < rule else "dim" if i == rule else ""
    lost = [f"{chosen.lost} are left out to fit {width} columns; --wide shows them"] if chosen.lost else []
    notes = [*marks, *lost, *_starred(plain)]
    for note in notes:
        yield from ((line, "dim") for line in _wrapped(note, width))


def _wrapped(text: str, width: int | None) -> list[str]:
    return wrap(text, width) if width is not None else [text]


@dataclass(frozen=True)
class _Layout:
    """A way to print a table: its blocks, whether rows and columns are swapped, and what is left out."""

    blocks: list[list[str]]
    turned: bool
    lost: str

    @property
    def lines(self) -> int:
        """Lines of all blocks."""
        return sum(map(len, self.blocks))


def _choose(table: Table, width: int | None, swap: bool, turnable: bool) -> _Layout:
    """The first way that needs one block only, or the one of the fewest lines."""
    layouts = [
        _Layout(_blocks(transposed(form) if turned else form, width, wrapped), turned, lost)
        for form, lost in _ever_narrower(table)
        for turned in ((True, False) if turnable and table.body else (False,))
        for wrapped in (False, True)
    ]
    best = _best(layouts)
    other = [layout for layout in layouts if layout.turned != best.turned]
    return _best(other) if swap and other else best


def _ever_narrower(table: Table) -> Iterator[tuple[Table, str]]:
    """The table, then what may be left out of it: first intervals, then units; with the name of what is."""
    yield table, ""
    lost = ""
    if any(cell.interval for row in table.body for cell in row):
        table, lost = without_intervals(table), "intervals"
        yield table, lost
    header = tuple(_UNIT.sub("", title) for title in table.header)
    if header != table.header:
        yield replace(table, header=header), f"{lost} and units" if lost else "units"


def _best(layouts: Sequence[_Layout]) -> _Layout:
    one_block = [layout for layout in layouts if len(layout.blocks) == 1]
    return one_block[0] if one_block else min(layouts, key=lambda layout: layout.lines)


def _blocks(table: Table, width: int | None, wrapped: bool) -> list[list[str]]:
    columns = [
        NumberColumn(title, _aligned([row[place] for row in table.body]))
        for place, title in enumerate(table.header) if place
    ]  # fmt: skip
    headings = {place: text for text, place in table.blocks}
    return number_blocks(table.header[0], [row[0].text for row in table.body], columns, width, wrapped, headings)


def _aligned(cells: Sequence[Cell]) -> tuple[str, ...]:
    """Texts of a column's cells: values, intervals and remarks each below each other."""
    star = any(cell.bold for cell in cells)
    values = [cell.text + ("*" if cell.bold else " " if star else "") for cell in cells]
    intervals = [f"[{cell.interval}]" if cell.interval else "" for cell in cells]
    remarks = [_remark(cell) for cell in cells]
    parts = [values, *(texts for texts in (intervals, remarks) if any(texts))]
    widths = [max(map(cell_len, texts), default=0) for texts in parts]
    lines = zip(*parts, strict=True)
    return tuple(
        " ".join(
            pad(text, width, right=place == 0) for place, (text, width) in enumerate(zip(line, widths, strict=True))
        )
        for line in lines
    )


def _remark(cell: Cell) -> str:
    """A cell's note, unless the cell itself says that there is no value."""
    silent = not cell.note or cell.note == "not evaluated" or (cell.text == "n/a" and _NONE.match(cell.note))
    return "" if silent else f"({cell.note})"


def _without_equal_counts(table: Table) -> tuple[str, Table]:
    """Title and table, the number of clips in the title where all methods have the same."""
    if "Clips" not in table.header:
        return table.title, table
    place = table.header.index("Clips")
    counts = {row[place].text for row in table.body}
    if len(counts) != 1 or len(table.header) < 3:
        return table.title, table
    count = counts.pop()
    header = table.header[:place] + table.header[place + 1 :]
    body = tuple(row[:place] + row[place + 1 :] for row in table.body)
    return f"{table.title}, {count} clip{'s' * (count != '1')}", replace(
        table, header=header, body=body, keys=(), short=()
    )


def _with_marks(table: Table) -> tuple[Table, list[str]]:
    """The table with marks for fallback extractors, and for rows with a remark, and what the marks stand for."""
    titles = [*table.header, *(row[0].text for row in table.body)]
    names = list(dict.fromkeys(name for title in titles for name in _FALLBACK.findall(title)))
    marks = {name: _superscript(i) for i, name in enumerate(names, 1)} if len(names) > 1 else dict.fromkeys(names, "†")

    def marked(title: str) -> str:
        return _FALLBACK.sub(lambda found: marks[found[1]], title)

    remarks = [f"{row[0].text} {row[0].note}" for row in table.body if row[0].note]
    labels = [marked(row[0].text) + (" ‡" if row[0].note else "") for row in table.body]
    body = tuple((Cell(label), *row[1:]) for label, row in zip(labels, table.body, strict=True))
    texts = [", ".join(f"{mark} {name}" for name, mark in marks.items())] if len(marks) > 1 else []
    texts += [f"‡ takes from the reference: {', '.join(remarks)}"] if remarks else []
    notes = tuple(note.removeprefix("† ") if len(names) > 1 else note for note in table.notes)
    return replace(table, header=tuple(map(marked, table.header)), body=body, notes=notes), texts


def _superscript(number: int) -> str:
    return "".join(_SUPERSCRIPTS[int(digit)] for digit in str(number))


def _starred(table: Table) -> list[str]:
    """The notes of a table; what they say of bold numbers, of those with a star, if there are any."""
    has_star = any(cell.bold for row in table.body for cell in row)
    notes = [note for note in table.notes if has_star or not note.startswith("Bold:")]
    return [note.replace("Bold:", "*:", 1) if note.startswith("Bold:") else note for note in notes]
