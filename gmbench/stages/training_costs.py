"""What training a system cost, in words, from its run card."""

import json
from typing import Any

from gmbench.config import DatasetSection
from gmbench.errors import InputError
from gmbench.methods.registry import System
from gmbench.stages.pipeline_run import PipelineRun
from gmbench.stages.train import CARD, model_folder


def training_costs(run: PipelineRun, dataset: str) -> dict[str, str]:
    """Parameters, time and clips by method, of those methods of a run that are trained here."""
    said = {method: cost_in_words(card) for method, card in _cards(run, dataset).items()}
    return {method: text for method, text in said.items() if text}


def training_seconds(run: PipelineRun, dataset: str) -> dict[str, float]:
    """Seconds of all parts of the training by method, of those methods of a run whose run card says them."""
    found = {method: _total(card, "seconds") for method, card in _cards(run, dataset).items()}
    return {method: seconds for method, seconds in found.items() if seconds}


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
    """
    parameters, seconds = (_total(card, name) for name in ("parameters", "seconds"))
    clips = card.get("clips", {}).get("train")
    said = f"{parameters / 1e6:.1f} million parameters" if parameters else ""
    took = f"in {_duration(seconds)}" if seconds else ""
    return " ".join(text for text in (said, took, f"on {clips:,} clips" if clips and said else "") if text)


def _total(card: dict[str, Any], name: str) -> float:
    return float(sum(part.get(name) or 0 for part in card.get("parts", {}).values()))


def _duration(seconds: float) -> str:
    return f"{seconds / 3600:.1f} h" if seconds >= 5400 else f"{max(1, round(seconds / 60))} min"
