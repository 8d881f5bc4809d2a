"""The networks of the corpus that come with gmbench: whether they fit a run, and how a new set is described.

Everybody's ``_fb:corpus`` numbers come from the same files, so that two machines can be compared. ``networks.json``
beside them says how they were made; ``python -m tools.extractors --write`` makes them anew.
"""

import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from gmbench.config import Params
from gmbench.errors import InputError, WeightsError
from gmbench.extractors.corpus.networks import NETWORKS
from gmbench.stages.pipeline_run import write_json
from gmbench.store import file_digest
from gmbench.weights import files

KINDS = ("landmarker", *NETWORKS)
VALIDATION = "validation.json"
TRAIN_ANEW = "to train networks here instead, set extractors.source to train in params.yaml"
_NO_RECIPE = ("source", "validation_clips")


def recipe(params: Params) -> dict[str, Any]:
    """The settings of a run that decide what training gives."""
    extractors = {name: value for name, value in params.extractors.model_dump().items() if name not in _NO_RECIPE}
    return {"landmarker": params.landmarker.model_dump(), "extractors": extractors}


def describe(folder: Path, **facts: object) -> dict[str, Any]:
    """What ``networks.json`` says of the networks in a folder: the given facts, and each file's sha256 and size."""
    paths = {kind: folder / f"{kind}.safetensors" for kind in KINDS}
    sizes = {kind: {"sha256": file_digest(path), "bytes": path.stat().st_size} for kind, path in paths.items()}
    return {**facts, "networks": sizes}


def misfits(shipped: Mapping[str, Any], versions: Mapping[str, int], wanted: Mapping[str, Any]) -> list[str]:
    """How networks differ from what a run asks for.

    Args:
        shipped: facts of the networks.
        versions: of today's corpus and training.
        wanted: the run's :func:`recipe`.
    """
    found = [
        f"they were made for {name} version {shipped['versions'].get(name)}, this gmbench has {version}"
        for name, version in versions.items()
        if shipped["versions"].get(name) != version
    ]
    for section, settings in wanted.items():
        made = shipped["recipe"][section]
        found += [
            f"{section}.{name} is {value}, theirs was {made.get(name)}"
            for name, value in settings.items()
            if made.get(name) != value
        ]
    return found


def install(params: Params, versions: Mapping[str, int], target: Path) -> None:
    """Copy the networks that come with gmbench into a folder, with their reports.

    Raises:
        InputError: the configuration asks for other networks.
        WeightsError: none came with this gmbench, or a file is not the one that did.
    """
    facts = files.shipped_facts()
    if not facts:
        raise WeightsError(f"{files.SHIPPED}: no networks came with this gmbench; {TRAIN_ANEW}")
    if found := misfits(facts, versions, recipe(params)):
        raise InputError(
            f"params.yaml: extractors.source is shipped, but the networks that come with gmbench do not fit: "
            f"{'; '.join(found)}; leave these settings out, or, {TRAIN_ANEW}"
        )
    target.mkdir(parents=True, exist_ok=True)
    for kind in KINDS:
        path = files.SHIPPED / f"{kind}.safetensors"
        files.verify(f"corpus_{kind}", path)
        shutil.copyfile(path, target / path.name)
        shutil.copyfile(path.with_suffix(".json"), target / f"{kind}.json")
    shutil.copyfile(files.SHIPPED / VALIDATION, target / VALIDATION)
    write_json(target / files.FACTS, facts | {"source": "shipped"})
