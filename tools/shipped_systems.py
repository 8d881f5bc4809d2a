"""The systems' networks that come with gmbench: ``python -m tools.shipped_systems`` says whether they fit the code.

``--write dicetalk`` trains them anew, in a folder whose dataset of the profile ``peers`` is prepared (``gmbench init
--profile peers``, ``dvc repro fit@synth audio@synth``), on the device of ``params.yaml`` or ``GMBENCH_DEVICE``: about a
quarter of an hour of a large GPU and its processor, hours of a processor alone; ``--write edtalk --only teachers``
a quarter of an hour of one core. Do so after a change of a system's networks or of the corpus.
"""

import argparse
import os
import sys
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import yaml

from gmbench import config
from gmbench.api.generation import project
from gmbench.corpus.make import CORPUS_VERSION
from gmbench.devices import CPU
from gmbench.devices.choice import cards
from gmbench.errors import GmbenchError, InputError
from gmbench.methods import registry
from gmbench.methods.dicetalk.jobs import training_jobs as dicetalk_jobs
from gmbench.methods.edtalk.jobs import training_jobs as edtalk_jobs
from gmbench.methods.interface import PreparedDataset, TrainedPart
from gmbench.methods.shipped_networks import FACTS, ROOT, data_facts, half, shipped_facts
from gmbench.methods.training_jobs import train_all
from gmbench.stages.pipeline_run import PipelineRun, write_json
from gmbench.stages.train import prepared_dataset, training_context
from gmbench.stages.training_pool import shared_workers
from gmbench.store import file_digest, write_atomically

JOBS: Mapping[str, Any] = {"dicetalk": dicetalk_jobs, "edtalk": edtalk_jobs}
RECIPES: dict[str, dict[str, dict[str, Any]]] = {
    "dicetalk": {"vae": {}, "embedder": {}, "diffusion": {"steps": 2000, "batch": 128}},
    "edtalk": {"backbone": {"steps": 6700, "batch": 16}, "teachers": {}},
}
"""Networks by system, and what their training has other than in the profile ``peers``."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Check, or make anew; 1 where the networks that are there do not fit."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--write", choices=sorted(RECIPES), help="the system whose networks are trained anew")
    parser.add_argument("--only", metavar="NETWORK", help="the one of its networks that is trained anew")
    options = parser.parse_args(arguments)
    try:
        if options.write:
            write(options.write, options.only)
    except GmbenchError as error:
        sys.stderr.write(f"error: {error}\n")
        return error.exit_code
    found = [line for system in RECIPES for line in problems(system)]
    sys.stdout.writelines(f"{line}\n" for line in found)
    return int(bool(found))


def problems(system: str) -> list[str]:
    """Why a system's networks must be made anew, and what is wrong with their files."""
    facts, folder = shipped_facts(system), ROOT / system
    remedy = f"run python -m tools.shipped_systems --write {system}"
    found = [f"{folder / name}.safetensors: not there" for name in RECIPES[system] if name not in facts["networks"]]
    for name, known in facts["networks"].items():
        path = folder / f"{name}.safetensors"
        if not path.is_file() or file_digest(path) != known["sha256"]:
            found.append(f"{path}: not the file that was made")
    if facts["data"].get("corpus", CORPUS_VERSION) != CORPUS_VERSION:
        found.append(f"{folder}: made for corpus version {facts['data']['corpus']}, this gmbench has {CORPUS_VERSION}")
    return [f"{line}; {remedy}" for line in found]


def write(system: str, only: str | None = None) -> None:
    """Train a system's networks, or one of them that needs no other, in the project here and put them into the package.

    Raises:
        InputError: the system ships no such network, or it starts from another one.
    """
    names = chosen(system, only)
    run = project(None)
    dataset = prepared_dataset(run, run.paths, run.params.datasets[run.paths.dataset])
    settings = registry.create(system).settings(recipe(system))
    jobs = [job for job in JOBS[system](dataset, dataset, settings, run.params.seed) if job.name in names]
    if needed := sorted({name for job in jobs for name in job.needs} - set(names)):
        raise InputError(f"{only} of {system} starts from {', '.join(needed)}: train all of it, without --only")
    with tempfile.TemporaryDirectory() as folder, shared_workers(run) as shared:
        report = train_all(jobs, Path(folder), dataset.dataset, training_context(shared))
        put(system, report.parts, {part.name: Path(folder) / f"{part.name}.safetensors" for part in report.parts},
            dataset, _device(run))  # fmt: skip


def chosen(system: str, only: str | None) -> list[str]:
    """Networks that are to be trained; raises InputError where ``only`` is none of the system's."""
    names = list(RECIPES[system])
    if only is not None and only not in names:
        raise InputError(f"{system} ships {', '.join(names)}, and no {only}")
    return names if only is None else [only]


def recipe(system: str) -> dict[str, Any]:
    """A system's settings of the profile ``peers`` with the longer training."""
    values: dict[str, Any] = yaml.safe_load(config.profiles()["peers"])["systems"][system]
    for name, train in RECIPES[system].items():
        values[name]["train"] |= train
    return values | {"source": "train"}


def put(
    system: str, parts: Sequence[TrainedPart], files: Mapping[str, Path], dataset: PreparedDataset, device: str
) -> None:
    """Put trained networks into the package, in half precision, with what they are.

    Args:
        system: registered name.
        parts: how each was trained. files: the checkpoints.
        dataset: that they learnt from.
        device: in words.
    """
    networks = {}
    for part in parts:
        path = ROOT / system / f"{part.name}.safetensors"
        write_atomically(path, half(files[part.name].read_bytes()))
        networks[part.name] = {
            "sha256": file_digest(path), "bytes": path.stat().st_size, "steps": part.steps, "seconds": part.seconds,
            "parameters": part.parameters, "frozen_parameters": part.frozen_parameters, "device": device,
            "losses": [dict(row) for row in part.losses],
        }  # fmt: skip
    former = shipped_facts(system)["networks"]
    write_json(ROOT / system / FACTS, {"data": data_facts(dataset), "networks": former | networks})
    shipped_facts.cache_clear()


def _device(run: PipelineRun) -> str:
    named = [card.name for card in cards() if run.device != CPU and card.device.startswith(run.device)]
    return f"one {named[0]}" if named else f"a processor of {os.cpu_count()} cores"


if __name__ == "__main__":
    sys.exit(main())
