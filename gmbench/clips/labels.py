"""Speakers and emotions of clips from a table."""

from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path

from gmbench.clips.clip import SAMPLE_MARK, Pair
from gmbench.clips.tables import label, read_table
from gmbench.emotions import KNOWN, canonical
from gmbench.errors import InputError
from gmbench.media import MEDIA_SUFFIXES, suffix_of
from gmbench.names import NameIndex, closest, composed, counted, some

COLUMNS = ("clip", "speaker", "emotion")


@dataclass
class Labels:
    """Rows of a table by clip, and which of them were used."""

    path: Path
    rows: dict[str, dict[str, str]]
    notes: list[str]
    _index: NameIndex = field(init=False)
    _used: set[str] = field(default_factory=set)
    _labelled: dict[str, bool] = field(default_factory=dict)

    def __post_init__(self) -> None:
        """Index the rows by clip."""
        self._index = NameIndex(self.rows, str(self.path))

    def label(self, pairs: Iterable[Pair]) -> list[Pair]:
        """Pairs with the table's ``speaker`` and ``emotion``."""
        return [self._label(pair) for pair in pairs]

    def finish(self) -> list[str]:
        """What the user should know; raises InputError where no row has the name of a clip."""
        spare = [name for name in self.rows if name not in self._used and not self._is_sample(name)]
        if not self._used:
            example = next(iter(self.rows), "")
            raise InputError(
                f"{self.path}: no row has the name of a clip (for example {example!r}: "
                f"{closest(example, self._labelled)})"
            )
        return [*self.notes, *self._counts(spare)]

    def _label(self, pair: Pair) -> Pair:
        found = self._index.find(pair.clip)
        self._labelled[pair.clip] = found is not None
        if found is None:
            return pair
        self._used.add(found)
        row = self.rows[found]
        return replace(pair, speaker=row.get("speaker", pair.speaker), emotion=row.get("emotion", pair.emotion))

    def _counts(self, spare: list[str]) -> Iterator[str]:
        if spare:
            near = closest(spare[0], [name for name, found in self._labelled.items() if not found])
            yield f"{self.path}: {counted(len(spare), 'row')} without a clip of that name ({some(spare)}; {near})"
        bare = [name for name, found in self._labelled.items() if not found]
        if bare:
            yield f"{self.path}: {len(bare)} of {counted(len(self._labelled), 'clip')} have no row ({some(bare)})"
        for column, article in (("speaker", "a"), ("emotion", "an")):
            empty = [name for name in self._used if column in self.rows[name] and not self.rows[name][column]]
            if empty and (column == "emotion" or len(empty) < len(self._used)):
                yield f"{self.path}: {counted(len(empty), 'clip')} without {article} {column} ({some(sorted(empty))})"

    def _is_sample(self, name: str) -> bool:
        base, mark, number = name.rpartition(SAMPLE_MARK)
        return bool(mark) and number.isdigit() and base in self._used


def read_labels(path: Path) -> Labels:
    """A table with a column ``clip`` and optionally ``speaker`` and ``emotion``.

    ``a.mp4``, ``./a`` and ``M003\\a`` are read as the clips ``a`` and ``M003/a``.

    Raises:
        InputError: the table cannot be read, has no rows, or says different things of one clip.
    """
    table = read_table(path, ("clip",))
    rows: dict[str, dict[str, str]] = {}
    for line, row in table.rows:
        name = _clip_name(row["clip"])
        labels = {column: label(row[column]) for column in COLUMNS[1:] if column in row}
        if not name:
            raise InputError(f"{path}, line {line}: no clip in this row")
        if rows.setdefault(name, labels) != labels:
            raise InputError(f"{path}, line {line}: clip {name!r} has other labels in a line above; keep one")
    if not rows:
        raise InputError(f"{path}: no rows")
    if not set(COLUMNS[1:]) & set(table.columns):
        raise InputError(f"{path}: no column speaker or emotion; found {', '.join(table.columns)}")
    return Labels(path, rows, table.misspelt(COLUMNS))


def unknown_emotions(pairs: Iterable[Pair], source: str) -> list[str]:
    """A note per label that is no emotion of gmbench, with the nearest one that is."""
    emotions = {pair.clip: pair.emotion for pair in pairs}
    counts = Counter(label for label in emotions.values() if label and not canonical(label))
    return [
        f"{source}: emotion {label!r} of {counted(count, 'clip')} is not known, so metrics of emotions have no value "
        f"there; {closest(label.lower(), KNOWN)}"
        for label, count in sorted(counts.items())
    ]


def _clip_name(cell: str) -> str:
    name = composed(cell.replace("\\", "/")).removeprefix("./").strip("/")
    return name.rpartition(".")[0].strip() if suffix_of(name) in MEDIA_SUFFIXES else name
