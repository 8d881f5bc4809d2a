"""What the page shows, as plain data: boards of aggregated numbers, and each method's clips in a part of its own."""

import math
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import pandas as pd

from gmbench.errors import InputError
from gmbench.evaluation.planning.controls import CONTROLS
from gmbench.evaluation.results import aggregate
from gmbench.evaluation.results.records import WHOLE_SET, json_number
from gmbench.evaluation.scoring.registry import metrics
from gmbench.methods.registry import System
from gmbench.reporting.paper_tables import card_of
from gmbench.reporting.ranks import ranks
from gmbench.reporting.table_formats import number
from gmbench.reporting.tables import leaders, ordered_methods, title_of

DIGITS = 6
Locate = Callable[[str, str, str], str]
"""From dataset, method and clip to the clip's file below the page's folder, empty where there is none."""


@dataclass(frozen=True)
class Board:
    """Numbers of one dataset under one protocol.

    Attributes:
        summary: what the page reads at once.
        parts: clips by method, read when they are looked at.
    """

    summary: dict[str, Any]
    parts: dict[str, dict[str, Any]]


def boards(records: pd.DataFrame, sources: pd.DataFrame | None, locate: Locate) -> list[Board]:
    """One board a dataset and protocol.

    Raises:
        InputError: no records.
    """
    if records.empty:
        raise InputError("no records to show; run 'gmbench eval' or 'dvc repro' first")
    groups = records.groupby(["dataset", "protocol_hash"], sort=True)
    return [_board(part, sources, locate) for _, part in groups]


def metric_facts(keys: Iterable[str]) -> dict[str, dict[str, Any]]:
    """How to read each metric, by its key in records."""
    found = {}
    for key in keys:
        name, _, judge = key.partition("_fb:")
        known = metrics().get(name)
        spec = known.spec if known else None
        found[key] = {
            "name": name, "title": spec.title if spec else name, "arrow": spec.arrow if spec else "",
            "direction": spec.direction if spec else "reference", "unit": spec.unit if spec else "",
            "reading": spec.interpretation if spec else "", "traps": spec.caveats if spec else "",
            "source": spec.source if spec else "", "judge": judge, "default": bool(spec and spec.default),
        }  # fmt: skip
    return found


def method_facts(names: Iterable[str]) -> dict[str, dict[str, Any]]:
    """Cards of methods; controls say what they are."""
    found: dict[str, dict[str, Any]] = {}
    for name in names:
        card = card_of(name)
        told: dict[str, Any] = {"control": name in CONTROLS, "about": CONTROLS.get(name) or _variant(name)}
        if card is not None:
            told["card"] = {
                "title": card.title, "kind": card.kind, "emotion from": " or ".join(card.emotion_sources),
                "pose": card.pose, "eyes": card.eye, "emotion": card.emotion,
                "several videos of one sound": "yes" if card.diversity else "no",
                "person": card.identity_mode.replace("_", " "),
                "resolution": str(card.native_resolution or "unknown"), "licence": card.licence,
            }  # fmt: skip
        found[name] = told
    return found


_DRIVEN = {
    "pose": "head motion, gaze and blinks of the reference",
    "coefficients": "motion and expressions of the reference: only the pictures are made",
}


def _variant(name: str) -> str:
    """What a system trained here changes about its method, and what it takes from the reference."""
    try:
        system = System.parse(name)
    except InputError:
        return ""
    seed = f"seed {system.seed}" if system.seed else ""
    return "; ".join(part for part in (", ".join(system.ablations), _DRIVEN.get(system.drive, ""), seed) if part)


