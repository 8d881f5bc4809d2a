"""On what terms systems stand beside each other: data, training and speed, by run cards, and as a figure."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from gmbench.config import DatasetSection
from gmbench.datasets import manifest
from gmbench.datasets.manifest import TEST, TRAIN
from gmbench.errors import InputError
from gmbench.methods.registry import System
from gmbench.metrics.key import MetricKey
from gmbench.reporting import figures
from gmbench.reporting.page.markup import grid_html, picture_html
from gmbench.reporting.summary import Summary
from gmbench.reporting.training_costs import further_people
from gmbench.stages.paths import DatasetPaths
from gmbench.stages.pipeline_run import PipelineRun
from gmbench.stages.scored_clips import GENERATED
from gmbench.stages.train import CARD, model_folder

METRICS = ("acc_emo", "sync_c", "fid")
"""Metrics that stand against cost."""


def training_costs(run: PipelineRun, dataset: str) -> dict[str, str]:
    """How long each system of a run was trained here, in words, by system, whatever drives it."""
    said = {system.trained: cost_in_words(card) for system, card in _cards(run, dataset).values()}
    return {system: text for system, text in said.items() if text}


def terms_html(run: PipelineRun, dataset: str) -> str:
    """What each trained system has learnt from, for how long, and how fast it draws; empty without systems."""
    scored = _speakers(dataset, TEST)
    rates = frame_rates(run, dataset)
    rows: dict[str, list[str]] = {}
    for method, (system, card) in _cards(run, dataset).items():
        parts = card.get("parts", {})
        here = sum(part.get("seconds") or 0 for part in parts.values() if not part.get("device"))
        came = [
            f"{name}: {_duration(part['seconds'])} of {part['device']}"
            for name, part in parts.items()
            if part.get("device")
        ]
        met = len(scored & _speakers(str(card.get("dataset", "")), TRAIN))
        rows.setdefault(system.trained, [
            system.trained, _learnt_from(card), f"{met} of {len(scored)}" if scored else "–",
            _duration(here) if here else "–", "; ".join(came) or "–", f"{_total(card, 'parameters') / 1e6:.1f}",
            f"{rates[method]:.0f}" if method in rates else "–",
        ])  # fmt: skip
    if not rows:
        return ""
    head = ["system", "learnt from", "scored people met before", "trained here", "came with gmbench, after",
            "million parameters", "frames a second"]  # fmt: skip
    text = (
        "Systems that are trained here, whatever drives them. Further people are the synthetic corpus', drawn or as"
        " tracks when a training begins, by the part that learns from them. Times are sums of all parts, one after the"
        " other, on the machine that trained them; job by job, with steps and memory: edtalk-fig5 among the papers'"
        " tables."
    )
    return f"<p>{text}</p>{grid_html(head, list(rows.values()))}"


def _speakers(dataset: str, split: str) -> set[str]:
    path = DatasetPaths(dataset).cropped
    return {row.speaker for row in manifest.read(path) if row.split == split} if dataset and path.is_file() else set()


def _learnt_from(card: Mapping[str, Any]) -> str:
    """Clips and further people of a run card in words.

    >>> _learnt_from({"clips": {"train": 60}, "settings": {"gmeg": {"track_people": 200}, "head": {"train": {}}}})
    '60 clips; further people: gmeg 200'
    """
    clips = card.get("clips", {}).get("train")
    people = further_people(card.get("settings", {}))
    said = [f"{clips:,} clips"] if clips else []
    if people:
        said.append(f"further people: {', '.join(f'{part} {count:,}' for part, count in people.items())}")
    return "; ".join(said) or "–"


def training_seconds(run: PipelineRun, dataset: str) -> dict[str, float]:
    """Seconds of all parts of the training by method, of those methods of a run whose run card says them."""
    found = {method: _total(card, "seconds") for method, (_, card) in _cards(run, dataset).items()}
    return {method: seconds for method, seconds in found.items() if seconds}


def frame_rates(run: PipelineRun, dataset: str) -> dict[str, float]:
    """Frames a second of generation by method, of those whose videos were made by a gmbench that says it."""
    found = {}
    for method in run.params.methods:
        path = DatasetPaths(dataset).videos(method) / GENERATED
        if path.is_file() and (rate := json.loads(path.read_text("utf-8")).get("frames_per_second")):
            found[method] = float(rate)
    return found


def quality_against_cost(summary: Summary, seconds: Mapping[str, float], rates: Mapping[str, float], out: Path) -> str:
    """Chosen metrics against the time of training and the speed of generation, where systems differ; else nothing."""
    costs = {"training [min]": {m: s / 60 for m, s in seconds.items()}, "generated frames a second": rates}
    keys = [key for key in summary.keys if MetricKey.parse(key).name in METRICS]
    rows = {label: {key: found for key in keys if (found := _points(summary, key, by))} for label, by in costs.items()}
    rows = {label: panels for label, panels in rows.items() if panels}
    if not rows:
        return ""
    record = summary.records.iloc[0]
    stem = out / "figures" / f"cost-{record['dataset']}-{record['protocol_hash']}"
    stem.parent.mkdir(parents=True, exist_ok=True)
    name = figures.against_cost(rows, stem)
    text = (
        "Time of all parts of a training, one after the other, as run cards say it; variants of a system share its"
        " training, and what came with gmbench counts the minutes of the machine that made it. Frames a second"
        " of one core, or of a GPU where one drew them: the median clip, without encoding and loading. Rows that take"
        " something from the reference are left out."
    )
    return f"<p>{text}</p>{picture_html(f'figures/{name}', 'metrics against minutes of training and frames a second')}"


def _points(summary: Summary, key: str, costs: Mapping[str, float]) -> dict[str, tuple[float, float]]:
    """Cost and value of a metric by method; nothing where all cost the same."""
    found = {method: summary.by_cell.get((method, key)) for method in costs if method in summary.ranked}
    known = {m: (costs[m], row.value) for m, row in found.items() if row is not None and np.isfinite(row.value)}
    return known if len({place for place, _ in known.values()}) > 1 else {}


def run_cards(run: PipelineRun) -> list[dict[str, Any]]:
    """Run cards of the systems that a run trains, of the datasets that it evaluates, each once."""
    found: dict[tuple[str, str], dict[str, Any]] = {}
    for dataset in run.params.evaluate:
        for system, card in _cards(run, dataset).values():
            if not system.ablations and not system.seed:
                found.setdefault((str(card.get("dataset", "")), system.trained), card)
    return [card for card in found.values() if card.get("parts")]


def _cards(run: PipelineRun, dataset: str) -> dict[str, tuple[System, dict[str, Any]]]:
    """Systems and run cards by method, of those methods that are trained here."""
    found = {}
    for method in run.params.methods:
        try:
            system = System.parse(method)
        except InputError:  # made elsewhere, or rendered
            continue
        section: DatasetSection | None = run.params.datasets.get(dataset)
        path = model_folder((section.models_of if section else "") or dataset, system) / CARD
        if path.is_file():
            found[method] = system, json.loads(path.read_text("utf-8"))
    return found


def cost_in_words(card: dict[str, Any]) -> str:
    """Time of the parts of a run card that were trained here; empty where it says nothing of its parts.

    >>> cost_in_words({"parts": {"a": {"seconds": 90.0}, "b": {"seconds": 600.0, "device": "one GPU"}}})
    '2 min (shipped parts apart)'
    >>> cost_in_words({"parts": {"b": {"seconds": 600.0, "device": "one GPU"}}})
    'came with gmbench'
    """
    parts = card.get("parts", {})
    here = sum(part.get("seconds") or 0 for part in parts.values() if not part.get("device"))
    if not any(part.get("device") for part in parts.values()):
        return _duration(here) if here else ""
    return f"{_duration(here)} (shipped parts apart)" if here else "came with gmbench"


def _total(card: dict[str, Any], name: str) -> float:
    return float(sum(part.get(name) or 0 for part in card.get("parts", {}).values()))


def _duration(seconds: float) -> str:
    return f"{seconds / 3600:.1f} h" if seconds >= 5400 else f"{max(1, round(seconds / 60))} min"
