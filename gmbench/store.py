"""Content-addressed feature store: a safetensors file per clip and pass, written whole or not at all.

The key is a hash over the content of the input, the extractor's name, version and configuration and
the hash of its weights. Any number of processes may share a store; a killed run finds what it finished.
"""

import contextlib
import errno
import hashlib
import itertools
import json
import logging
import os
import threading
import zlib
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, Any, cast

import numpy as np
from numpy.typing import NDArray
from platformdirs import user_cache_path
from safetensors import SafetensorError, safe_open
from safetensors.numpy import save

from gmbench.errors import StoreError

_log = logging.getLogger(__name__)

LAYOUT = 2
"""Of files that hold the features of a clip; before, every feature had a file of its own, which nothing reads now."""
_NAME = 24
"""Characters of a feature's digest that name it in the file of its clip."""
_OPEN = 32
"""So many clips' files are open at a time."""

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
    """Features by key below a folder; see the module.

    A key ``clip/feature`` is of a feature that shares files with others of its clip: what one pass over a clip makes is
    one file (see :meth:`together`), and a later pass adds a file beside it, ``<clip>.1.safetensors`` and so on, so that
    processes never write the same one. Keys without a slash have a file each.
    """

    def __init__(self, root: Path) -> None:
        self.root = root
        self._pending: dict[str, Feature] | None = None
        self._opened: dict[str, list[_File]] = {}

    def path(self, key: str, number: int = 0) -> Path:
        """Where a feature of this key lies or would lie; in which file of its clip's."""
        clip = key.partition("/")[0]
        return self.root / clip[:2] / f"{clip[2:]}{f'.{number}' if number else ''}.safetensors"

    def has(self, key: str) -> bool:
        """Whether the feature is there and whole; a damaged file is removed, so that it is made again."""
        return key in (self._pending or ()) or any(key in file for file in self._files(key))

    def get(self, key: str) -> Feature | None:
        """The feature, or None where it is absent or damaged."""
        if self._pending is not None and key in self._pending:
            return self._pending[key]
        for file in self._files(key):
            if key in file:
                try:
                    return file.feature(key)
                except (OSError, SafetensorError, ValueError) as error:
                    self._remove(file.path, error)
                    self._opened.clear()
        return None

    def put(self, key: str, arrays: Mapping[str, NDArray[Any]], meta: Mapping[str, Any] | None = None) -> None:
        """Write a feature under its key: to a temporary name, then renamed. Inside :meth:`together` it waits.

        Raises:
            StoreError: disk full, no permission, or another failure to write.
        """
        feature = Feature(dict(arrays), dict(meta or {}))
        if self._pending is not None:
            self._pending[key] = feature
        elif "/" in key:
            self._add({key: feature})
        else:
            write_atomically(self.path(key), _packed({key: feature}))

    @contextlib.contextmanager
    def together(self) -> Iterator[None]:
        """What is put inside is written at the end, in one file per clip; for one thread.

        Raises:
            StoreError: as :meth:`put`.
        """
        self._pending = {}
        try:
            yield
        finally:
            made, self._pending = self._pending, None
            for _, keys in itertools.groupby(sorted(made), key=lambda key: key.partition("/")[0]):
                self._add({key: made[key] for key in keys})

    def _add(self, features: dict[str, Feature]) -> None:
        """Write features of one clip to a new file; those that another process has written meanwhile are left out."""
        clip = next(iter(features)).partition("/")[0]
        self._opened.pop(clip, None)
        lacking = {key: feature for key, feature in features.items() if not self.has(key)}
        if lacking:
            _write_beside(lambda number: self.path(clip, number), _packed(lacking))
            self._opened.pop(clip, None)

    def _files(self, key: str) -> "list[_File]":
        """Files of a key's clip, opened; some clips stay open, since their features are asked for one after another."""
        clip, _, feature = key.partition("/")
        if clip in self._opened:
            return self._opened[clip]
        files: list[_File] = []
        for number in itertools.count():
            path = self.path(clip, number)
            try:
                files.append(_File(path))
            except FileNotFoundError:
                break
            except (SafetensorError, ValueError) as error:
                self._remove(path, error)
                break
            if not feature:
                return files
        if feature:
            while len(self._opened) >= _OPEN:
                del self._opened[next(iter(self._opened))]
            self._opened[clip] = files
        return files

    def _remove(self, path: Path, error: Exception) -> None:
        _log.warning("%s: damaged and removed, its features are made again (%s)", path, error)
        path.unlink(missing_ok=True)


