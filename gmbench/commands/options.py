"""Options that several commands share."""

from collections.abc import Sequence
from pathlib import Path
from typing import Annotated

import typer

JsonFlag = Annotated[bool, typer.Option("--json", help="Print one JSON object with 'rows'.")]
MetricNames = Annotated[
    list[str] | None, typer.Option("--metrics", help="Metrics by name, repeated or separated by commas.")
]
LandmarkName = Annotated[str | None, typer.Option(help="Landmark backend; 'gmbench doctor' lists them.")]
DEFAULT_OUT = Path("gmbench-results")


def named_folders(entries: Sequence[str]) -> dict[str, Path]:
    """``NAME=DIR`` or ``DIR`` to folders by name."""
    pairs = [entry.split("=", 1) if "=" in entry else [Path(entry).name, entry] for entry in entries]
    return {name: Path(folder) for name, folder in pairs}


def split(values: Sequence[str] | None) -> list[str] | None:
    """Entries of a repeated option, each of which may hold several separated by commas."""
    return [part.strip() for value in values for part in value.split(",") if part.strip()] if values else None
