"""Options that several commands share."""

from collections.abc import Sequence
from pathlib import Path
from typing import Annotated

import typer

JsonFlag = Annotated[bool, typer.Option("--json", help="Print one JSON object with 'rows'.")]
MetricNames = Annotated[
    list[str] | None, typer.Option("--metrics", help="Metrics by name, repeated or separated by commas.")
]
DEFAULT_OUT = Path("gmbench-results")


def split(values: Sequence[str] | None) -> list[str] | None:
    """Entries of a repeated option, each of which may hold several separated by commas."""
    return [part.strip() for value in values for part in value.split(",") if part.strip()] if values else None
