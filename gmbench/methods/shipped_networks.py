"""Trained networks that come with gmbench, of systems that learn for longer than a profile's minutes.

They lie in half precision below ``gmbench/methods/shipped/<system>``, trained on the synthetic corpus of the profile
``demo``; ``networks.json`` beside them says on what, for how long, and on which machine. ``python -m
tools.shipped_systems`` makes them anew.
"""

import functools
import json
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from safetensors import safe_open
from safetensors.torch import load, save

from gmbench.corpus.make import CORPUS_VERSION
from gmbench.corpus.truth import Truth
from gmbench.datasets.manifest import TRAIN
from gmbench.errors import InputError, WeightsError
from gmbench.methods.interface import PreparedDataset
from gmbench.methods.training_jobs import TrainedFile, TrainingFolder, TrainingJob
from gmbench.names import some
from gmbench.nn.training import TrainReport
from gmbench.store import digest, file_digest

ROOT = Path(__file__).with_name("shipped")
FACTS = "networks.json"
_HOW_LONG = ("train", "gate", "gate_steps")
"""Settings that may differ: they do not say what a network is."""


@functools.cache
def shipped_facts(system: str) -> dict[str, Any]:
    """What ``networks.json`` says of a system; ``data`` and ``networks`` are empty where none came."""
    path = ROOT / system / FACTS
    return dict(json.loads(path.read_text("utf-8"))) if path.is_file() else {"data": {}, "networks": {}}


def data_facts(dataset: PreparedDataset) -> dict[str, Any]:
    """What a system learns from, the same on every machine: version, clips and people of the synthetic corpus."""
    if dataset.truth is None:
        return {"corpus": dataset.dataset}
    truth = Truth(dataset.truth)
    shapes = np.stack([np.asarray(shape, np.float64) for shape in truth.speakers.sort_index()["shape"]])
    clips = [(row.clip_id, row.emotion, row.level) for row in sorted(dataset.split(TRAIN), key=lambda row: row.clip_id)]
    speakers = sorted({row.speaker for row in dataset.split(TRAIN)})
    films = digest(clips, truth.clips["frames"].sort_index().tolist())[:12]
    faces = digest((np.round(shapes, 2) + 0.0).tolist())[:12]
    return {
        "corpus": CORPUS_VERSION, "fitted": dataset.fitted, "audio": dict(dataset.audio_facts),
        "clips": f"{len(clips)} of {some(speakers)} to learn from, {len(truth.clips)} in all ({films})",
        "people": f"{len(shapes)} ({faces})",
    }  # fmt: skip


def take_shipped(
    system: str, job: TrainingJob, dataset: PreparedDataset, settings: Mapping[str, Mapping[str, Any]]
) -> TrainingJob:
    """A job as it is, or where its network came with gmbench, one that takes it.

    Of a system some networks may come and others be trained.

    Args:
        system: registered name.
        job: the training.
        dataset: that would be learnt from.
        settings: of the network as JSON, by the names that its file keeps them under.

    Raises:
        InputError: the network that came is another one, or was trained on other data.
        WeightsError: its file is not the one that came, or nothing of the system came.
    """
    facts, remedy = shipped_facts(system), f"set source of {system} to train"
    if not facts["networks"]:
        raise WeightsError(f"{ROOT / system}: no networks came with this gmbench; {remedy}, or install gmbench again")
    if job.name not in facts["networks"]:
        return job
    path = ROOT / system / f"{job.name}.safetensors"
    if not path.is_file() or file_digest(path) != facts["networks"][job.name]["sha256"]:
        raise WeightsError(f"{path}: not the file that came with gmbench; install gmbench again")
    advice = f"{system}: source is shipped, but {job.name} as it came with gmbench"
    if wrong := _differences(data_facts(dataset), facts["data"]):
        raise InputError(f"{advice} was trained on other data than {dataset.dataset}: {'; '.join(wrong)}; {remedy}")
    made = _facts_of(path)
    wrong = [f"{part}: {line}" for part, own in settings.items() for line in _differences(own, made[part])]
    if wrong:
        raise InputError(f"{advice} has other settings: {'; '.join(wrong)}; {remedy}")
    return replace(job, key=file_digest(path), function=_read, argument=(path, facts["networks"][job.name]), needs=())


def half(content: bytes) -> bytes:
    """A checkpoint with its numbers in half precision, as files are shipped."""
    return _converted(content, torch.float32, torch.float16)


def _read(argument: tuple[Path, Mapping[str, Any]], folder: TrainingFolder) -> TrainedFile:
    """The shipped file in full precision, and how it was trained."""
    path, facts = argument
    report = TrainReport(
        facts["steps"], facts["seconds"], facts["parameters"], False, facts["losses"], facts["frozen_parameters"],
        device=facts["device"],
    )  # fmt: skip
    return _converted(path.read_bytes(), torch.float16, torch.float32), report


def _converted(content: bytes, given: torch.dtype, wanted: torch.dtype) -> bytes:
    header = json.loads(content[8 : 8 + int.from_bytes(content[:8], "little")])
    tensors = {name: x.to(wanted) if x.dtype == given else x for name, x in load(content).items()}
    return save(tensors, metadata=header["__metadata__"])


def _facts_of(path: Path) -> dict[str, Any]:
    with safe_open(path, framework="pt") as file:
        return dict(json.loads(file.metadata()["facts"]))


def _differences(asked: Mapping[str, Any], made: Mapping[str, Any]) -> list[str]:
    """What is asked for and was made otherwise."""
    asked, made = _lasting(asked), _lasting(made)
    return [f"{name} is {value}, there {made.get(name)}" for name, value in asked.items() if made.get(name) != value]


def _lasting(value: Any) -> Any:
    """Settings without those that may differ, of parts of them too."""
    if not isinstance(value, Mapping):
        return value
    return {name: _lasting(part) for name, part in value.items() if name not in _HOW_LONG}
