"""One acceptance test's numbers, and the table of all."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

Values = float | Sequence[float]
LEAST_SHARE = 0.5
"""Of videos that must have a value, for a threshold to be met."""


@dataclass(frozen=True)
class Outcome:
    """One number and its threshold.

    Attributes:
        test: number in the list of acceptance tests.
        what: the number.
        value: measured; NaN where it is missing.
        threshold: as printed.
        holds: whether it is met; None for what is only reported.
        note: of how many films it is, where there is no value of some.
        claim: an order that is reported and not required.
    """

    test: int
    what: str
    value: float
    threshold: str = ""
    holds: bool | None = None
    note: str = ""
    claim: bool = False


def reported(test: int, what: str, values: Values) -> Outcome:
    """An outcome without a threshold."""
    mean, note, _ = _mean(values)
    return Outcome(test, what, mean, note=note)


def at_least(test: int, what: str, values: Values, least: float) -> Outcome:
    """An outcome that must reach a value: a number, or the mean of one a video; missing ones are NaN."""
    mean, note, enough = _mean(values)
    return Outcome(test, what, mean, f">= {least:.3g}", enough and mean >= least, note)


def at_most(test: int, what: str, values: Values, most: float) -> Outcome:
    """An outcome that must not exceed a value: a number, or the mean of one a video; missing ones are NaN."""
    mean, note, enough = _mean(values)
    return Outcome(test, what, mean, f"<= {most:.3g}", enough and mean <= most, note)


def positive(test: int, what: str, value: float, claim: bool = False) -> Outcome:
    """A difference that must be above zero, or is claimed to be."""
    return Outcome(test, what, value, "> 0, a claim" if claim else "> 0", bool(value > 0), claim=claim)


MISSING = "In brackets: films with a value, of all. The others show no face, or show nothing that moves."


def table(by_seed: Sequence[Sequence[Outcome]]) -> str:
    """Markdown: a row per number, a column per seed; the seeds have the same rows."""
    lines = ["| test | what | threshold | seeds | met |", "|---:|---|---|---|---|"]
    for rows in zip(*by_seed, strict=True):
        held = [row.holds for row in rows]
        met = "reported" if held[0] is None else f"{sum(map(bool, held))} of {len(held)}"
        values = ", ".join(map(_value, rows))
        lines.append(f"| {rows[0].test} | {rows[0].what} | {rows[0].threshold} | {values} | {met} |")
    if any(row.note for rows in by_seed for row in rows):
        lines += ["", MISSING]
    return "\n".join(lines)


def failed(rows: Sequence[Outcome]) -> bool:
    """Whether a threshold is missed that is no mere claim."""
    return any(row.holds is False and not row.claim for row in rows)


def _value(row: Outcome) -> str:
    value = f"{row.value:.3g}" if np.isfinite(row.value) else "missing"
    return f"{value} ({row.note})" if row.note else value


def _mean(values: Values) -> tuple[float, str, bool]:
    """Mean of what is there, what is missing, and whether enough is there."""
    every = np.atleast_1d(np.asarray(values, np.float64))
    there = every[np.isfinite(every)]
    mean = float(there.mean()) if len(there) else float("nan")
    note = "" if np.ndim(values) == 0 or len(there) == len(every) > 0 else f"{len(there)} of {len(every)}"
    return mean, note, bool(len(there) >= max(1, LEAST_SHARE * len(every)))
