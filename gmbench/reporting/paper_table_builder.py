"""Fill the papers' tables with numbers measured here: ``n/a`` with a reason where there is none."""

import math
import re
import statistics
from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace
from typing import Any

import pandas as pd

from gmbench.evaluation.results.aggregate import SummaryRow
from gmbench.evaluation.scoring.registry import metrics
from gmbench.methods.card import MethodCard
from gmbench.methods.registry import System
from gmbench.metrics.key import MetricKey
from gmbench.reporting.comparisons import Lead, leads
from gmbench.reporting.latents import Latents, latent_rows
from gmbench.reporting.method_cards import card_of
from gmbench.reporting.paper_tables import PaperTable
from gmbench.reporting.summary import Summary, ordered_methods
from gmbench.reporting.table_formats import Cell, Measured, Table, number
from gmbench.reporting.tables import (
    INTERVALS,
    blocks,
    claim_notes,
    column_title,
    fallback_notes,
    method_cell,
    number_cell,
)
from gmbench.reporting.training_costs import jobs_table
from gmbench.reporting.user_study import StudyRow

ABSENT = "n/a"
_SEQUENCES = "pass --interpolation NAME=DIR to 'gmbench eval', or run 'gmbench ablate'"
_SEED = re.compile(r"-s\d+$")
RowsBySystem = Mapping[tuple[str, str], Sequence[SummaryRow]]
"""Numbers by (system without its seed, metric key), one per seed."""


def build(
    form: PaperTable,
    records: pd.DataFrame | None = None,
    study: Sequence[StudyRow] | None = None,
    spaces: Sequence[tuple[str, Latents]] = (),
    summary: Summary | None = None,
    cards: Sequence[Mapping[str, Any]] = (),
) -> Table:
    """A paper's table from records of one dataset and protocol, from ratings, embeddings by name, or run cards.

    ``summary`` holds the numbers of the same records where they are aggregated already.

    Raises:
        MixedColumnError: one column would mix extractors, protocols or weights.
    """
    if form.kind == "study":
        return _study(form, study)
    if form.kind == "latents":
        return _latents(form, spaces)
    if form.kind == "cost":
        return jobs_table(form.title, cards)
    if records is None or records.empty:
        return _measured(form, None, form.dataset)
    asked = {name for names in form.metrics.values() for name in names} | set(form.requires)
    datasets = ", ".join(sorted(records["dataset"].unique()))
    part = summary.only(asked) if summary else Summary.of(records[records["metric_name"].isin(asked)])
    return _measured(form, part, datasets, (summary or Summary(records, ())).sizes)


def _measured(form: PaperTable, summary: Summary | None, dataset: str, sizes: Mapping[str, str] | None = None) -> Table:
    """A table of metrics; without a summary every cell says what is missing."""
    measured = summary.rows if summary is not None else ()
    by_system = _by_system(measured)
    present = summary.keys if summary is not None else []
    notes: list[str] = []
    columns = [_keys(printed, names, present, notes) for printed, names in form.metrics.items()]
    keys = [key for column in columns for key in column]
    systems = _systems(form, by_system, keys, present, notes, summary.takes if summary is not None else ())
    found: Mapping[str, Lead] = {}
    if summary is not None and form.kind == "comparison":
        found = leads(summary.records, [row for row in summary.rows if row.metric in keys], list(systems.values()))
    header = ["System" if form.rows else "Method", *(text.capitalize() for text in form.about)]
    for (printed, names), column in zip(form.metrics.items(), columns, strict=True):
        header += _titles(printed, names, column, summary)
    records = summary.records if summary is not None else None
    size_of = {_SEED.sub("", method): size for method, size in (sizes or {}).items()}
    body = []
    for printed, system in systems.items():
        driven = [Cell(_ability(card_of(system), what, size_of.get(system, ""))) for what in form.about]
        values = [
            _value(by_system.get((system, key), []), key in found and found[key].best == system, records)
            for column in columns
            for key in (column or [""])
        ]
        name = Cell(printed) if summary is None else method_cell(summary, system, printed)
        body.append((name, *driven, *values))
    if not body:
        notes.append("No method has records of these metrics; evaluate one with 'gmbench eval' or 'dvc repro'.")
    protocols = ", ".join(sorted({f"{row.protocol} ({row.protocol_hash})" for row in measured}))
    title = f"{dataset}, {form.title}" + (f", protocol {protocols}" if protocols else "")
    if summary is None:
        return Table(title, tuple(header), tuple(body), (*_how_to_read(by_system, keys), *notes))
    if found:
        notes += claim_notes(found, keys, [s for s in systems.values() if s in summary.ranked], summary.takes)
    names = (
        "method",
        *form.about,
        *(key for printed, column in zip(form.metrics, columns, strict=True) for key in column or [printed]),
    )
    apart = () if form.rows else blocks(summary, list(systems.values()))
    return Table(title, tuple(header), tuple(body), (*_how_to_read(by_system, keys), *notes), names, blocks=apart)


