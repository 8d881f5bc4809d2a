"""What the page shows, as plain data: leaderboards of aggregated numbers, and each method's clips in a separate file.

The keys of these dictionaries are read by ``assets/page.js``.
"""

import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import pandas as pd

from gmbench.errors import InputError
from gmbench.evaluation.planning.controls import CONTROLS
from gmbench.evaluation.results.aggregate import SummaryRow
from gmbench.evaluation.results.records import WHOLE_SET, json_number
from gmbench.methods.registry import System
from gmbench.metrics.key import MetricKey
from gmbench.reporting import tables
from gmbench.reporting.chosen_metrics import ASPECTS, chosen
from gmbench.reporting.comparisons import place_value
from gmbench.reporting.method_cards import card_of
from gmbench.reporting.metric_lookup import in_declared_order, metric_of
from gmbench.reporting.page.breakdowns import breakdowns
from gmbench.reporting.page.headline import headline
from gmbench.reporting.ranks import ranks
from gmbench.reporting.summary import Summary
from gmbench.reporting.table_formats import number

DIGITS = 6
LocateClip = Callable[[str, str, str], str]
"""From dataset, method (empty: the reference) and clip to a file below the page's folder, empty where there is none."""


@dataclass(frozen=True)
class ClipFiles:
    """Where the page finds what it shows of clips: ``video``, and ``landmarks`` as a name of a file in ``data``."""

    video: LocateClip
    landmarks: LocateClip


@dataclass(frozen=True)
class Leaderboard:
    """Numbers of one dataset under one protocol.

    Attributes:
        overview: what the page reads at once.
        parts: means of parts of the set, read when they are first shown.
        clips_by_method: read when a method is opened.
    """

    overview: dict[str, Any]
    parts: dict[str, Any]
    clips_by_method: dict[str, dict[str, Any]]


@dataclass(frozen=True)
class About:
    """What records do not say of a board.

    Attributes:
        dates: days on which its methods were evaluated.
        costs: how long systems were trained, in words, by system.
        levels: intensity of the emotion, by clip.
        files: the whole table as a file below the page's folder, by what its link is called.
    """

    dates: Sequence[str] = ()
    costs: Mapping[str, str] = field(default_factory=dict)
    levels: Mapping[str, int] = field(default_factory=dict)
    files: Mapping[str, str] = field(default_factory=dict)


def leaderboard(
    summary: Summary, sources: pd.DataFrame | None, files: ClipFiles, about: About | None = None
) -> Leaderboard:
    """The leaderboard of one dataset and protocol; ``sources`` says which clips controls were made from."""
    about = about or About()
    records, methods = summary.records, summary.methods
    dataset, first = str(records["dataset"].iloc[0]), records.iloc[0]
    keys = in_declared_order(sorted(summary.keys))
    weights = {str(key): _weights(part) for key, part in records.groupby("metric", sort=False)}
    by_method = dict(iter(records.groupby("method", sort=False)))
    cells: dict[str, dict[str, Any]] = {}
    for row in summary.rows:
        cells.setdefault(row.method, {})[row.metric] = _cell(
            row, summary.is_best(row.metric, row.method), weights[row.metric]
        )
    ranked = set(summary.ranked)
    overview = {
        "dataset": dataset,
        "protocol": str(first["protocol"]),
        "hash": str(first["protocol_hash"]),
        "headline": headline(summary, about.dates, about.costs),
        "files": dict(about.files),
        "methods": methods,
        "bands": {method: "control" if method in CONTROLS else "takes" for method in methods if method not in ranked},
        "metrics": keys,
        "chosen": chosen(keys),
        "titles": {key: tables.short_title(key) for key in keys},
        "cells": cells,
        "takes": summary.takes,
        "sizes": summary.sizes,
        "why": [
            *tables.fallback_notes(keys),
            *tables.claim_notes(summary.leads, keys, summary.ranked, summary.takes),
        ],
        "ranks": [[r.method, number(r.mean), r.metrics, r.firsts, r.supported] for r in ranks(summary)],
        "sets": {method: _set_failures(by_method[method]) for method in methods},
    }
    clips = {m: _clips(by_method[m], keys, dataset, m, _changes(sources, dataset, m), files) for m in methods}
    return Leaderboard(overview, breakdowns(summary, keys, about.levels), clips)


def metric_descriptions(keys: Iterable[str]) -> dict[str, dict[str, Any]]:
    """How to interpret each metric, by its key in records."""
    descriptions = {}
    for text in keys:
        key, metric = MetricKey.parse(text), metric_of(text)
        spec = metric.spec if metric else None
        descriptions[text] = {
            "name": key.name,
            "title": spec.title if spec else key.name,
            "arrow": spec.arrow if spec else "",
            "direction": spec.aim if spec else "none",
            "unit": spec.unit if spec else "",
            "interpretation": spec.interpretation if spec else "",
            "caveats": spec.caveats if spec else "",
            "source": spec.source if spec else "",
            "fallback": key.fallback,
            "default": bool(spec and spec.default),
            "aspect": ASPECTS[spec.group if spec else ""],
        }
    return descriptions


