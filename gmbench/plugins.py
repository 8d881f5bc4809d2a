"""What other packages bring: declarations by entry point, where one that fails costs only itself.

A package names in its ``pyproject.toml`` an entry point of one of :data:`GROUPS`. Nothing here raises for the fault of
another package: what cannot be used is left out, with the package and the reason, warned of once and listed by
``gmbench doctor``.
"""

import functools
import inspect
import logging
import multiprocessing
from collections.abc import Callable, Iterable, Iterator, Mapping
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

OWN = "gmbench"
"""Package of what is built in."""
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


class Declared(NamedTuple):
    """What a group declares: objects with their packages, and why others cannot be used, by name."""

    found: list[tuple[Any, str]]
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


@functools.cache
def declarations(group: str) -> Declared:
    """What the entry points of a group declare: each names one object, several, or a function that returns either."""
    loaded = load(group)
    found: list[tuple[Any, str]] = []
    problems = dict(loaded.problems)
    for plugin in loaded.found.values():
        try:
            found += [(declaration, plugin.package) for declaration in _several(plugin.value)]
        except (Exception, SystemExit) as error:
            problems[plugin.name] = f"{plugin.package}: {explain(error)}"
            warn(group, plugin.name, problems[plugin.name])
    return Declared(found, problems)


def _several(value: Any) -> list[Any]:
    """The declarations behind an entry point's object: a declaration has a name, a function does not stand for one."""
    if inspect.isroutine(value) or inspect.isclass(value):
        value = value()
    return list(value) if isinstance(value, (list, tuple, Iterator)) else [value]


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


class Registry(Generic[Declaration]):
    """Declarations of one kind by name: those of gmbench, then those of other packages.

    Built-in names are found without importing any other package.
    """

    def __init__(
        self, group: str, kind: type[Declaration], built_in: Callable[[], Iterable[Declaration]],
        check: Callable[[Declaration, Mapping[str, Declaration]], str] = lambda declaration, known: "",
    ) -> None:  # fmt: skip
        """``check`` says why a declaration cannot be used beside those that are known; empty where it can."""
        self._group, self._kind, self._built_in, self._check = group, kind, built_in, check

    @functools.cached_property
    def built_in(self) -> dict[str, Declaration]:
        """Those of gmbench."""
        return {declaration.name: declaration for declaration in self._built_in()}

    @functools.cached_property
    def _others(self) -> tuple[dict[str, Declaration], dict[str, str], dict[str, str]]:
        """Declarations of other packages, their packages, and why some are left out."""
        declared = declarations(self._group)
        found: dict[str, Declaration] = {}
        packages: dict[str, str] = {}
        problems = dict(declared.problems)
        for declaration, package in declared.found:
            try:
                name, reason = self._examine(declaration, found, packages)
            except (Exception, SystemExit) as error:
                name, reason = repr(declaration)[:60], explain(error)
            if not reason:
                found[name], packages[name] = declaration, package
                continue
            key = name if name not in problems else f"{name} ({package})"
            problems[key] = f"{package}: {reason}"
            warn(self._group, name, problems[key])
        return found, packages, problems

    def _examine(
        self, declaration: Any, found: dict[str, Declaration], packages: dict[str, str]
    ) -> tuple[str, str]:  # fmt: skip
        """Name of a declaration, and why it cannot be used."""
        if not isinstance(declaration, self._kind):
            raise TypeError(f"expected {self._kind.__name__}, got {type(declaration).__name__}")
        name = declaration.name
        if name in self.built_in or name in found:
            return name, f"{name!r} exists already in {packages.get(name, OWN)}; rename it"
        return name, self._check(declaration, self.built_in | found)

    def all(self) -> dict[str, Declaration]:
        """All usable declarations by name."""
        return self.built_in | self._others[0]

    def get(self, name: str) -> Declaration:
        """A declaration; raises InputError for an unknown name, with the nearest, or with why it is left out."""
        if name in self.built_in:
            return self.built_in[name]
        found, _, problems = self._others
        if name in found:
            return found[name]
        if name in problems:
            raise InputError(f"{GROUPS[self._group]} {name!r} is left out: {problems[name]}")
        raise InputError(f"unknown {GROUPS[self._group]} {name!r}; {closest(name, self.all())}")

    def package(self, name: str) -> str:
        """Package of a known declaration, with its version where it is another one than gmbench."""
        return OWN if name in self.built_in else self._others[1][name]

    def packages(self) -> dict[str, str]:
        """Package of each declaration of another package, by name."""
        return dict(self._others[1])

    def problems(self) -> dict[str, str]:
        """Why plug-ins are left out, by name of the entry point or declaration."""
        return dict(self._others[2])

    def forget(self) -> None:
        """Make the declarations and read the entry points again at the next call."""
        load.cache_clear()
        declarations.cache_clear()
        self.__dict__.pop("built_in", None)
        self.__dict__.pop("_others", None)