def _by_system(rows: Sequence[SummaryRow]) -> RowsBySystem:
    by_system: dict[tuple[str, str], list[SummaryRow]] = {}
    for row in rows:
        by_system.setdefault((_SEED.sub("", row.method), row.metric), []).append(row)
    return by_system


def _systems(
    form: PaperTable,
    by_system: RowsBySystem,
    keys: Sequence[str],
    present: Sequence[str],
    notes: list[str],
    takes: Collection[str],
) -> dict[str, str]:
    """Printed row to system; of an ablation the paper's rows and the ground truth, else every method with a number."""
    methods = {method for method, _ in by_system}
    if form.rows:
        lacking = [(printed, name) for printed, name in form.rows.items() if not _has_any(by_system, name, keys)]
        notes += [f"{printed}: no records of {name}; {_how_to_make(name)}." for printed, name in lacking]
        return dict(form.rows) | ({"ground_truth": "ground_truth"} if "ground_truth" in methods else {})
    required = [key for key in present if MetricKey.parse(key).name in form.requires] if form.requires else keys
    return {method: method for method in ordered_methods(methods, takes) if _has_any(by_system, method, required)}


def _how_to_make(system: str) -> str:
    """What generates and scores a system of an ablation's rows."""
    parsed = System.parse(system)
    if parsed.ablations:
        return f"'gmbench ablate --method {parsed.method}' trains it, or says why it cannot here"
    return f"name {system} under methods in params.yaml, then 'dvc repro'"


def _has_any(by_system: RowsBySystem, system: str, keys: Sequence[str]) -> bool:
    return any((system, key) in by_system for key in keys)


def _keys(printed: str, names: Sequence[str], present: Sequence[str], notes: list[str]) -> list[str]:
    """Keys of records that fill a printed column; a note where there are none."""
    for name in names:
        official = [key for key in present if key == name]
        if keys := official or [key for key in present if MetricKey.parse(key).name == name]:
            return keys
    metric = metrics().get(names[0])
    needs = ", ".join(metric.spec.needs) if metric else ""
    remedy = _SEQUENCES if "interpolation" in needs else "see 'gmbench doctor'"
    notes.append(f"{printed}: no records of {' or '.join(names)} (needs {needs or 'nothing more'}); {remedy}.")
    return []


def _titles(printed: str, names: Sequence[str], keys: Sequence[str], summary: Summary | None) -> list[str]:
    """Headers of a printed column: its name, then what was measured where that is named otherwise."""
    if not keys or summary is None:
        metric = metrics().get(names[0])
        return [f"{printed} {metric.spec.arrow}" if metric else printed]
    titles = [column_title(summary, key) for key in keys]
    return [title if title.startswith(printed) else f"{printed}: {title}" for title in titles]


