"""Records of several evaluations as one table: what is evaluated again is replaced, other content stays apart."""

import functools
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from gmbench.evaluation.results.records import COMPARABLE, GROUP, WHOLE_SET, concatenate, group_rows, read
from gmbench.evaluation.results.references import named_apart


def merge(old: pd.DataFrame | None, new: pd.DataFrame) -> pd.DataFrame:
    """Old and new records; a new one replaces the old one of its method, dataset, protocol, metric and clip.

    Old clips that were not evaluated again stay, unless another extractor, file or version gave their numbers:
    together with the new ones they would be no column.
    """
    if old is None or old.empty:
        return new
    replaced = _of_clips_in(old, new)
    other_kind = _is_in(old, new, GROUP) & ~_is_in(old, new, [*GROUP, *COMPARABLE])
    return concatenate([old[~replaced & ~other_kind], new])


def not_evaluated_again(old: pd.DataFrame | None, new: pd.DataFrame) -> pd.DataFrame:
    """The old records of clips that new ones of the same method, dataset, protocol and metric leave out."""
    if old is None or old.empty:
        return new.iloc[:0]
    return old[_is_in(old, new, GROUP) & ~_of_clips_in(old, new) & (old["clip"] != WHOLE_SET)]


def _is_in(old: pd.DataFrame, new: pd.DataFrame, columns: list[str]) -> NDArray[np.bool_]:
    """Whether the new records have one with the same values in some columns, for each old one."""
    fresh = {key for key, _ in group_rows(new, columns)}
    found = np.zeros(len(old), bool)
    for key, rows in group_rows(old, columns):
        found[rows] = key in fresh
    return found


def _of_clips_in(old: pd.DataFrame, new: pd.DataFrame) -> NDArray[np.bool_]:
    """The same for the columns of :data:`GROUP` and the clip; the clips of one group are in memory at a time."""
    fresh = dict(group_rows(new, GROUP))
    found = np.zeros(len(old), bool)
    for key, rows in group_rows(old, GROUP):
        clips = set(new["clip"].iloc[fresh[key]]) if key in fresh else set()
        found[rows] = [clip in clips for clip in old["clip"].iloc[rows]]
    return found


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
