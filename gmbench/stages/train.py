"""Stage ``train``: train a system on a dataset."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from gmbench import provenance
from gmbench.config import DatasetSection
from gmbench.datasets import manifest
from gmbench.errors import InputError
from gmbench.methods import registry
from gmbench.methods.interface import PreparedDataset, TrainingContext
from gmbench.methods.registry import System
from gmbench.names import closest
from gmbench.stages.fit import training_coefficients
from gmbench.stages.paths import FACE_MODEL, MODELS, DatasetPaths
from gmbench.stages.pipeline_run import PipelineRun, write_json
from gmbench.store import file_digest, write_atomically


def model_folder(dataset: str, system: System) -> Path:
    """Folder of a system's checkpoints."""
    return MODELS / dataset / system.trained


def train(run: PipelineRun, section: DatasetSection, name: str) -> None:
    """Train a system and write its checkpoints, its run card, and one table of losses per network."""
    system = System.parse(name)
    method = registry.create(system.method)
    settings = method.settings(run.params.systems.get(system.method, {}), system.ablations)
    corpus = _prepared_dataset(run, run.paths, section)
    other = run.params.pretrain_on
    if other not in run.params.datasets:
        raise InputError(f"params.yaml: pretrain_on: {closest(other, run.params.datasets)}")
    pretraining = (
        corpus
        if other == run.paths.dataset
        else _prepared_dataset(run, DatasetPaths(other), run.params.datasets[other])
    )
    bench = TrainingContext(run.store, run.run_jobs)
    out = model_folder(run.paths.dataset, system)
    report = method.fit(corpus, pretraining, out, settings, run.params.seed + system.seed, bench)
    for part in report.parts:
        _write_losses(out / "losses" / f"{part.name}.tsv", part.losses)
    facts: dict[str, Any] = provenance.describe({})
    card = {
        "system": system.name, "method": method.card.name, "ablations": list(system.ablations),
        "seed": run.params.seed + system.seed, "dataset": run.paths.dataset, "profile": run.params.profile,
        "settings": settings.model_dump(mode="json"), "audio": dict(corpus.audio_facts),
        "clips": {"train": len(corpus.split(manifest.TRAIN)), "manifest": file_digest(run.paths.cropped)},
        "face_model": run.face_model().digest, "parts": {part.name: part.as_json() for part in report.parts},
        "code": {"gmbench": facts["gmbench"], "commit": facts["commit"], "torch": facts["packages"]["torch"]},
    }  # fmt: skip
    write_json(out / "card.json", card)


def _prepared_dataset(run: PipelineRun, paths: DatasetPaths, section: DatasetSection) -> PreparedDataset:
    facts = json.loads((paths.work / "audio.json").read_text("utf-8"))
    told = {name: facts[name] for name in ("extractor", "pair", "weights", "audio_dim")}
    if told["extractor"] == "hubert":
        told["path"] = run.params.audio.hubert
    truth = Path(section.root) if section.kind == "synth" else None
    return PreparedDataset(
        paths.dataset, tuple(manifest.read(paths.cropped)), paths.crops, paths.landmarks,
        training_coefficients(replace(run, paths=paths), section), paths.audio, paths.renders, told, FACE_MODEL,
        truth, section.size,
    )  # fmt: skip


def _write_losses(path: Path, rows: Sequence[Mapping[str, float]]) -> None:
    names = sorted({name for row in rows for name in row} - {"step"})
    lines = ["\t".join(["step", *names])]
    lines += ["\t".join([f"{row['step']:.0f}", *(f"{row[n]:.6g}" if n in row else "" for n in names)]) for row in rows]
    write_atomically(path, ("\n".join(lines) + "\n").encode())
