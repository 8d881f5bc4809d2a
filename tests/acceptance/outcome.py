"""One acceptance test's numbers, and the table of all."""

from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True)
class Outcome:
    """One number and its threshold.

    Attributes:
        test: number in the list of acceptance tests.
        what: the number.
        value: measured.
        threshold: as printed.
        holds: whether it is met; None for what is only reported.
    """

    test: int
    what: str
    value: float
    threshold: str = ""
    holds: bool | None = None


def at_least(test: int, what: str, value: float, least: float) -> Outcome:
    """An outcome that must reach a value."""
    return Outcome(test, what, value, f">= {least:.3g}", value >= least)


def at_most(test: int, what: str, value: float, most: float) -> Outcome:
    """An outcome that must not exceed a value."""
    return Outcome(test, what, value, f"<= {most:.3g}", value <= most)


def table(by_seed: Sequence[Sequence[Outcome]]) -> str:
    """Markdown: a row per number, a column per seed; the seeds have the same rows."""
    lines = ["| test | what | threshold | seeds | met |", "|---:|---|---|---|---|"]
    for rows in zip(*by_seed, strict=True):
        values = ", ".join(f"{row.value:.3g}" for row in rows)
        held = [row.holds for row in rows]
        met = "reported" if held[0] is None else f"{sum(map(bool, held))} of {len(held)}"
        lines.append(f"| {rows[0].test} | {rows[0].what} | {rows[0].threshold} | {values} | {met} |")
    return "\n".join(lines)
