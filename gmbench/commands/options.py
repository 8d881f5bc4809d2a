"""Options that several commands share."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from gmbench.reporting.table_formats import Table

DEFAULT_OUT = Path("gmbench-results")
INPUTS, MEASURE, RUNNING, PRINTING = "What is compared", "How it is measured", "How it runs", "What is printed"
"""Panels of options in the help of commands."""

JsonFlag = Annotated[bool, typer.Option("--json", help="Print one JSON object with 'rows'.", rich_help_panel=PRINTING)]
MetricNames = Annotated[
    list[str] | None,
    typer.Option(
        "--metrics",
        help="Metrics as tables print them (PSNR, M-LMD) or by name, or groups: picture, lips, emotion, motion, "
        "identity; repeated or separated by commas.",
        rich_help_panel=MEASURE,
    ),
]
LandmarkName = Annotated[
    str | None,
    typer.Option("--landmarks", help="Landmark backend; 'gmbench doctor' lists them.", rich_help_panel=MEASURE),
]
ExtractorKind = Annotated[
    str | None,
    typer.Option(
        "--extractors", "--judges", help="Feature extractors: official, or corpus for synthetic faces.",
        rich_help_panel=MEASURE,
    ),
]  # fmt: skip
Scheduler = Annotated[
    str | None, typer.Option("--scheduler", help="Address of a dask scheduler.", rich_help_panel=RUNNING)
]
Timeout = Annotated[
    float | None,
    typer.Option(
        "--timeout", min=0, help="Seconds to wait while the scheduler has no workers; no limit by default.",
        rich_help_panel=RUNNING,
    ),
]  # fmt: skip
Device = Annotated[
    str | None,
    typer.Option(
        "--device",
        help="Of networks: cpu, cuda, cuda:N, or auto for GMBENCH_DEVICE or the GPU that is there.",
        rich_help_panel=RUNNING,
    ),
]
Wide = Annotated[bool, typer.Option("--wide", help="As wide as it takes, with intervals.", rich_help_panel=PRINTING)]
NoIntervals = Annotated[bool, typer.Option("--no-intervals", help="Values alone.", rich_help_panel=PRINTING)]
Digits = Annotated[
    int | None,
    typer.Option("--digits", min=0, max=9, help="Decimals of all numbers.", rich_help_panel=PRINTING),
]
Transpose = Annotated[bool, typer.Option("--transpose", help="Swap rows and columns.", rich_help_panel=PRINTING)]


@dataclass(frozen=True)
class Look:
    """How a table is shown."""

    wide: bool = False
    no_intervals: bool = False
    digits: int | None = None
    transpose: bool = False

    def of(self, table: "Table") -> "Table":
        """The table with its decimals, and without intervals where none are wanted."""
        from gmbench.reporting.table_layout import with_digits, without_intervals

        table = with_digits(table, self.digits)
        return without_intervals(table) if self.no_intervals else table


def named_folders(entries: Sequence[str]) -> dict[str, Path]:
    """``NAME=DIR`` or ``DIR`` to folders by name."""
    pairs = [entry.split("=", 1) if "=" in entry else [Path(entry).name, entry] for entry in entries]
    return {name: Path(folder) for name, folder in pairs}


def split(values: Sequence[str] | None) -> list[str] | None:
    """Entries of a repeated option, each of which may hold several separated by commas."""
    return [part.strip() for value in values for part in value.split(",") if part.strip()] if values else None
