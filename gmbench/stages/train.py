"""Stage ``train``: train a system on a dataset."""

import json
import shutil
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from gmbench import provenance
from gmbench.config import DatasetSection
from gmbench.datasets import manifest
from gmbench.devices import CPU
from gmbench.devices.processes import first_of_processes, several_processes
from gmbench.errors import InputError
from gmbench.methods import registry
from gmbench.methods.interface import FitReport, PreparedDataset, TrainingContext, as_json
from gmbench.methods.registry import System
from gmbench.methods.tracks import frames_used
from gmbench.names import closest
from gmbench.stages.fit import training_coefficients
from gmbench.stages.mattes import TRUTH, matte_source
from gmbench.stages.paths import FACE_MODEL, MODELS, PREVIEWS, SYNTHETIC, DatasetPaths
from gmbench.stages.pipeline_run import PipelineRun, write_json
from gmbench.stages.requests import transcripts
from gmbench.store import digest, file_digest, write_atomically

CARD = "card.json"
LOSSES = "losses"


def model_folder(dataset: str, system: System) -> Path:
    """Folder that a system's checkpoints of a dataset are written to."""
    return MODELS / dataset / system.trained


def checkpoint_folder(run: PipelineRun, system: System) -> Path:
    """Folder of the checkpoints that generate a dataset's videos: its own, or those of the dataset in ``models_of``.

    Raises:
        InputError: the system is not trained.
    """
    dataset = run.paths.dataset
    section = run.params.datasets.get(dataset)
    folder = model_folder((section.models_of if section else "") or dataset, system)
    if not (folder / CARD).exists():
        raise InputError(
            f"{folder}: {system.name} is not trained; run the stage train or 'gmbench train --method {system.trained}'"
        )
    return folder


def checkpoint_digest(folder: Path) -> str:
    """Digest of names and contents of all files that a system is loaded from, as its run card lists them.

    Raises:
        InputError: one of them is gone.
    """
    card = json.loads((folder / CARD).read_text("utf-8"))
    names = sorted(card.get("checkpoints") or _written(folder))
    if missing := [name for name in names if not (folder / name).exists()]:
        raise InputError(f"{folder / missing[0]}: no such checkpoint; train {card['system']} again")
    return digest(*((name, file_digest(folder / name)) for name in names))


def train(run: PipelineRun, section: DatasetSection, name: str) -> None:
    """Train a system and write its checkpoints, its run card, and one table of losses per network.

    On a dataset that uses another one's checkpoints nothing is trained; the run card says so.
    """
    system = System.parse(name)
    out = model_folder(run.paths.dataset, system)
    with first_of_processes() as first:
        if first:  # DVC keeps the folder of all systems: no file of an earlier training stays
            shutil.rmtree(out, ignore_errors=True)
    if section.models_of:
        write_json(out / CARD, {"system": system.name, "models_of": section.models_of})
        return
    method = registry.create(system.method)
    settings = method.settings(run.params.systems.get(system.method, {}), system.ablations)
    dataset = prepared_dataset(run, run.paths, section)
    seed = run.params.seed + system.seed
    previews = (PREVIEWS / run.paths.dataset / system.trained).absolute()
    context = training_context(run, previews)
    report = method.fit(dataset, pretraining_of(run, dataset), out, settings, seed, context)
    training = dataset.split(manifest.TRAIN)
    for part in report.parts:
        _write_losses(out / LOSSES / f"{part.name}.tsv", part.losses)
    facts: dict[str, Any] = provenance.describe({})
    card = {
        "system": system.name, "method": system.method, "ablations": list(system.ablations),
        "seed": seed, "dataset": run.paths.dataset, "size": section.size, "profile": run.params.profile,
        "settings": as_json(settings), "audio": dict(dataset.audio_facts),
        "clips": {"train": len(training), "manifest": file_digest(run.paths.cropped), **frames_used(dataset, training)},
        "face_model": run.face_model().digest, "parts": {part.name: part.as_json() for part in report.parts},
        "checkpoints": _checkpoints(report, out),
        "code": {"gmbench": facts["gmbench"], "commit": facts["commit"], "torch": facts["packages"]["torch"]},
    }  # fmt: skip
    if run.device != CPU:
        card |= {"device": run.device, "precision": context.precision}
    write_json(out / CARD, card)
    registry.load(system.method, out)  # what cannot be loaded is reported now, not when videos are made


def training_context(run: PipelineRun, previews: Path | None = None) -> TrainingContext:
    """Where a run's trainings work; each says itself how far it is. Several at once need workers that are shared."""
    how, jobs = run.params.training, replace(run, quiet=True).run_jobs
    shared = run.scheduler is not None and not several_processes()
    return TrainingContext(run.store, jobs, previews, run.device, how.precision, how.jobs_per_device, shared)


def pretraining_of(run: PipelineRun, dataset: PreparedDataset) -> PreparedDataset:
    """The dataset of many people that a training on a dataset also learns from."""
    other = run.params.pretrain_on
    if other not in run.params.datasets:
        raise InputError(f"params.yaml: pretrain_on: {closest(other, run.params.datasets)}")
    if other == run.paths.dataset:
        return dataset
    return prepared_dataset(run, DatasetPaths(other), run.params.datasets[other])


def prepared_dataset(run: PipelineRun, paths: DatasetPaths, section: DatasetSection) -> PreparedDataset:
    """A dataset as the stages prepared it."""
    facts = json.loads((paths.work / "audio.json").read_text("utf-8"))
    audio_facts = {name: facts[name] for name in ("extractor", "pair", "weights", "audio_dim")}
    if audio_facts["extractor"] == "hubert":
        audio_facts["path"] = run.params.audio.hubert
    truth = Path(section.root) if section.kind in SYNTHETIC else None
    rows = tuple(manifest.unlabelled_as_neutral(manifest.read(paths.cropped)))
    return PreparedDataset(
        paths.dataset, rows, paths.crops, paths.landmarks,
        training_coefficients(replace(run, paths=paths), section), paths.audio, paths.renders, audio_facts, FACE_MODEL,
        truth, section.size, section.coefficients == "fit",
        None if matte_source(section) == TRUTH else paths.found_mattes, transcripts(paths, section),
    )  # fmt: skip


def _checkpoints(report: FitReport, out: Path) -> dict[str, str]:
    """Digests of the files that the method says it is loaded from, by path below the folder; all by default."""
    paths = [out / path for path in report.checkpoints] or [out / name for name in _written(out)]
    if missing := [path for path in paths if not path.is_file()]:
        raise InputError(f"{missing[0]}: training reports this checkpoint but did not write it")
    return {path.resolve().relative_to(out.resolve()).as_posix(): file_digest(path) for path in paths}


def _written(folder: Path) -> list[str]:
    """Files below a folder but for the run card and the tables of losses."""
    names = [path.relative_to(folder).as_posix() for path in sorted(folder.rglob("*")) if path.is_file()]
    return [name for name in names if name != CARD and not name.startswith(f"{LOSSES}/")]


def _write_losses(path: Path, rows: Sequence[Mapping[str, float]]) -> None:
    names = sorted({name for row in rows for name in row} - {"step"})
    lines = ["\t".join(["step", *names])]
    lines += ["\t".join([f"{row['step']:.0f}", *(f"{row[n]:.6g}" if n in row else "" for n in names)]) for row in rows]
    write_atomically(path, ("\n".join(lines) + "\n").encode())
