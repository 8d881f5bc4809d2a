"""Packages that only some uses need, which come with an extra of the installation."""

from collections.abc import Iterator
from contextlib import contextmanager
from importlib import metadata
from typing import Literal

from gmbench.errors import PackageError

Extra = Literal["fan", "vad", "iqa", "train", "pipeline"]

OPTIONAL: dict[str, tuple[Extra, str]] = {
    "face-alignment": ("fan", "landmark backend fan"),
    "silero-vad": ("vad", "voice activity, for metrics of silences"),
    "pyiqa": ("iqa", "image quality of mouth, face and frame; no commercial use"),
    "accelerate": ("train", "training"),
    "dvclive": ("train", "training"),
    "diffusers": ("train", "DICE-Talk"),
    "transformers": ("train", "HuBERT's audio features"),
    "dvc": ("pipeline", "the pipeline, dvc repro"),
}
"""By package, the extra that brings it and what needs it."""


def installed_version(package: str) -> str:
    """Version of a package, empty where it is not installed."""
    try:
        return metadata.version(package)
    except metadata.PackageNotFoundError:
        return ""


def remedy(package: str) -> str:
    """How to get a package of :data:`OPTIONAL`, or another one."""
    extra_name = OPTIONAL[package][0] if package in OPTIONAL else ""
    comes = f"; it comes with the extra {extra_name}: pip install 'gmbench[{extra_name}]'" if extra_name else ""
    return f"the package {package} is not installed{comes or f': pip install {package}'}"


@contextmanager
def extra(name: Extra) -> Iterator[None]:
    """Around imports of packages of an extra: where one is not installed, the error names the extra.

    Raises:
        PackageError: with the remedy.
    """
    try:
        yield
    except ModuleNotFoundError as error:
        raise PackageError(
            f"the package {error.name} is not installed; it comes with the extra {name}: pip install 'gmbench[{name}]'"
        ) from error
