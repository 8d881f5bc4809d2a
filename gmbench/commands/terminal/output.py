"""Lines on stdout and stderr: data on stdout, notes and errors on stderr, colours only in a terminal."""

import contextlib
import io
import json
import os
import shutil
import sys
from collections.abc import Iterable, Sequence
from typing import Any

from rich.console import Console
from rich.text import Text

out = Console(soft_wrap=True)
err = Console(stderr=True, soft_wrap=True)


def prepare() -> None:
    """Characters that the terminal's encoding lacks become question marks instead of ending the command."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            with contextlib.suppress(io.UnsupportedOperation):
                stream.reconfigure(errors="replace")


def width() -> int | None:
    """Columns of the terminal, or what ``COLUMNS`` says; None in a pipe or a file, where lines may be of any length."""
    given = os.environ.get("COLUMNS", "")
    if given.isdigit() and int(given) > 0:
        return int(given)
    return shutil.get_terminal_size().columns if sys.stdout.isatty() else None


def line(text: str = "", style: str = "") -> None:
    """One line on stdout as it is."""
    out.print(Text(text.rstrip(), style), highlight=False)


def note(text: str, style: str = "") -> None:
    """One line on stderr as it is."""
    err.print(Text(text.rstrip(), style), highlight=False)


def error(text: str) -> None:
    """What went wrong, on stderr."""
    note(f"error: {text}", "red")


def print_json(rows: Sequence[dict[str, Any]]) -> None:
    """One JSON object with ``rows`` on stdout."""
    sys.stdout.write(json.dumps({"rows": list(rows)}, ensure_ascii=False, indent=1, allow_nan=False) + "\n")


def print_warnings(notes: Iterable[str]) -> None:
    """One line each on stderr."""
    for text in notes:
        note(f"warning: {text}", "yellow")


def print_notes(notes: Iterable[str]) -> None:
    """One line each on stderr, of what is so and no reason to worry."""
    for text in notes:
        note(text)