def _board(records: pd.DataFrame, sources: pd.DataFrame | None, locate: Locate) -> Board:
    dataset, first = str(records["dataset"].iloc[0]), records.iloc[0]
    rows = aggregate.rows(records)
    methods = ordered_methods({row.method for row in rows})
    by_cell = {(row.method, row.metric): row for row in rows}
    order = {name: place for place, name in enumerate(metrics())}
    keys = sorted({row.metric for row in rows}, key=lambda key: (order.get(key.split("_fb:")[0], len(order)), key))
    by_metric = dict(iter(records.groupby("metric", sort=False)))
    supported = leaders(records, rows)
    weights = {key: _weights(by_metric[key]) for key in keys}
    by_method = dict(iter(records.groupby("method", sort=False)))
    cells: dict[str, dict[str, Any]] = {}
    for row in rows:
        cells.setdefault(row.method, {})[row.metric] = _cell(row, supported[row.metric], weights[row.metric])
    summary = {
        "dataset": dataset, "protocol": str(first["protocol"]), "hash": str(first["protocol_hash"]),
        "methods": methods, "metrics": keys, "titles": {key: title_of(by_cell, key, methods) for key in keys},
        "cells": cells,
        "ranks": [
            [r.method, number(r.mean), r.metrics, r.firsts, r.supported]
            for r in ranks(rows, supported)
        ],
        "sets": {m: _set_reasons(by_method[m]) for m in methods},
    }  # fmt: skip
    parts = {m: _clips(by_method[m], keys, dataset, m, sources, locate) for m in methods}
    return Board(summary, parts)


def _cell(row: aggregate.SummaryRow, leader: str | None, weights: str) -> dict[str, Any]:
    """A number with its interval and where it comes from."""
    return {
        "v": _short(row.value), "t": number(row.value), "lo": _short(row.low), "hi": _short(row.high),
        "i": f"{number(row.low)}, {number(row.high)}" if math.isfinite(row.low) else "",
        "n": row.n, "of": row.expected, "frames": row.frames_used, "frames_of": row.frames_expected,
        "pooled": number(row.pooled), "backend": row.backend, "version": row.metric_version, "weights": weights,
        "flags": row.flags, "best": row.method == leader,
    }  # fmt: skip


def _weights(records: pd.DataFrame) -> str:
    """Short digests of the networks behind a metric."""
    joined = str(records["weights_sha256"].iloc[0])
    return ", ".join(sha[:12] for sha in joined.split("+") if sha)


def _clips(
    records: pd.DataFrame, keys: Sequence[str], dataset: str, method: str, sources: pd.DataFrame | None, locate: Locate
) -> dict[str, Any]:
    """A method's clips column by column: labels, files, values, and reasons of what is missing."""
    own = records[records["clip"] != WHOLE_SET]
    about = own.drop_duplicates("clip").sort_values("clip")
    names = [str(clip) for clip in about["clip"]]
    values = own.pivot_table(index="clip", columns="metric", values="value", aggfunc="first", dropna=False)
    values = values.reindex(index=names)
    bad = own[(own["status"] != "ok") | (own["reason"] != "")]
    reasons = sorted({str(reason) for reason in bad["reason"]})
    place = {name: n for n, name in enumerate(names)}
    failures = [
        [place[str(row.clip)], str(row.metric), str(row.status), reasons.index(str(row.reason))]
        for row in bad.sort_values(["clip", "metric"]).itertuples()
    ]
    known = _known(sources, dataset, method)
    return {
        "clips": names, "speaker": [str(v) for v in about["speaker"]], "emotion": [str(v) for v in about["emotion"]],
        "video": [locate(dataset, method, name) for name in names],
        "reference": [locate(dataset, "", name) for name in names],
        "change": [known.get(name, "") for name in names],
        "values": {key: [_short(v) for v in values[key]] for key in keys if key in values},
        "reasons": reasons, "failures": failures,
    }  # fmt: skip


def _known(sources: pd.DataFrame | None, dataset: str, method: str) -> dict[str, str]:
    if sources is None:
        return {}
    own = sources[(sources["dataset"] == dataset) & (sources["method"] == method)]
    return dict(zip(own["clip"], own["change"], strict=True))


def _set_reasons(records: pd.DataFrame) -> list[list[str]]:
    """Why numbers of the whole set are missing."""
    own = records[(records["clip"] == WHOLE_SET) & (records["status"] != "ok")]
    return [[str(row.metric), str(row.status), str(row.reason)] for row in own.itertuples()]


def _short(value: float) -> float | str | None:
    return json_number(float(f"{value:.{DIGITS}g}"))
