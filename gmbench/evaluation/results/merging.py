"""Records of several evaluations as one table: what is evaluated again is replaced, other content stays apart."""

import functools
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import pandas as pd

from gmbench.evaluation.results.records import COMPARABLE, GROUP, WHOLE_SET, concatenate, read
from gmbench.evaluation.results.references import named_apart


def merge(old: pd.DataFrame | None, new: pd.DataFrame) -> pd.DataFrame:
    """Old and new records; a new one replaces the old one of its method, dataset, protocol, metric and clip.

    Old clips that were not evaluated again stay, unless another extractor, file or version gave their numbers:
    together with the new ones they would be no column.
    """
    if old is None or old.empty:
        return new
    replaced = _is_in(old, new, [*GROUP, "clip"])
    other_kind = _is_in(old, new, GROUP) & ~_is_in(old, new, [*GROUP, *COMPARABLE])
    return concatenate([old[~replaced & ~other_kind], new])


def not_evaluated_again(old: pd.DataFrame | None, new: pd.DataFrame) -> pd.DataFrame:
    """The old records of clips that new ones of the same method, dataset, protocol and metric leave out."""
    if old is None or old.empty:
        return new.iloc[:0]
    return old[_is_in(old, new, GROUP) & ~_is_in(old, new, [*GROUP, "clip"]) & (old["clip"] != WHOLE_SET)]


def _is_in(old: pd.DataFrame, new: pd.DataFrame, columns: list[str]) -> pd.Series:
    """Whether the new records have one with the same values in some columns, for each old one."""
    fresh = set(new[columns].itertuples(index=False, name=None))
    return pd.Series([row in fresh for row in old[columns].itertuples(index=False, name=None)], old.index, dtype=bool)


@dataclass(frozen=True)
class NamedRecords:
    """Records of a file or folder; ``names`` maps its datasets' names to those under which they stand here."""

    path: Path
    records: pd.DataFrame
    names: Mapping[str, str]

    @property
    def folder(self) -> Path:
        """Where the records lie."""
        return self.path if self.path.is_dir() else self.path.parent


def read_named(paths: Sequence[Path]) -> list[NamedRecords]:
    """Records of several files and folders; datasets of one name and other content stay apart, later ones keep theirs.

    Raises:
        InputError: as :func:`gmbench.evaluation.results.records.read`.
    """
    parts: list[NamedRecords] = []
    later = None
    for path in reversed(paths):
        table = read(path)
        named = named_apart(later, table)
        parts.insert(0, NamedRecords(path, named, dict(zip(table["dataset"], named["dataset"], strict=True))))
        later = named if later is None else merge(named, later)
    return parts


def joined(parts: Iterable[NamedRecords]) -> pd.DataFrame | None:
    """All records, of which later ones replace what they repeat; None without any."""
    return functools.reduce(lambda earlier, part: merge(earlier, part.records), parts, None)


def read_all(paths: Sequence[Path]) -> pd.DataFrame | None:
    """Both in one step."""
    return joined(read_named(paths))
