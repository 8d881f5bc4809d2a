"""What a training will need and does not find: looked for before its first step, and said in one list."""

import shutil
from collections.abc import Iterator, Sequence
from pathlib import Path

from gmbench.config import DatasetSection
from gmbench.datasets import manifest
from gmbench.errors import InputError
from gmbench.methods import registry
from gmbench.methods.interface import ChecksTraining, PreparedDataset
from gmbench.methods.registry import System
from gmbench.stages.paths import FACE_MODEL
from gmbench.stages.pipeline_run import PipelineRun
from gmbench.stages.train import prepared_dataset

GIGABYTE = 1e9
LEAST_DISK = 0.2 * GIGABYTE
"""Bytes for checkpoints and logs."""
PER_PROCESS = 0.7 * GIGABYTE
"""Least memory of a training process without its data, libraries left out, which processes share."""


def require_trainable(run: PipelineRun, section: DatasetSection, names: Sequence[str]) -> None:
    """Raise InputError with everything that keeps systems from being trained on a dataset."""
    if section.models_of or not names:
        return
    found = list(dict.fromkeys(_problems(run, section, [System.parse(name) for name in names])))
    if len(found) == 1:
        raise InputError(found[0])
    if found:
        raise InputError("\n".join(["nothing was trained, because", *(f"- {problem}" for problem in found)]))


def _problems(run: PipelineRun, section: DatasetSection, systems: Sequence[System]) -> Iterator[str]:
    if not FACE_MODEL.exists():
        yield f"{FACE_MODEL}: no face model here; run the stage face_model"
    audio = run.params.audio
    if audio.extractor == "hubert" and not (Path(audio.hubert) / "config.json").is_file():
        yield f"audio.hubert: {audio.hubert or 'empty'}: no folder of a HuBERT saved by transformers"
    dataset = prepared_dataset(run, run.paths, section)
    if not dataset.split(manifest.TRAIN):
        yield f"{dataset.dataset}: no training clips; see the splits in the manifest"
        return
    yield from _of_systems(run, dataset, systems)


def _of_systems(run: PipelineRun, dataset: PreparedDataset, systems: Sequence[System]) -> Iterator[str]:
    """What methods miss, and disk space and memory of all of them."""
    disk, memory = LEAST_DISK, 0.0
    for system in systems:
        method = registry.create(system.method)
        if not isinstance(method, ChecksTraining):
            continue
        settings = method.settings(run.params.systems.get(system.method, {}), system.ablations)
        yield from method.training_problems(dataset, settings)
        needs = method.training_needs(dataset, settings)
        disk, memory = max(disk, needs.disk), max(memory, needs.memory)
    run.store.root.mkdir(parents=True, exist_ok=True)
    free = shutil.disk_usage(run.store.root).free
    if free < disk:
        yield f"{run.store.root}: {free / GIGABYTE:.1f} GB free on the disk, {disk / GIGABYTE:.1f} GB are needed"
    wanted, there = run.workers * PER_PROCESS + memory, available_memory()
    if there is not None and there < wanted:
        yield (
            f"{there / GIGABYTE:.1f} GB of memory available, about {wanted / GIGABYTE:.1f} GB are needed with"
            f" workers: {run.workers}; set fewer workers in params.yaml, or close other programs"
        )


def available_memory() -> float | None:
    """Bytes of memory that programs can still have; None where the system does not say."""
    try:
        lines = Path("/proc/meminfo").read_text("utf-8").splitlines()
    except OSError:
        return None
    sizes = dict(line.split(":", 1) for line in lines if ":" in line)
    return float(sizes["MemAvailable"].split()[0]) * 1024 if "MemAvailable" in sizes else None
