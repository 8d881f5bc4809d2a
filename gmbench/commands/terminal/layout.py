"""Text in columns that fits a width: words are wrapped, numbers and names of files are never cut."""

import re
import textwrap
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from rich.cells import cell_len

GAP = "  "
_INDENT = "    "
_MOST_LINES = 2
"""A row of text with more lines than this is easier to read field by field."""


def pad(text: str, width: int, right: bool = False) -> str:
    """A text filled with spaces to a width in terminal cells."""
    fill = " " * max(0, width - cell_len(text))
    return fill + text if right else text + fill


def wrap(text: str, width: int) -> list[str]:
    """Lines of at most ``width``; words longer than that, such as paths, stay whole."""
    return textwrap.wrap(text, max(1, width), break_long_words=False, break_on_hyphens=False) or [""]


@dataclass(frozen=True)
class ListLines:
    """The lines of a printed list: those of the header, and those of each row."""

    header: list[str]
    rows: list[list[str]]


def list_lines(header: Sequence[str], rows: Sequence[Sequence[str]], width: int | None, head: int = 2) -> ListLines:
    """A list of texts: side by side where it fits, else field by field under the first ``head`` fields of each row.

    Args:
        header: title of each field.
        rows: one text per field.
        width: columns; None for one line per row, however long.
    """
    columns = list(zip(header, *rows, strict=True))
    widths = [max(map(cell_len, column)) for column in columns]
    if width is not None and _total(widths) > width:
        shrunk = _shrunk(columns, widths, width)
        if shrunk is not None:
            wrapped = [_side_by_side(row, shrunk) for row in rows]
            if head >= len(header) or max(map(len, wrapped), default=0) <= _MOST_LINES:
                return ListLines(_side_by_side(header, shrunk), wrapped)
        return ListLines([], [_field_by_field(header, row, width, widths[:head]) for row in rows])
    return ListLines(_side_by_side(header, widths), [_side_by_side(row, widths) for row in rows])


def _total(widths: Sequence[int]) -> int:
    return sum(widths) + len(GAP) * (len(widths) - 1)


def _shrunk(columns: Sequence[Sequence[str]], widths: Sequence[int], width: int) -> list[int] | None:
    """Widths of the columns that fit, the widest made narrower first; None where their longest words do not fit."""
    least = [max((cell_len(word) for text in column for word in text.split()), default=0) for column in columns]
    if _total(least) > width:
        return None
    result = list(widths)
    while _total(result) > width:
        widest = max((i for i in range(len(result)) if result[i] > least[i]), key=lambda i: result[i])
        result[widest] -= 1
    return result


def _side_by_side(row: Sequence[str], widths: Sequence[int]) -> list[str]:
    cells = [wrap(text, width) for text, width in zip(row, widths, strict=True)]
    height = max(map(len, cells))
    filled = [[*lines, *[""] * (height - len(lines))] for lines in cells]
    return [
        GAP.join(pad(t, w) for t, w in zip(line, widths, strict=True)).rstrip() for line in zip(*filled, strict=True)
    ]


def _field_by_field(header: Sequence[str], row: Sequence[str], width: int, heads: Sequence[int]) -> list[str]:
    """The first fields in one line, with a single further one that fits; else the further ones below."""
    aligned = sum(heads) < width // 2
    first = GAP.join(pad(text, size if aligned else 0) for text, size in zip(row, heads, strict=False))
    rest = [(title, text) for title, text in zip(header[len(heads) :], row[len(heads) :], strict=True) if text]
    if len(rest) == 1 and cell_len(short := f"{first}{GAP}{rest[0][1]}") <= width:
        return [short]
    first = first.rstrip()
    lines = wrap(first, width) if cell_len(first) > width else [first]
    for text in _packed([f"{title}: {text}" for title, text in rest], width - len(_INDENT)):
        lines += textwrap.wrap(
            text, width, initial_indent=_INDENT, subsequent_indent=_INDENT * 2, break_long_words=False,
            break_on_hyphens=False,
        )  # fmt: skip
    return lines


def _packed(texts: Sequence[str], width: int) -> list[str]:
    """Neighbours side by side as long as they fit."""
    result: list[str] = []
    for text in texts:
        if result and cell_len(result[-1] + GAP + text) <= width:
            result[-1] += GAP + text
        else:
            result.append(text)
    return result


@dataclass(frozen=True)
class NumberColumn:
    """A column of numbers with its title; all texts are printed whole."""

    title: str
    cells: tuple[str, ...]

    def titled(self, wrapped: bool) -> list[str]:
        """Lines of the title: one, or broken at spaces, hyphens and underscores to the width of the numbers."""
        least = max((cell_len(cell) for cell in self.cells), default=0)
        if not wrapped or cell_len(self.title) <= least:
            return [self.title]
        pieces = [piece for piece in re.split(r"(?<=[\s_\-/])", self.title) if piece]
        widest = max([least, *(cell_len(piece.rstrip()) for piece in pieces)])
        lines = [""]
        for piece in pieces:
            if lines[-1] and cell_len((lines[-1] + piece).rstrip()) > widest:
                lines.append("")
            lines[-1] += piece
        return [line.rstrip() for line in lines]

    def width(self, wrapped: bool) -> int:
        """Columns that it takes."""
        return max(map(cell_len, (*self.titled(wrapped), *self.cells)))


def number_blocks(
    corner: str,
    labels: Sequence[str],
    columns: Sequence[NumberColumn],
    width: int | None,
    wrapped: bool,
    headings: Mapping[int, str] | None = None,
) -> list[list[str]]:
    """Columns of numbers beside the labels of their rows, in as many blocks as the width asks for.

    Args:
        corner: title of the labels.
        width: columns of the terminal; None puts everything into one block.
        wrapped: whether titles may take several lines.
        headings: above some rows, by their numbers.
    """
    first = max(map(cell_len, (corner, *labels)))
    blocks: list[list[NumberColumn]] = []
    used = 0
    for column in columns:
        needed = len(GAP) + column.width(wrapped)
        if not blocks or (width is not None and used + needed > width):
            blocks.append([])
            used = first
        blocks[-1].append(column)
        used += needed
    result = []
    for block in blocks:
        lines = _block(corner, labels, block, first, wrapped)
        above = len(lines) - len(labels)
        for place, heading in sorted((headings or {}).items(), reverse=True):
            lines.insert(above + place, f"{heading}:")
        result.append(lines)
    return result


def _block(corner: str, labels: Sequence[str], columns: Sequence[NumberColumn], first: int, wrapped: bool) -> list[str]:
    titles = [column.titled(wrapped) for column in columns]
    height = max(map(len, titles))
    titles = [[""] * (height - len(lines)) + lines for lines in titles]
    heads = [corner if place == height - 1 else "" for place in range(height)]
    widths = [column.width(wrapped) for column in columns]
    grid = [(head, [lines[place] for lines in titles]) for place, head in enumerate(heads)]
    rule = ("─" * first, ["─" * width for width in widths])
    grid += [rule, *((label, [column.cells[i] for column in columns]) for i, label in enumerate(labels))]
    return [
        GAP.join([pad(label, first), *(pad(t, w, right=True) for t, w in zip(texts, widths, strict=True))]).rstrip()
        for label, texts in grid
    ]
