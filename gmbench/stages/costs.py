"""What training and generating cost: in words, from run cards, and as a figure beside quality."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from gmbench.config import DatasetSection
from gmbench.errors import InputError
from gmbench.methods.registry import System
from gmbench.metrics.key import MetricKey
from gmbench.reporting import figures
from gmbench.reporting.page.markup import picture_html
from gmbench.reporting.summary import Summary
from gmbench.stages.paths import DatasetPaths
from gmbench.stages.pipeline_run import PipelineRun
from gmbench.stages.scored_clips import GENERATED
from gmbench.stages.train import CARD, model_folder

METRICS = ("acc_emo", "sync_c", "fid")
"""Metrics that stand against cost."""


def training_costs(run: PipelineRun, dataset: str) -> dict[str, str]:
    """Parameters, time and clips by method, of those methods of a run that are trained here."""
    said = {method: cost_in_words(card) for method, card in _cards(run, dataset).items()}
    return {method: text for method, text in said.items() if text}


def training_seconds(run: PipelineRun, dataset: str) -> dict[str, float]:
    """Seconds of all parts of the training by method, of those methods of a run whose run card says them."""
    found = {method: _total(card, "seconds") for method, card in _cards(run, dataset).items()}
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


def _cards(run: PipelineRun, dataset: str) -> dict[str, dict[str, Any]]:
    """Run cards by method, of those methods that are trained here."""
    found = {}
    for method in run.params.methods:
        try:
            system = System.parse(method)
        except InputError:  # made elsewhere, or rendered
            continue
        section: DatasetSection | None = run.params.datasets.get(dataset)
        path = model_folder((section.models_of if section else "") or dataset, system) / CARD
        if path.is_file():
            found[method] = json.loads(path.read_text("utf-8"))
    return found


def cost_in_words(card: dict[str, Any]) -> str:
    """One line of a run card; empty where it says nothing of its parts.

    >>> cost_in_words({"parts": {"a": {"parameters": 1500000, "seconds": 90.0}}, "clips": {"train": 60}})
    '1.5 million parameters in 2 min on 60 clips'
    >>> cost_in_words({"parts": {"a": {"parameters": 1500000, "seconds": 90.0, "device": "one GPU"}}})
    '1.5 million parameters in 2 min; a came with gmbench, trained in 2 min on one GPU'
    """
    parameters, seconds = (_total(card, name) for name in ("parameters", "seconds"))
    clips = card.get("clips", {}).get("train")
    said = f"{parameters / 1e6:.1f} million parameters" if parameters else ""
    took = f"in {_duration(seconds)}" if seconds else ""
    trained = " ".join(text for text in (said, took, f"on {clips:,} clips" if clips and said else "") if text)
    shipped = [
        f"{name} came with gmbench, trained in {_duration(part['seconds'])} on {part['device']}"
        for name, part in card.get("parts", {}).items()
        if part.get("device")
    ]
    return "; ".join(text for text in (trained, *shipped) if text)


def _total(card: dict[str, Any], name: str) -> float:
    return float(sum(part.get(name) or 0 for part in card.get("parts", {}).values()))


def _duration(seconds: float) -> str:
    return f"{seconds / 3600:.1f} h" if seconds >= 5400 else f"{max(1, round(seconds / 60))} min"
