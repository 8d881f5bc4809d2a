"""CSV tables that people write: pairs and labels."""

import csv
import difflib
from collections.abc import Collection
from dataclasses import dataclass
from pathlib import Path

from gmbench.errors import InputError

_NOTHING = frozenset({"nan", "<na>", "n/a", "none", "null"})
"""What programs write into a cell that has no value."""


def label(cell: str) -> str:
    """A speaker or an emotion; empty where the cell says that there is none."""
    return "" if cell.casefold() in _NOTHING else cell


@dataclass(frozen=True)
class Table:
    """Rows with their line in the file; headers in lower case, blanks around cells removed."""

    path: Path
    columns: tuple[str, ...]
    rows: tuple[tuple[int, dict[str, str]], ...]

    def misspelt(self, known: Collection[str]) -> list[str]:
        """A note per column that is not read, but nearly has the name of one that is."""
        notes = []
        for column in self.columns:
            near = difflib.get_close_matches(column, set(known) - set(self.columns), n=1, cutoff=0.75)
            if column not in known and near:
                notes.append(f"{self.path}: column {column!r} is not read; did you mean {near[0]!r}?")
        return notes


def read_table(path: Path, needed: Collection[str]) -> Table:
    """A comma-separated table in UTF-8.

    Raises:
        InputError: no such file, not a table, a needed column is missing, or a row has more cells than the header.
    """
    try:
        with path.open(newline="", encoding="utf-8-sig") as file:
            reader = csv.reader(file, strict=True)
            columns = tuple(cell.strip().lower() for cell in next(reader, []))
            lines, end = [], reader.line_num
            for row in reader:
                lines.append((end + 1, [cell.strip() for cell in row]))
                end = reader.line_num
    except FileNotFoundError:
        raise InputError(f"{path}: no such table") from None
    except (OSError, ValueError, csv.Error) as error:
        raise InputError(f"{path}: not a readable CSV table in UTF-8 ({error})") from error
    if missing := sorted(set(needed) - set(columns)):
        raise InputError(f"{path}: column {', '.join(missing)} is missing; found {', '.join(columns) or 'nothing'}")
    if twice := sorted({column for column in columns if column and columns.count(column) > 1}):
        raise InputError(f"{path}: column {twice[0]} stands there twice; keep one")
    rows = []
    for number, cells in lines:
        if any("\0" in cell for cell in cells):
            raise InputError(f"{path}, line {number}: a zero byte in the text; save the table anew")
        if any(cells[len(columns) :]):
            raise InputError(f"{path}, line {number}: {len(cells)} cells under {len(columns)} columns; quote commas")
        if any(cells):
            rows.append((number, dict.fromkeys(columns, "") | dict(zip(columns, cells, strict=False))))
    return Table(path, columns, tuple(rows))
