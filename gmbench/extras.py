"""Packages that only some uses need, which come with an extra of the installation."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Literal

from gmbench.errors import PackageError

Extra = Literal["fan", "vad", "train", "pipeline"]

OPTIONAL: dict[str, tuple[Extra, str]] = {
    "face-alignment": ("fan", "landmark backend fan"),
    "silero-vad": ("vad", "voice activity, for metrics of silences"),
    "accelerate": ("train", "training"),
    "dvclive": ("train", "training"),
    "diffusers": ("train", "DICE-Talk"),
    "transformers": ("train", "HuBERT's audio features"),
    "dvc": ("pipeline", "the pipeline, dvc repro"),
}
"""By package, the extra that brings it and what needs it."""


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
