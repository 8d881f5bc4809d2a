"""Files of network weights on this machine: where they lie, whether they are genuine, how they get here."""

import functools
import json
import os
import warnings
from collections.abc import Mapping
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from platformdirs import user_cache_path
from safetensors import SafetensorError, safe_open

from gmbench.errors import StoreError, WeightsError
from gmbench.store import file_digest, write_atomically
from gmbench.weights.declarations import declared, package

RECORDED = "recorded.json"
SHIPPED = Path(__file__).with_name("corpus")
"""Folder of the networks of the corpus that come with gmbench, with their recipe and validation."""
FACTS = "networks.json"
"""In it and in ``models/extractors``: how the networks were made, and the sha256 of each."""
_FORMER_FOLDER = Path("models/evaluators")


def folder() -> Path:
    """``GMBENCH_WEIGHTS``, or the user's cache folder."""
    return Path(os.environ.get("GMBENCH_WEIGHTS") or user_cache_path("gmbench") / "weights")


def trained_folder() -> Path:
    """Where the networks of the corpus are.

    ``GMBENCH_EXTRACTORS``; else ``models/extractors`` here, where the pipeline has put or trained some; else
    :data:`SHIPPED`.

    Raises:
        WeightsError: the environment has the variable's former name.
    """
    if os.environ.get("GMBENCH_EVALUATORS"):
        raise WeightsError("the variable GMBENCH_EVALUATORS is now called GMBENCH_EXTRACTORS; rename it")
    named, here = os.environ.get("GMBENCH_EXTRACTORS"), Path("models/extractors")
    if named:
        return Path(named)
    return here if any(here.glob("*.safetensors")) or not (SHIPPED / FACTS).is_file() else SHIPPED


@functools.cache
def shipped_facts() -> dict[str, Any]:
    """How the networks that come with gmbench were made; empty where none came. See ``tools/extractors.py``."""
    path = SHIPPED / FACTS
    return dict(json.loads(path.read_text("utf-8"))) if path.is_file() else {}


def find(name: str) -> Path | None:
    """Path of a file if it is there; not yet verified."""
    entry = declared(name)
    path = (trained_folder() if entry.trained else folder()) / entry.file
    return path if path.is_file() else None


def load_path(name: str) -> tuple[Path, str]:
    """Path and sha256 of a verified file.

    Raises:
        WeightsError: absent (the message says which file to put where), not the genuine file, or a network of the
            corpus that failed its validation.
    """
    path = find(name)
    entry = declared(name)
    if entry.trained and (path is None or path.parent == SHIPPED) and _FORMER_FOLDER.is_dir():
        raise WeightsError(f"{_FORMER_FOLDER} is now called models/extractors; rename the folder")
    if path is None and entry.trained:
        raise WeightsError(
            f"{entry.file} is not in {trained_folder()}: make it with 'dvc repro train_extractors' (without "
            "GMBENCH_EXTRACTORS and networks in models/extractors those that come with gmbench are used)"
        )
    if path is None:
        fetch_hint = f"run 'gmbench weights fetch {name}' or " if entry.url else ""
        if entry.command:
            raise WeightsError(
                f"{entry.file} is not in {folder()}: train it with '{entry.command}' (GMBENCH_WEIGHTS names another "
                "folder)"
            )
        raise WeightsError(
            f"{entry.file} is missing: {fetch_hint}put it into {folder()} (from {entry.source}; "
            "GMBENCH_WEIGHTS names another folder)"
        )
    sha = verify(name, path)
    if entry.trained and (failed := _failed_checks(path, sha)):
        raise WeightsError(f"{path}: failed its validation ({' '.join(failed)}) and scores nothing; train it longer")
    return path, sha


@functools.cache
def _failed_checks(path: Path, sha256: str) -> tuple[str, ...]:
    """What a trained network's file says of its validation; the hash is part of the cache's key."""
    try:
        with safe_open(path, framework="np") as file:
            training_facts = json.loads((file.metadata() or {}).get("facts", "{}"))
    except (OSError, SafetensorError, ValueError) as error:
        raise WeightsError(f"{path}: damaged ({error}); run the stage train_extractors again") from error
    return tuple(training_facts.get("report", {}).get("failed", []))


