"""What is installed, what is missing, and what that rules out."""

import os
import platform
import shutil
import sys
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from typing import Any, Literal

import av

from gmbench import config, params_check, plugins, store
from gmbench.datasets.readers import DATASETS
from gmbench.devices import choice
from gmbench.errors import InputError
from gmbench.evaluation.extraction.extractors import EXTRACTORS
from gmbench.evaluation.interpolation import OFFICIAL_NETWORK
from gmbench.evaluation.protocol import Protocol
from gmbench.evaluation.protocol import load as load_protocol
from gmbench.evaluation.scoring.metric import Metric
from gmbench.evaluation.scoring.registry import METRICS
from gmbench.extras import OPTIONAL
from gmbench.face.landmarks import BACKENDS
from gmbench.methods import registry as method_registry
from gmbench.provenance import installed_version, package_versions
from gmbench.weights import files, manifest

_SECOND_OPENCVS = ("opencv-python", "opencv-python-headless")


@dataclass(frozen=True)
class Check:
    """One line: what was looked at, ``ok``, ``missing`` or ``damaged``, details, and what it rules out."""

    what: str
    state: str
    detail: str
    rules_out: str = ""

    def as_json(self) -> dict[str, Any]:
        """All fields."""
        return asdict(self)


def examine() -> list[Check]:
    """Everything that decides what can run here."""
    return [
        *_machine(), *_packages(), *_codecs(), *_folders(), *_configuration(), *_weights(), *_landmark_backends(),
        *_plugins(),
    ]  # fmt: skip


def lacking_files(metric: Metric, protocol: Protocol | None = None) -> list[str]:
    """Names of the packages of extras and of the files of weights that a metric needs and that are not here.

    Args:
        protocol: the default one if None.
    """
    protocol = protocol or load_protocol("full")
    needed = list(metric.weights(protocol))
    sequences = "interpolation" in metric.spec.needs
    needed += [OFFICIAL_NETWORK] if sequences else []
    if sequences or metric.reads_landmarks(protocol):
        needed += [item.name for item in BACKENDS.get(protocol.landmarks).weights]
    absent = [name for name in metric.packages(protocol) if installed_version(name) is None]
    return [*absent, *(name for name in dict.fromkeys(needed) if files.find(name) is None)]


def _machine() -> Iterator[Check]:
    yield Check("python", "ok", f"{sys.version.split()[0]} on {platform.platform()}, {os.cpu_count()} cores")
    try:
        import torch

        yield _devices(torch.__version__)
    except ImportError:
        yield Check("torch", "missing", "pip install torch", "landmark backend fan, all networks")


def _devices(version: str) -> Check:
    """The accelerators that torch sees, their memory, and which one ``auto`` takes."""
    cards = choice.cards()
    if not cards:
        return Check("torch device", "ok", f"no GPU (torch {version})", "training at full size in hours")
    found = "; ".join(
        f"{card.device} {card.name}" + (f", {card.free:.0f} of {card.total:.0f} GiB free" if card.total > 0 else "")
        for card in cards
    )
    try:
        return Check("torch device", "ok", f"{found}; auto is {choice.choose()}")
    except InputError as error:
        return Check("torch device", "damaged", f"{found}; {error}", "networks on the GPU")


def _packages() -> Iterator[Check]:
    versions = package_versions()
    for name, version in versions.items():
        if version is not None and name not in OPTIONAL:
            yield Check(f"package {name}", "ok", version)
        elif version is None and name not in OPTIONAL and name not in _SECOND_OPENCVS:
            yield Check(f"package {name}", "missing", f"pip install {name}", "gmbench as a whole")
    for second in _SECOND_OPENCVS:
        if versions[second] and versions["opencv-contrib-python"]:
            detail = f"opencv-contrib-python brings the same files: pip uninstall {second}, then reinstall the other"
            yield Check(f"package {second}", "damaged", detail, "knowing which OpenCV reads the pictures")
    for name, (extra, use) in OPTIONAL.items():
        found = installed_version(name)
        yield Check(f"package {name}", "ok" if found else "missing", found or f"pip install 'gmbench[{extra}]'",
                    "" if found else use)  # fmt: skip


