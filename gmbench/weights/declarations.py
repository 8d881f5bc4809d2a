"""Which files of network weights there are: those of gmbench's manifest, and those that other packages bring."""

import functools
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from importlib import resources
from pathlib import Path

import yaml

from gmbench import plugins
from gmbench.errors import InputError
from gmbench.names import closest


@dataclass(frozen=True, kw_only=True)
class Weights:
    """One file of weights.

    Attributes:
        name: by which features, records and commands call it.
        file: its name in the weights folder.
        used_by: the metrics or the landmark backend that read it.
        licence: of the weights.
        size: in bytes, or as text where it is second-hand.
        what: which network, trained on what.
        origin: who publishes it, for files that must be got by hand.
        url: public address for ``gmbench weights fetch``, or None.
        page: where it is offered, for files that must be got by hand.
        sha256: of the genuine file; None where it is pinned at its first use. sha256_prefix: its first digits.
        trained: on the synthetic corpus, by gmbench or the user's pipeline; lies in
            :func:`~gmbench.weights.files.trained_folder`, and only gmbench's own has a hash to expect.

    Raises:
        InputError: ``file`` is a path instead of a name.
    """

    name: str
    file: str
    used_by: str
    licence: str
    size: int | str
    what: str = ""
    origin: str = ""
    url: str | None = None
    page: str = ""
    sha256: str | None = None
    sha256_prefix: str | None = None
    command: str = ""
    trained: bool = False

    def __post_init__(self) -> None:
        """Refuse paths."""
        if Path(self.file).name != self.file:
            raise InputError(f"weights {self.name}: expected the name of a file, got {self.file!r}")

    @property
    def address(self) -> str:
        """Where to get it: the file itself or the page that offers it; empty where none is known."""
        return self.url or self.page

    @property
    def source(self) -> str:
        """Who publishes the file and where, for messages."""
        if self.trained or not self.address:
            return self.origin or "its authors; their address is not known"
        return f"{self.origin}, {self.address}" if self.origin else self.address


@functools.cache
def packaged() -> dict[str, Weights]:
    """The files of gmbench's own networks by name."""
    text = resources.files(__package__).joinpath("manifest.yaml").read_text("utf-8")
    return {name: Weights(name=name, **fields) for name, fields in yaml.safe_load(text).items()}


def brought() -> dict[str, tuple[Weights, str]]:
    """The files that extractors and landmark backends of other packages bring, with their packages, by name."""
    found: dict[str, tuple[Weights, str]] = {}
    for group in (plugins.EXTRACTORS, plugins.LANDMARKS):
        for declaration, package in plugins.declarations(group).found:
            for weights in _brought_by(declaration):
                taken = {entry.file for entry in packaged().values()} | {entry.file for entry, _ in found.values()}
                if weights.name not in packaged() and weights.name not in found and weights.file not in taken:
                    found[weights.name] = weights, package
    return found


def _brought_by(declaration: object) -> Iterator[Weights]:
    given = getattr(declaration, "weights", ())
    yield from (item for item in given if isinstance(item, Weights)) if isinstance(given, (tuple, list)) else ()


def refusal(brought_weights: Iterable[Weights]) -> str:
    """Why the files of a plug-in cannot be used: another one has the name; empty where they can."""
    for weights in brought_weights:
        if manifest().get(weights.name) != weights:
            return f"weights {weights.name!r} ({weights.file}): the name or the file's name is taken; rename it"
    return ""


def manifest() -> dict[str, Weights]:
    """All files by name."""
    return packaged() | {name: weights for name, (weights, _) in brought().items()}


def declared(name: str) -> Weights:
    """The declaration of a file; raises InputError for an unknown name, with the nearest."""
    if name in packaged():
        return packaged()[name]
    known = manifest()
    if name not in known:
        raise InputError(f"unknown weights {name!r}; {closest(name, known)}")
    return known[name]


def package(name: str) -> str:
    """Package that declares a known file."""
    return plugins.OWN if name in packaged() else brought()[name][1]