class _File:
    """One file of the store: some features of a clip, or one."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._handle = cast(Any, safe_open(path, framework="np"))
        metadata = self._handle.metadata() or {}
        if int(metadata.get("layout", LAYOUT)) > LAYOUT:
            raise StoreError(f"{path}: written by a later gmbench; use another store, or that version")
        self._checks: dict[str, int] = json.loads(metadata.get("crc32", "{}"))
        self._meta: dict[str, Any] = json.loads(metadata.get("meta", "{}"))
        self._arrays: dict[str, list[str]] = {}
        for name in self._handle.keys():  # noqa: SIM118
            self._arrays.setdefault(name[:_NAME] if self._checks else "", []).append(name)

    def __contains__(self, key: str) -> bool:
        return _name(key) in (self._checks or {"": 0})

    def feature(self, key: str) -> Feature:
        """A feature that is in the file; raises ValueError where its bytes have changed."""
        name = _name(key)
        if not name:
            return Feature({array: self._handle.get_tensor(array) for array in self._arrays.get("", [])}, self._meta)
        arrays = {array[_NAME + 1 :]: self._handle.get_tensor(array) for array in sorted(self._arrays.get(name, []))}
        if _crc32(arrays) != self._checks[name]:
            raise ValueError("other bytes than were written")
        return Feature(arrays, self._meta.get(name, {}))


def _name(key: str) -> str:
    """A feature's name in a file of its clip's, empty where it has a file of its own."""
    return key.partition("/")[2][:_NAME]


def _packed(features: Mapping[str, Feature]) -> bytes:
    """Features of one clip, or one feature of a key without a clip, as the bytes of a file."""
    arrays: Arrays = {}
    meta: dict[str, Any] = {}
    checks: dict[str, int] = {}
    for key, feature in features.items():
        name = _name(key)
        contiguous = {array: np.ascontiguousarray(value) for array, value in feature.arrays.items()}
        if not name:
            return bytes(save(contiguous, metadata={"meta": json.dumps(feature.meta, sort_keys=True)}))
        arrays |= {f"{name}.{array}": value for array, value in contiguous.items()}
        meta |= {name: feature.meta} if feature.meta else {}
        checks[name] = _crc32(contiguous)
    facts = {
        "layout": str(LAYOUT),
        "meta": json.dumps(meta, sort_keys=True),
        "crc32": json.dumps(checks, sort_keys=True),
    }
    return bytes(save(arrays, metadata=facts))


def _crc32(arrays: Arrays) -> int:
    """Of names and bytes, in order of names."""
    check = 0
    for name in sorted(arrays):
        check = zlib.crc32(np.ascontiguousarray(arrays[name]).tobytes(), zlib.crc32(name.encode(), check))
    return check


def _write_beside(path_of: Callable[[int], Path], data: bytes) -> None:
    """Write a file under the first number that is free, whole or not at all; raises StoreError."""
    first = path_of(0)
    partial = _partial(first)
    try:
        first.parent.mkdir(parents=True, exist_ok=True)
        partial.write_bytes(data)
        for number in itertools.count():
            if _placed(partial, path_of(number)):
                return
    except OSError as error:
        raise StoreError(_advice(first, error)) from error
    finally:
        with contextlib.suppress(OSError):
            partial.unlink(missing_ok=True)


def _placed(partial: Path, path: Path) -> bool:
    """Give a file its name unless that is taken."""
    try:
        os.link(partial, path)
    except FileExistsError:
        return False
    except OSError:  # a file system without hard links: two processes in the same instant would make a feature twice
        if path.exists():
            return False
        os.replace(partial, path)
    return True


def write_atomically(path: Path, data: bytes) -> None:
    """Write a file so that it is there whole or not at all.

    Raises:
        StoreError: with the folder and the remedy.
    """
    with whole_file(path) as file:
        file.write(data)


@contextlib.contextmanager
def whole_file(path: Path) -> Iterator[IO[bytes]]:
    """A file to write to piece by piece, which has its name at the end, or is not there at all.

    Raises:
        StoreError: with the folder and the remedy.
    """
    partial = _partial(path)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with partial.open("wb") as file:
            yield file
        os.replace(partial, path)
    except OSError as error:
        raise StoreError(_advice(path, error)) from error
    finally:
        with contextlib.suppress(OSError):
            partial.unlink(missing_ok=True)


def _partial(path: Path) -> Path:
    """Name of a file while it is written."""
    return path.with_name(f".{path.name}.{os.getpid()}.{threading.get_ident()}.part")


def disk_full(error: OSError) -> bool:
    """Whether nothing more can be written."""
    return error.errno in (errno.ENOSPC, errno.EDQUOT)


def _advice(path: Path, error: OSError) -> str:
    if disk_full(error):
        return f"{path.parent}: disk full; free some space and run again, finished clips are kept"
    if error.errno in (errno.EACCES, errno.EPERM, errno.EROFS):
        return f"{path.parent}: not writable; choose another folder with --out or --store"
    return f"{path}: cannot be written ({error.strerror})"
