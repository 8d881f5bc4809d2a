"""What is installed, what is missing, and what that rules out."""

import os
import platform
import shutil
import sys
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Literal

import av

from gmbench import store, weights
from gmbench.provenance import package_versions

_OPTIONAL = {"face-alignment": "landmark backend fan"}


@dataclass(frozen=True)
class Finding:
    """One line: what was looked at, ``ok``, ``missing`` or ``damaged``, details, and what it rules out."""

    what: str
    state: str
    detail: str
    rules_out: str = ""

    def as_json(self) -> dict[str, Any]:
        """All fields."""
        return asdict(self)


def examine() -> list[Finding]:
    """Everything that decides what can run here."""
    return [*_machine(), *_packages(), *_codecs(), *_folders(), *_weights()]


def _machine() -> Iterator[Finding]:
    yield Finding("python", "ok", f"{sys.version.split()[0]} on {platform.platform()}, {os.cpu_count()} cores")
    try:
        import torch

        gpu = torch.cuda.get_device_name(0) if torch.cuda.is_available() else "no GPU"
        yield Finding("torch device", "ok", gpu, "" if torch.cuda.is_available() else "training at full size in hours")
    except ImportError:
        yield Finding("torch", "missing", "pip install torch", "landmark backend fan, all networks")


def _packages() -> Iterator[Finding]:
    for name, found in package_versions().items():
        if found is not None:
            yield Finding(f"package {name}", "ok", found)
        elif name in _OPTIONAL:
            yield Finding(f"package {name}", "missing", f"pip install {name}", _OPTIONAL[name])
        elif name != "opencv-python" and not name.startswith("opencv"):
            yield Finding(f"package {name}", "missing", f"pip install {name}", "gmbench as a whole")


def _codecs() -> Iterator[Finding]:
    codecs: tuple[tuple[str, Literal["r", "w"], str], ...] = (
        ("h264", "r", "most videos"), ("hevc", "r", "HEVC videos"), ("mpeg4", "r", "MPEG-4 videos"),
        ("libx264", "w", "writing videos"), ("aac", "w", "writing videos with sound"),
    )  # fmt: skip
    for codec, mode, loss in codecs:
        try:
            av.Codec(codec, mode)
            yield Finding(f"codec {codec}", "ok", "decoder" if mode == "r" else "encoder")
        except ValueError:
            yield Finding(f"codec {codec}", "missing", "in this build of PyAV", loss)


def _folders() -> Iterator[Finding]:
    for what, path in (("feature store", store.default_root()), ("weights folder", weights.folder())):
        existing = next(p for p in (path, *path.parents) if p.exists())
        free = shutil.disk_usage(existing).free / 2**30
        writable = os.access(existing, os.W_OK)
        detail = f"{path}, {free:.0f} GiB free" + ("" if writable else ", read-only")
        needed = what == "feature store"
        yield Finding(what, "ok" if writable or not needed else "damaged", detail, "" if writable else "writing there")


def _weights() -> Iterator[Finding]:
    for name in weights.manifest():
        row = weights.status(name)
        detail = row.get("reason") or (
            row["path"] if row["path"] else f"put {row['file']} into {Path(weights.folder())}"
        )
        yield Finding(f"weights {name}", row["status"], str(detail), "" if row["status"] == "ok" else row["used_by"])