def method_descriptions(names: Iterable[str]) -> dict[str, dict[str, Any]]:
    """Cards of methods; controls say what they are."""
    descriptions: dict[str, dict[str, Any]] = {}
    for name in names:
        card = card_of(name)
        description: dict[str, Any] = {
            "control": name in CONTROLS,
            "description": CONTROLS.get(name) or _variant(name),
        }
        if card is not None:
            description["card"] = {
                "title": card.title,
                "kind": card.kind,
                "emotion from": " or ".join(card.emotion_sources),
                "pose": card.pose,
                "eyes": card.eye,
                "emotion": card.emotion,
                "from the reference": ", ".join(card.taken) or "nothing",
                "several videos of one sound": "yes" if card.diversity else "no",
                "person": card.identity_mode.replace("_", " "),
                "published resolution": str(card.native_resolution or "unknown"),
                "licence": card.licence,
            }
        descriptions[name] = description
    return descriptions


def _variant(name: str) -> str:
    """What a system trained here changes about its method, and what it takes from the reference."""
    try:
        system = System.parse(name)
    except InputError:
        return ""
    card = card_of(name)
    driven = [card.drive(drive).about for drive in system.drives] if card is not None else []
    seed = f"seed {system.seed}" if system.seed else ""
    return "; ".join(part for part in (", ".join(system.ablations), *driven, seed) if part)


def _cell(row: SummaryRow, best: bool, weights: str) -> dict[str, Any]:
    """A number with its interval and where it comes from."""
    return {
        "v": _short(row.value),
        "t": number(row.value),
        "lo": _short(row.low),
        "hi": _short(row.high),
        "i": f"{number(row.low)}, {number(row.high)}" if math.isfinite(row.low) else "",
        "n": row.n,
        "of": row.expected,
        "frames": row.frames_used,
        "frames_of": row.frames_expected,
        "pooled": number(row.pooled),
        "backend": row.backend,
        "version": row.metric_version,
        "weights": weights,
        "flags": row.flags,
        "best": best,
        "order": _short(place_value(row)),
    }


def _weights(records: pd.DataFrame) -> str:
    """Short digests of the networks behind a metric."""
    joined = str(records["weights_sha256"].iloc[0])
    return ", ".join(sha[:12] for sha in joined.split("+") if sha)


def _clips(
    records: pd.DataFrame,
    keys: Sequence[str],
    dataset: str,
    method: str,
    changes: dict[str, str],
    files: ClipFiles,
) -> dict[str, Any]:
    """A method's clips column by column: labels, files, values, and reasons of what is missing."""
    of_clips = records[records["clip"] != WHOLE_SET]
    labels = of_clips.drop_duplicates("clip").sort_values("clip")
    names = [str(clip) for clip in labels["clip"]]
    values = of_clips.pivot_table(index="clip", columns="metric", values="value", aggfunc="first", dropna=False)
    values = values.reindex(index=names)
    failed = of_clips[(of_clips["status"] != "ok") | (of_clips["reason"] != "")]
    reasons = sorted({str(reason) for reason in failed["reason"]})
    place = {name: n for n, name in enumerate(names)}
    failures = [
        [place[str(row.clip)], str(row.metric), str(row.status), reasons.index(str(row.reason))]
        for row in failed.sort_values(["clip", "metric"]).itertuples()
    ]
    videos, references = ([files.video(dataset, m, name) for name in names] for m in (method, ""))
    return {
        "clips": names,
        "speaker": [str(value) for value in labels["speaker"]],
        "emotion": [str(value) for value in labels["emotion"]],
        "video": videos,
        "reference": references,
        "change": [changes.get(name, "") for name in names],
        "landmarks": [
            files.landmarks(dataset, method, name) if video or (changes.get(name) and reference) else ""
            for name, video, reference in zip(names, videos, references, strict=True)
        ],
        "reference_landmarks": [
            files.landmarks(dataset, "", name) if reference else ""
            for name, reference in zip(names, references, strict=True)
        ],
        "values": {key: [_short(value) for value in values[key]] for key in keys if key in values},
        "reasons": reasons,
        "failures": failures,
    }


def _changes(sources: pd.DataFrame | None, dataset: str, method: str) -> dict[str, str]:
    """By clip, what a control does to the reference."""
    if sources is None:
        return {}
    of_method = sources[(sources["dataset"] == dataset) & (sources["method"] == method)]
    return dict(zip(of_method["clip"], of_method["change"], strict=True))


def _set_failures(records: pd.DataFrame) -> list[list[str]]:
    """Why numbers of the whole set are missing."""
    failed = records[(records["clip"] == WHOLE_SET) & (records["status"] != "ok")]
    return [[str(row.metric), str(row.status), str(row.reason)] for row in failed.itertuples()]


def _short(value: float) -> float | str | None:
    return json_number(float(f"{value:.{DIGITS}g}"))
