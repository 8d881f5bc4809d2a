"""Where numbers come from: code, packages, machine."""

import platform
import subprocess
import sys
from datetime import UTC, datetime
from pathlib import Path

from gmbench import extras
from gmbench.version import version as gmbench_version

PACKAGES = (
    "av",
    "dask",
    "face-alignment",
    "librosa",
    "lpips",
    "mediapipe",
    "numba",
    "numpy",
    "onnxruntime",
    "opencv-contrib-python",
    "opencv-python",
    "opencv-python-headless",
    "pandas",
    "pillow",
    "pyarrow",
    "pyiqa",
    "scikit-learn",
    "scipy",
    "silero-vad",
    "torch",
    "torchvision",
)


def package_versions() -> dict[str, str | None]:
    """Versions of the packages that can move a number; None where one is not installed."""
    return {name: installed_version(name) for name in PACKAGES}


def installed_version(package: str) -> str | None:
    """Version of a package, None where it is not installed."""
    return extras.installed_version(package) or None


def git_commit() -> str | None:
    """Commit of the checkout that the package runs from, with ``+`` if it was changed; None outside one."""
    folder = Path(__file__).parent
    try:
        commit = _git(folder, "rev-parse", "HEAD")
        return commit + ("+" if _git(folder, "status", "--porcelain", "--untracked-files=no") else "")
    except (OSError, subprocess.CalledProcessError):
        return None


def describe(arguments: dict[str, object]) -> dict[str, object]:
    """Provenance of a run as a JSON-ready dictionary."""
    return {
        "gmbench": gmbench_version(),
        "commit": git_commit(),
        "time": datetime.now(UTC).isoformat(timespec="seconds"),
        "python": sys.version.split()[0],
        "platform": platform.platform(),
        "packages": package_versions(),
        "arguments": arguments,
    }


def _git(folder: Path, *arguments: str) -> str:
    done = subprocess.run(["git", "-C", str(folder), *arguments], capture_output=True, text=True, check=True)
    return done.stdout.strip()
