"""What other packages bring: declarations by entry point, where one that fails costs only itself.

A package names in its ``pyproject.toml`` an entry point of one of :data:`GROUPS`. Nothing here raises for the fault of
another package: what cannot be used is left out, with the package and the reason, warned of once and listed by
``gmbench doctor``.
"""

import functools
import logging
import multiprocessing
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from importlib import metadata
from typing import Any, Generic, NamedTuple, Protocol, TypeVar

from gmbench.errors import InputError
from gmbench.names import closest

METRICS, EXTRACTORS = "gmbench.metrics", "gmbench.extractors"
LANDMARKS, DATASETS, METHODS = "gmbench.landmarks", "gmbench.datasets", "gmbench.methods"
GROUPS: dict[str, str] = {
    METRICS: "metric",
    EXTRACTORS: "feature extractor",
    LANDMARKS: "landmark backend",
    DATASETS: "dataset",
    METHODS: "method",
}
"""What the entry points of each group declare."""

_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Plugin:
    """An entry point that could be imported.

    Attributes:
        name: of the entry point.
        package: distribution and version that declare it, for example ``my-metric 0.1``.
        value: the object that it names.
    """

    name: str
    package: str
    value: Any


class Plugins(NamedTuple):
    """What a group has: usable entry points by name, and why others cannot be used, by name."""

    found: dict[str, Plugin]
    problems: dict[str, str]


@functools.cache
def load(group: str) -> Plugins:
    """Import all entry points of a group, once per process; never raises for the fault of another package.

    Of two entry points of one name the one of the first package in alphabetical order is taken.
    """
    found: dict[str, Plugin] = {}
    problems: dict[str, str] = {}
    for entry, package in sorted(_entries(group), key=lambda pair: (pair[0].name, pair[1])):
        if entry.name in found:
            key = f"{entry.name} ({package})"
            problems[key] = f"{package}: {found[entry.name].package} has an entry point of this name; rename it"
        else:
            try:
                found[entry.name] = Plugin(entry.name, package, entry.load())
                continue
            except (Exception, SystemExit) as error:
                key = entry.name if entry.name not in problems else f"{entry.name} ({package})"
                problems[key] = f"{package}: {entry.value} cannot be imported ({explain(error)})"
        warn(group, key, problems[key])
    return Plugins(found, problems)


def explain(error: BaseException) -> str:
    """Type and first line of an unexpected error, for a message of one line."""
    lines = str(error).splitlines()
    return f"{type(error).__name__}: {lines[0][:200]}" if lines else type(error).__name__


def warn(group: str, name: str, reason: str) -> None:
    """Warn that a plug-in is left out; workers stay silent, since their parent has said it."""
    if multiprocessing.parent_process() is None:
        _log.warning("%s %r is left out: %s", GROUPS.get(group, group), name, reason)


def _entries(group: str) -> Iterator[tuple[metadata.EntryPoint, str]]:
    for entry in metadata.entry_points(group=group):
        package = entry.dist
        yield entry, f"{package.name} {package.version}" if package is not None else entry.value.partition(":")[0]


class Named(Protocol):
    """A declaration has a name."""

    @property
    def name(self) -> str:
        """By which users call it."""
        ...


Declaration = TypeVar("Declaration", bound=Named)
OWN = "gmbench"
"""Package of what is built in."""


class Registry(Generic[Declaration]):
    """Declarations of one kind by name: those of gmbench, then those of other packages.

    An entry point names one declaration, several, or a function that returns either. Built-in names are found without
    importing any other package.
    """

    def __init__(
        self, group: str, kind: type[Declaration], built_in: Callable[[], Iterable[Declaration]],
        check: Callable[[Declaration], str] = lambda declaration: "",
    ) -> None:  # fmt: skip
        """``check`` returns why a declaration of another package cannot be used, empty where it can."""
        self._group, self._kind, self._built_in, self._check = group, kind, built_in, check

    @functools.cached_property
    def built_in(self) -> dict[str, Declaration]:
        """Those of gmbench."""
        return {declaration.name: declaration for declaration in self._built_in()}

    @functools.cached_property
    def _others(self) -> tuple[dict[str, tuple[Declaration, str]], dict[str, str]]:
        """Declarations of other packages with their package, and why some are left out."""
        loaded = load(self._group)
        found: dict[str, tuple[Declaration, str]] = {}
        problems = dict(loaded.problems)
        for plugin in loaded.found.values():
            try:
                for declaration in self._declarations(plugin.value):
                    if reason := self._refusal(declaration, found):
                        self._refuse(problems, declaration.name, f"{plugin.package}: {reason}")
                    else:
                        found[declaration.name] = declaration, plugin.package
            except (Exception, SystemExit) as error:
                self._refuse(problems, plugin.name, f"{plugin.package}: {explain(error)}")
        return found, problems

    def _declarations(self, value: Any) -> list[Declaration]:
        if callable(value) and not isinstance(value, self._kind):
            value = value()
        several = [value] if isinstance(value, self._kind) else list(value)
        for declaration in several:
            if not isinstance(declaration, self._kind):
                raise TypeError(f"expected {self._kind.__name__}, got {type(declaration).__name__}")
        return several

    def _refusal(self, declaration: Declaration, found: dict[str, tuple[Declaration, str]]) -> str:
        name = declaration.name
        if name in self.built_in or name in found:
            owner = OWN if name in self.built_in else found[name][1]
            return f"{name!r} exists already in {owner}; rename it"
        return self._check(declaration)

    def _refuse(self, problems: dict[str, str], name: str, reason: str) -> None:
        problems[name if name not in problems else f"{name} ({reason.partition(':')[0]})"] = reason
        warn(self._group, name, reason)

    def all(self) -> dict[str, Declaration]:
        """All usable declarations by name."""
        return self.built_in | {name: declaration for name, (declaration, _) in self._others[0].items()}

    def get(self, name: str) -> Declaration:
        """A declaration; raises InputError for an unknown name, with the nearest, or with why it is left out."""
        if name in self.built_in:
            return self.built_in[name]
        if name in self._others[0]:
            return self._others[0][name][0]
        if name in self.problems():
            raise InputError(f"{GROUPS[self._group]} {name!r} is left out: {self.problems()[name]}")
        raise InputError(f"unknown {GROUPS[self._group]} {name!r}; {closest(name, self.all())}")

    def package(self, name: str) -> str:
        """Package of a known declaration, with its version where it is another one than gmbench."""
        return OWN if name in self.built_in else self._others[0][name][1]

    def packages(self) -> dict[str, str]:
        """Package of each declaration of another package, by name."""
        return {name: package for name, (_, package) in self._others[0].items()}

    def problems(self) -> dict[str, str]:
        """Why plug-ins are left out, by name of the entry point or declaration."""
        return self._others[1]

    def forget(self) -> None:
        """Read the entry points again at the next call."""
        load.cache_clear()
        self.__dict__.pop("_others", None)