def _value(rows: Sequence[SummaryRow], bold: bool, records: pd.DataFrame | None) -> Cell:
    """One number; over several seeds their mean with its standard error."""
    if not rows:
        return Cell(ABSENT)
    if len(rows) == 1:
        cell = number_cell(rows[0], bold)
        reason = _reason(rows[0], records) if math.isnan(rows[0].value) else ""
        return replace(cell, note="; ".join(part for part in (cell.note, reason) if part), bold=bold)
    values = [row.value for row in rows if not math.isnan(row.value)]
    if not values:
        return Cell(ABSENT, note=f"0 of {len(rows)} seeds")
    mean = statistics.fmean(values)
    measured = Measured(mean, math.nan, math.nan, len(values), len(rows))
    if len(values) < 2 or not all(map(math.isfinite, values)):
        return Cell(number(mean), note=f"{len(values)} of {len(rows)} seeds", measured=measured)
    error = statistics.stdev(values) / math.sqrt(len(values))
    return Cell(number(mean), note=f"± {number(error)}, {len(values)} seeds", measured=measured)


def _reason(row: SummaryRow, records: pd.DataFrame | None) -> str:
    """The most frequent reason of a number's absence."""
    if records is None:
        return ""
    of_cell = (records["method"] == row.method) & (records["metric"] == row.metric)
    reasons = records.loc[of_cell & (records["reason"] != ""), "reason"]
    return "" if reasons.empty else str(reasons.mode().iloc[0])


def _ability(card: MethodCard | None, what: str, size: str) -> str:
    """One of the columns on what drives a method; its resolution is the size of the frames that were scored."""
    if what == "resolution":
        return size or "–"
    if card is None:
        return "–"
    abilities: dict[str, str] = {
        "emotion source": card.default_source,
        "pose": card.pose,
        "eye": card.eye,
        "emotion": card.emotion,
        "diversity": "yes" if card.diversity else "no",
    }
    return abilities[what]


def _how_to_read(by_system: RowsBySystem, keys: Sequence[str]) -> list[str]:
    notes = [INTERVALS + " n/N where clips are missing. Never beside published figures."]
    if any(len(rows) > 1 for rows in by_system.values()):
        notes.append("± is the standard error over seeds.")
    return notes + fallback_notes(keys)


def _study(form: PaperTable, rows: Sequence[StudyRow] | None) -> Table:
    if not rows:
        reason = (
            f"No raters, no table: pass a CSV of ratings with --ratings (kind {form.study}); see 'gmbench userstudy'."
        )
        return Table(form.title, ("Method", "Rating"), (), (reason,))
    methods, aspects = (list(dict.fromkeys(getattr(row, k) for row in rows)) for k in ("method", "aspect"))
    by_cell = {(row.method, row.aspect): row for row in rows}
    body = tuple(
        (Cell(method), *(_study_cell(by_cell.get((method, aspect))) for aspect in aspects)) for method in methods
    )
    titles = [f"{a}, {next(r.measure for r in rows if r.aspect == a)} ↑" for a in aspects]
    raters, clips = max(r.raters for r in rows), max(r.clips for r in rows)
    notes = (f"{raters} raters, up to {clips} clips per method; intervals resample raters and clips.",)
    return Table(form.title, ("Method", *titles), body, notes)


def _study_cell(row: StudyRow | None) -> Cell:
    return Cell(number(row.value), f"{number(row.low)}, {number(row.high)}") if row else Cell(ABSENT)


def _latents(form: PaperTable, spaces: Sequence[tuple[str, Latents]]) -> Table:
    header = ("Embedding", *(f"{emotion} ↑" for emotion in form.emotions))
    if not spaces:
        reason = "No embeddings: pass an NPZ with --latents; see 'gmbench latents'."
        return Table(form.title, header, (), (reason,))
    body = []
    for name, space in spaces:
        strength = {row["emotion"]: row["value"] for row in latent_rows(space) if row["measure"] == "d_cls"}
        body.append((Cell(name), *(Cell(number(strength.get(emotion, math.nan))) for emotion in form.emotions)))
    notes = ["Clustering strength: distance between the emotions' centres over that within, one identity at a time."]
    if any(cell.text == ABSENT for line in body for cell in line[1:]):
        notes.append(f"{ABSENT}: no identity has two clips of the emotion, and one of another.")
    return Table(form.title, header, tuple(body), tuple(notes))
