"""Content-addressed feature store: one safetensors file a feature, written whole or not at all.

The key is a hash over the content of the input, the extractor's name, version and configuration and
the hash of its weights. Any number of processes may share a store; a killed run finds what it finished.
"""

import errno
import hashlib
import json
import os
import threading
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from platformdirs import user_cache_path
from safetensors import SafetensorError, safe_open
from safetensors.numpy import save

from gmbench.errors import StoreError

Arrays = dict[str, NDArray[Any]]


@dataclass(frozen=True)
class Feature:
    """Arrays by name, and small facts that are not arrays (must be JSON)."""

    arrays: Arrays
    meta: dict[str, Any] = field(default_factory=dict)


def default_root() -> Path:
    """``GMBENCH_STORE``, or the user's cache folder."""
    return Path(os.environ.get("GMBENCH_STORE") or user_cache_path("gmbench") / "store")


def digest(*parts: object) -> str:
    """sha256 over a canonical JSON form of the parts."""
    return hashlib.sha256(json.dumps(parts, sort_keys=True, separators=(",", ":")).encode()).hexdigest()


def file_digest(path: Path) -> str:
    """sha256 of a file, or of a folder's files but hidden ones (names and contents) in order of their names."""
    if path.is_dir():
        files = (p for p in sorted(path.iterdir()) if p.is_file() and not p.name.startswith("."))
        return digest(*((p.name, file_digest(p)) for p in files))
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


class Store:
    """Features by key below a folder; see the module."""

    def __init__(self, root: Path) -> None:
        self.root = root

    def path(self, key: str) -> Path:
        """Where a feature of this key lies or would lie."""
        return self.root / key[:2] / f"{key[2:]}.safetensors"

    def has(self, key: str) -> bool:
        """Whether the feature is there and whole; a damaged file is removed, so that it is made again."""
        try:
            with safe_open(self.path(key), framework="np"):
                return True
        except FileNotFoundError:
            return False
        except SafetensorError:
            self.path(key).unlink(missing_ok=True)
            return False

    def get(self, key: str) -> Feature | None:
        """The feature, or None where it is absent."""
        if not self.has(key):
            return None
        with safe_open(self.path(key), framework="np") as file:
            meta = json.loads((file.metadata() or {}).get("meta", "{}"))
            return Feature({name: file.get_tensor(name) for name in file.keys()}, meta)  # noqa: SIM118

    def put(self, key: str, arrays: Mapping[str, NDArray[Any]], meta: Mapping[str, Any] | None = None) -> None:
        """Write a feature under its key: to a temporary name, then renamed.

        Raises:
            StoreError: disk full, no permission, or another failure to write.
        """
        data = save(
            {name: np.ascontiguousarray(value) for name, value in arrays.items()},
            metadata={"meta": json.dumps(dict(meta or {}), sort_keys=True)},
        )
        write_atomically(self.path(key), data)


def write_atomically(path: Path, data: bytes) -> None:
    """Write a file so that it is there whole or not at all.

    Raises:
        StoreError: with the folder and the remedy.
    """
    partial = path.with_name(f".{path.name}.{os.getpid()}.{threading.get_ident()}.part")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        partial.write_bytes(data)
        os.replace(partial, path)
    except OSError as error:
        partial.unlink(missing_ok=True) if path.parent.is_dir() else None
        raise StoreError(_advice(path, error)) from error


def _advice(path: Path, error: OSError) -> str:
    if error.errno in (errno.ENOSPC, errno.EDQUOT):
        return f"{path.parent}: disk full; free some space and run again, finished clips are kept"
    if error.errno in (errno.EACCES, errno.EPERM, errno.EROFS):
        return f"{path.parent}: not writable; choose another folder with --out or --store"
    return f"{path}: cannot be written ({error.strerror})"