def _codecs() -> Iterator[Check]:
    codecs: tuple[tuple[str, Literal["r", "w"], str], ...] = (
        ("h264", "r", "most videos"), ("hevc", "r", "HEVC videos"), ("mpeg4", "r", "MPEG-4 videos"),
        ("libx264", "w", "writing videos"), ("aac", "w", "writing videos with sound"),
    )  # fmt: skip
    for codec, mode, loss in codecs:
        try:
            av.Codec(codec, mode)
            yield Check(f"codec {codec}", "ok", "decoder" if mode == "r" else "encoder")
        except ValueError:
            yield Check(f"codec {codec}", "missing", "in this build of PyAV", loss)


def _folders() -> Iterator[Check]:
    for what, path in (("feature store", store.default_root()), ("weights folder", files.folder())):
        existing = next(p for p in (path, *path.parents) if p.exists())
        free = shutil.disk_usage(existing).free / 2**30
        writable = os.access(existing, os.W_OK)
        detail = f"{path}, {free:.0f} GiB free" + ("" if writable else ", read-only")
        needed = what == "feature store"
        yield Check(what, "ok" if writable or not needed else "damaged", detail, "" if writable else "writing there")


def _configuration() -> Iterator[Check]:
    """What is wrong with the configuration of this folder, where there is one."""
    if not config.FILE.exists():
        return
    try:
        params = config.load()
        problems = params_check.problems(params)
    except InputError as error:
        problems = [str(error)]
    for problem in problems:
        yield Check(str(config.FILE), "damaged", problem, "a run of the pipeline")
    if not problems:
        yield Check(str(config.FILE), "ok", f"profile {params.profile}, all keys and names are known")


def _weights() -> Iterator[Check]:
    for name, entry in manifest().items():
        row = files.status(name)
        wanted = f"put {entry.file} into {files.folder()}"
        if entry.trained:
            wanted = f"{entry.file} is not in {files.trained_folder()}: dvc repro train_extractors"
        detail = row.get("reason") or row["path"] or wanted
        yield Check(f"weights {name}", row["status"], str(detail), "" if row["status"] == "ok" else row["used_by"])


def _landmark_backends() -> Iterator[Check]:
    for name, backend in BACKENDS.all().items():
        missing = [item.file for item in backend.weights if files.find(item.name) is None]
        lack = f"; without {', '.join(missing)}" if missing else ""
        detail = f"{BACKENDS.package(name)}, version {backend.version}{lack}"
        state, loss = ("missing", "these landmarks") if missing else ("ok", "")
        yield Check(f"landmark backend {name}", state, detail, loss)


def _plugins() -> Iterator[Check]:
    """What other packages bring, and what of it is left out."""
    others = plugins.load(plugins.METHODS).found.values()
    left_out = method_registry.problems()
    packages = {plugin.name: plugin.package for plugin in others if plugin.name not in left_out}
    groups: list[tuple[str, dict[str, str], dict[str, str]]] = [
        (plugins.METRICS, METRICS.packages(), METRICS.problems()),
        (plugins.EXTRACTORS, EXTRACTORS.packages(), EXTRACTORS.problems()),
        (plugins.LANDMARKS, {}, BACKENDS.problems()),
        (plugins.DATASETS, DATASETS.packages(), DATASETS.problems()),
        (plugins.METHODS, packages, left_out),
    ]
    for group, names, problems in groups:
        noun = plugins.GROUPS[group]
        for name, package in names.items():
            yield Check(f"{noun} {name}", "ok", package)
        for name, reason in problems.items():
            yield Check(f"{noun} {name}", "damaged", reason, f"this {noun}")
