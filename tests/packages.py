"""Packages of others, installed as their users do, without a network."""

import importlib.util
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path


def install(package: Path, target: Path) -> None:
    """Install a package's folder into a target folder with the tools at hand; nothing is written beside its files."""
    if importlib.util.find_spec("pip") is None:
        command = ["uv", "pip", "install", "-q", "--offline", "--python", sys.executable]
    else:
        command = [sys.executable, "-m", "pip", "install", "-q", "--no-index", "--disable-pip-version-check"]
    with tempfile.TemporaryDirectory() as folder:
        copied = shutil.copytree(package, Path(folder) / package.name)
        command += ["--no-deps", "--no-build-isolation", "--target", str(target), str(copied)]
        subprocess.run(command, check=True, capture_output=True, text=True)
