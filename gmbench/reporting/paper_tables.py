"""The papers' tables with own numbers in them: the same rows and columns, ``n/a`` with a reason where there is none.

Own and published numbers never meet in one table: :mod:`gmbench.reporting.published_tables` prints the latter.
"""

import functools
import math
import re
import statistics
from collections.abc import Sequence
from importlib import resources
from typing import Any, Literal

import pandas as pd
import yaml
from pydantic import BaseModel, ConfigDict

from gmbench.errors import InputError
from gmbench.evaluation.planning.controls import CONTROLS
from gmbench.evaluation.results import aggregate
from gmbench.evaluation.scoring.registry import metrics
from gmbench.methods import registry
from gmbench.methods.card import MethodCard, cards
from gmbench.names import closest
from gmbench.reporting.latents import Latents, latent_rows
from gmbench.reporting.table_formats import Cell, Table, number
from gmbench.reporting.tables import best, cell, ordered_methods, title_of
from gmbench.reporting.user_study import StudyRow

ABSENT = "n/a"
_SEED = re.compile(r"-s\d+$")


class PaperTable(BaseModel):
    """The form of one published table.

    Attributes:
        name: as asked for with ``--like``.
        source, table, dataset: the paper's.
        kind: ``comparison``, ``ablation``, ``study`` or ``latents``.
        about: what is told of each method beside its name.
        metrics: printed column to our metrics, the preferred one first.
        rows: of an ablation, printed row to our system.
        requires: metrics of which a method must have one to get a row; by default any of the columns'.
        study: kind of the user study.
        emotions: columns of a table of latents.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    name: str
    source: str
    table: str
    dataset: str
    kind: Literal["comparison", "ablation", "study", "latents"]
    about: tuple[str, ...] = ()
    metrics: dict[str, tuple[str, ...]] = {}
    rows: dict[str, str] = {}
    requires: tuple[str, ...] = ()
    study: str = ""
    emotions: tuple[str, ...] = ()

    @property
    def title(self) -> str:
        """What it is like."""
        return f"as {self.source} table {self.table}, measured"


@functools.cache
def load_all() -> dict[str, PaperTable]:
    """All forms by name, in the papers' order."""
    text = resources.files("gmbench.reporting").joinpath("paper_tables.yaml").read_text("utf-8")
    return {name: PaperTable(name=name, **told) for name, told in yaml.safe_load(text).items()}


def find(name: str) -> PaperTable:
    """A form; raises InputError naming the nearest one."""
    if name not in load_all():
        raise InputError(f"unknown table {name!r}; {closest(name, load_all())}")
    return load_all()[name]


def build(
    form: PaperTable,
    records: pd.DataFrame | None = None,
    study: Sequence[StudyRow] | None = None,
    spaces: Sequence[tuple[str, Latents]] = (),
) -> Table:
    """A paper's table from records of one dataset and protocol, from ratings, or from embeddings by name.

    Raises:
        MixedColumnError: one column would mix judges, protocols or weights.
    """
    if form.kind == "study":
        return _study(form, study)
    if form.kind == "latents":
        return _latents(form, spaces)
    return _measured(form, records)


def card_of(method: str) -> MethodCard | None:
    """The card of a method of the registry, of one trained here, or None."""
    found = {card.name: card for card in cards()}.get(method)
    if found is not None or method in CONTROLS:
        return found
    try:
        return registry.create(registry.System.parse(method).method).card
    except InputError:
        return None