def verify(name: str, path: Path) -> str:
    """sha256 of a file after comparing it with the manifest or with the hash of its first use.

    Raises:
        WeightsError: the hash differs.
    """
    stat = path.stat()
    actual = _cached_digest(path, stat.st_size, stat.st_mtime_ns)
    entry = declared(name)
    if entry.trained:
        return _genuine(path, actual)
    recorded = _recorded(path.parent)
    expected = entry.sha256 or recorded.get(entry.file) or entry.sha256_prefix
    if expected is not None and not actual.startswith(expected):
        raise WeightsError(
            f"{path}: sha256 {actual[:12]}... where {expected[:12]}... was expected; delete it and get it again "
            f"from {entry.source}"
        )
    if entry.sha256 is None and entry.file not in recorded:
        _record(path.parent, recorded | {entry.file: actual})
    return actual


def _genuine(path: Path, sha256: str) -> str:
    """The hash of a network of the corpus; WeightsError if it lies among those of the package and is another."""
    expected = shipped_facts().get("networks", {}).get(path.stem, {}).get("sha256", "")
    if path.parent == SHIPPED and sha256 != expected:
        raise WeightsError(f"{path}: sha256 {sha256[:12]}... where {expected[:12]}... was expected; reinstall gmbench")
    return sha256


def install(name: str, content: bytes, report: Mapping[str, Any]) -> Path:
    """Put a network that was trained here into the weights folder, with a report of its training beside it.

    Args:
        name: of the file's declaration.
        content: of the file.
        report: JSON values; the file's sha256 is added.
    """
    path = folder() / declared(name).file
    write_atomically(path, content)
    sha = file_digest(path)
    written = {**report, "file": path.name, "sha256": sha}
    write_atomically(path.with_suffix(".json"), (json.dumps(written, indent=1, sort_keys=True) + "\n").encode())
    _record(path.parent, _recorded(path.parent) | {path.name: sha})
    return path


def training_report(name: str) -> dict[str, Any]:
    """What :func:`install` wrote beside a file; empty where there is nothing, or where the file is another one now."""
    path = find(name)
    if path is None or declared(name).trained or not path.with_suffix(".json").is_file():
        return {}
    report: dict[str, Any] = json.loads(path.with_suffix(".json").read_text("utf-8"))
    return report if report.get("sha256") == verify(name, path) else {}


def fetch(name: str) -> Path:
    """Download a file into the weights folder and verify it.

    Raises:
        WeightsError: no public address, or the download failed; the message says what to do by hand.
    """
    import pooch

    entry = declared(name)
    by_hand = f"get {entry.file} from {entry.source} and put it into {folder()}"
    if entry.url is None:
        raise WeightsError(f"{name} is not for gmbench to fetch, its contents are not pinned: {by_hand}")
    known = f"sha256:{entry.sha256}" if entry.sha256 else None
    try:
        path = Path(pooch.retrieve(entry.url, known_hash=known, fname=entry.file, path=folder()))
    except (OSError, ValueError) as error:
        unreachable = any(word in type(error).__name__ for word in ("Connection", "Timeout"))
        cause = f"no answer from {urlsplit(entry.url).hostname}" if unreachable else str(error).splitlines()[0][:200]
        raise WeightsError(f"{name} could not be downloaded ({cause}): {by_hand}") from error
    verify(name, path)
    return path


def status(name: str) -> dict[str, Any]:
    """One row for ``gmbench weights list``: present, verified, missing or damaged, with the reason."""
    entry = declared(name)
    row: dict[str, Any] = {
        "name": name, "file": entry.file, "what": entry.what, "used_by": entry.used_by, "size": entry.size,
        "licence": entry.licence, "origin": entry.origin, "address": entry.address or None,
        "source": entry.source, "sha256": entry.sha256 or entry.sha256_prefix,
        "package": package(name),
    }  # fmt: skip
    path = find(name)
    if path is None:
        return row | {"status": "missing", "path": None}
    if path.parent == SHIPPED:
        row |= {"source": "comes with gmbench", "origin": "gmbench", "size": path.stat().st_size}
    try:
        row |= {"status": "ok", "path": str(path), "sha256": verify(name, path)}
        return row | ({"training": report} if (report := training_report(name)) else {})
    except WeightsError as error:
        return row | {"status": "damaged", "path": str(path), "reason": str(error)}


@functools.cache
def _cached_digest(path: Path, size: int, modified: int) -> str:
    return file_digest(path)


def _recorded(directory: Path) -> dict[str, str]:
    path = directory / RECORDED
    if not path.is_file():
        return {}
    recorded: dict[str, str] = json.loads(path.read_text("utf-8"))
    return recorded


def _record(directory: Path, hashes: dict[str, str]) -> None:
    try:
        write_atomically(directory / RECORDED, (json.dumps(hashes, indent=1, sort_keys=True) + "\n").encode())
    except StoreError:
        warnings.warn(f"{directory} is not writable: hashes of first use are not recorded", stacklevel=2)