def _measured(form: PaperTable, records: pd.DataFrame | None) -> Table:
    datasets = ", ".join(sorted(records["dataset"].unique())) if records is not None else ""
    if records is not None:
        asked = {name for names in form.metrics.values() for name in names} | set(form.requires)
        records = records[records["metric_name"].isin(asked)]
    found = aggregate.rows(records) if records is not None and not records.empty else []
    groups = _by_system(found)
    present = list(dict.fromkeys(row.metric for row in found))
    notes: list[str] = []
    columns = [_keys(printed, names, present, notes) for printed, names in form.metrics.items()]
    keys = [key for column in columns for key in column if key]
    wanted = [k for k in present if k.split("_fb:")[0] in form.requires] if form.requires else keys
    if form.rows:
        rows = dict(form.rows)
        notes += [f"{printed}: no records of {s}." for printed, s in rows.items() if not _any(groups, s, keys)]
        rows |= {m: m for m, _ in groups if m == "ground_truth"}
    else:
        rows = {m: m for m in ordered_methods({m for m, _ in groups}) if _any(groups, m, wanted)}
    leaders: dict[str, str | None] = {}
    if records is not None and form.kind == "comparison":
        by_cell = {(row.method, row.metric): row for row in found}
        leaders = {key: best(records[records["metric"] == key], by_cell, key, list(rows.values())) for key in keys}
    header = ["System" if form.rows else "Method", *(a.capitalize() for a in form.about)]
    header += [
        title
        for (printed, names), column in zip(form.metrics.items(), columns, strict=True)
        for title in _titles(printed, names, column, found)
    ]
    body = []
    for printed, system in rows.items():
        told = [Cell(_told(card_of(system), what)) for what in form.about]
        values = [
            _value(groups.get((system, key), []), leaders.get(key) == system, records)
            for column in columns
            for key in (column or [""])
        ]
        body.append((Cell(printed), *told, *values))
    if not body:
        notes.append("No method has records of these metrics; evaluate one with 'gmbench eval' or 'dvc repro'.")
    protocols = ", ".join(sorted({f"{row.protocol} ({row.protocol_hash})" for row in found}))
    title = f"{datasets or form.dataset}, {form.title}" + (f", protocol {protocols}" if protocols else "")
    return Table(title, tuple(header), tuple(body), (*_reading(groups, keys), *notes))


Groups = dict[tuple[str, str], list[aggregate.SummaryRow]]


def _by_system(found: Sequence[aggregate.SummaryRow]) -> Groups:
    """Rows by system without its seed, and metric."""
    groups: Groups = {}
    for row in found:
        groups.setdefault((_SEED.sub("", row.method), row.metric), []).append(row)
    return groups


def _any(groups: Groups, system: str, keys: Sequence[str]) -> bool:
    return any((system, key) in groups for key in keys)


def _keys(printed: str, names: Sequence[str], present: Sequence[str], notes: list[str]) -> list[str]:
    """Keys of records that fill a printed column; a note where there are none."""
    for name in names:
        if found := [key for key in present if key == name] or [k for k in present if k.split("_fb:")[0] == name]:
            return found
    metric = metrics().get(names[0])
    needs = ", ".join(metric.spec.needs) if metric else ""
    remedy = "pass --interpolation NAME=DIR to 'gmbench eval'" if "interpolation" in needs else "see 'gmbench doctor'"
    notes.append(f"{printed}: no records of {' or '.join(names)} (needs {needs or 'nothing more'}); {remedy}.")
    return []


def _titles(
    printed: str, names: Sequence[str], keys: Sequence[str], found: Sequence[aggregate.SummaryRow]
) -> list[str]:
    """Headers of a printed column: its own name, then what was measured where that is named otherwise."""
    known = {(row.method, row.metric): row for row in found}
    metric = metrics().get(names[0])
    if not keys:
        return [f"{printed} {metric.spec.arrow}" if metric else printed]
    methods = list(dict.fromkeys(row.method for row in found))
    titles = []
    for key in keys:
        own = title_of(known, key, methods)
        titles.append(own if own.startswith(printed) else f"{printed}: {own}")
    return titles


def _value(rows: Sequence[aggregate.SummaryRow], bold: bool, records: pd.DataFrame | None) -> Cell:
    """One number; over several seeds their mean with its standard error."""
    if not rows:
        return Cell(ABSENT)
    if len(rows) == 1:
        shown = cell(rows[0], bold)
        reason = _reason(rows[0], records) if math.isnan(rows[0].value) else ""
        return Cell(shown.text, shown.interval, "; ".join(p for p in (shown.note, reason) if p), bold)
    values = [row.value for row in rows if not math.isnan(row.value)]
    if not values:
        return Cell(ABSENT, note=f"0 of {len(rows)} seeds")
    if len(values) < 2 or not all(map(math.isfinite, values)):
        return Cell(number(statistics.fmean(values)), note=f"{len(values)} of {len(rows)} seeds")
    error = statistics.stdev(values) / math.sqrt(len(values))
    return Cell(number(statistics.fmean(values)), note=f"± {number(error)}, {len(values)} seeds")


def _reason(row: aggregate.SummaryRow, records: pd.DataFrame | None) -> str:
    """The most frequent reason of a number's absence."""
    if records is None:
        return ""
    own = records[(records["method"] == row.method) & (records["metric"] == row.metric) & (records["reason"] != "")]
    return "" if own.empty else str(own["reason"].mode().iloc[0])


def _told(card: MethodCard | None, what: str) -> str:
    if card is None:
        return "–"
    told: dict[str, Any] = {
        "emotion source": card.default_source, "pose": card.pose, "eye": card.eye, "emotion": card.emotion,
        "diversity": "yes" if card.diversity else "no",
        "resolution": str(card.native_resolution) if card.native_resolution else "–",
    }  # fmt: skip
    return str(told[what])


def _reading(groups: Groups, keys: Sequence[str]) -> list[str]:
    notes = ["Clip means with a 95 % bootstrap interval; n/N where clips are missing. Never beside published figures."]
    if any(len(rows) > 1 for rows in groups.values()):
        notes.append("± is the standard error over seeds.")
    judges = sorted({key.partition("_fb:")[2] for key in keys} - {""})
    if judges:
        notes.append(f"fallback: judged by {', '.join(judges)}, not by the published detector or network.")
    return notes


def _study(form: PaperTable, rows: Sequence[StudyRow] | None) -> Table:
    if not rows:
        reason = (
            f"No raters, no table: pass a CSV of ratings with --ratings (kind {form.study}); see 'gmbench userstudy'."
        )
        return Table(form.title, ("Method", "Rating"), (), (reason,))
    methods, aspects = (list(dict.fromkeys(getattr(row, k) for row in rows)) for k in ("method", "aspect"))
    cells = {(row.method, row.aspect): row for row in rows}
    body = []
    for method in methods:
        line = [cells.get((method, aspect)) for aspect in aspects]
        body.append((
            Cell(method),
            *(Cell(number(r.value), f"{number(r.low)}, {number(r.high)}") if r else Cell(ABSENT) for r in line),
        ))  # fmt: skip
    titles = [f"{a}, {next(r.measure for r in rows if r.aspect == a)} ↑" for a in aspects]
    raters, clips = max(r.raters for r in rows), max(r.clips for r in rows)
    notes = (f"{raters} raters, up to {clips} clips a method; intervals resample raters and clips.",)
    return Table(form.title, ("Method", *titles), tuple(body), notes)


def _latents(form: PaperTable, spaces: Sequence[tuple[str, Latents]]) -> Table:
    header = ("Embedding", *(f"{emotion} ↑" for emotion in form.emotions))
    if not spaces:
        reason = "No embeddings: pass an NPZ with --latents; see 'gmbench latents'."
        return Table(form.title, header, (), (reason,))
    body = []
    for name, space in spaces:
        found = {r["emotion"]: r["value"] for r in latent_rows(space) if r["measure"] == "d_cls"}
        body.append((Cell(name), *(Cell(number(found.get(emotion, math.nan))) for emotion in form.emotions)))
    note = "Clustering strength: distance between the emotions' centres over that within, one identity at a time."
    return Table(form.title, header, tuple(body), (note,))
