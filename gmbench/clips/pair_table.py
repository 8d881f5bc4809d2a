"""Pairs of files from a table, in place of folders."""

import os
import unicodedata
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from gmbench.clips.clip import Clip, Pair
from gmbench.clips.tables import Table, label, read_table
from gmbench.errors import InputError
from gmbench.names import check_clip_name, composed, counted, some

_FILES = ("generated", "reference", "audio", "landmarks", "reference_audio", "reference_landmarks")
COLUMNS = ("clip", "method", "speaker", "emotion", *_FILES)


@dataclass(frozen=True)
class PairTable:
    """Pairs by method, and what the user should know of the table."""

    methods: dict[str, list[Pair]]
    notes: tuple[str, ...]


def read_pairs(path: Path) -> PairTable:
    """Pairs from a table (CSV), by method.

    Columns: ``clip``, ``generated``; optionally ``method``, ``reference``, ``audio``, ``landmarks``,
    ``reference_audio``, ``reference_landmarks``, ``speaker``, ``emotion``. Paths are relative to the
    table's folder.

    Raises:
        InputError: the table cannot be read, lacks a column, repeats a clip, names one that leaves its folder or
            one with two references; or none of its files exists.
    """
    table = read_table(path, ("clip", "generated"))
    if not table.rows:
        raise InputError(f"{path}: no rows")
    methods: dict[str, list[Pair]] = {}
    references: dict[str, Path] = {}
    seen: set[tuple[str, str]] = set()
    for line, row in table.rows:
        where = f"{path}, line {line}"
        pair = _pair(row, where, path.parent)
        method = row.get("method") or "ours"
        if (method, pair.clip) in seen:
            raise InputError(f"{where}: clip {pair.clip!r} stands twice for one method")
        seen.add((method, pair.clip))
        methods.setdefault(method, []).append(pair)
        target = pair.reference.video if pair.reference else None
        if target is not None and references.setdefault(pair.clip, target) != target:
            raise InputError(f"{where}: clip {pair.clip!r} has another reference in a line above; name them apart")
    return PairTable(methods, (*table.misspelt(COLUMNS), *_missing(table)))


def _pair(row: dict[str, str], where: str, folder: Path) -> Pair:
    name = composed(check_clip_name(row["clip"], where))
    files = {column: _file(folder, row[column]) if row.get(column) else None for column in _FILES}
    speaker, emotion = label(row.get("speaker", "")), label(row.get("emotion", ""))

    def clip(video: str, audio: str, landmarks: str) -> Clip | None:
        given = files[video], files[audio], files[landmarks]
        return Clip(name, *given, speaker, emotion, audio_first=given[1] is not None) if files[video] else None

    generated = clip("generated", "audio", "landmarks")
    return Pair(name, generated, clip("reference", "reference_audio", "reference_landmarks"), (), speaker, emotion)


def _file(folder: Path, cell: str) -> Path:
    """A path of the table: ``~`` is the home folder; backslashes for ``/`` and other Unicode forms are forgiven."""
    forms = [unicodedata.normalize(form, text) for text in (cell, cell.replace("\\", "/")) for form in ("NFC", "NFD")]
    paths = [folder / os.path.expanduser(text) for text in (cell, *forms)]
    return next((path for path in paths if os.path.exists(path)), paths[0])


def _missing(table: Table) -> Iterator[str]:
    """A note about the files that do not exist; raises InputError where a whole column does not."""
    lost: list[str] = []
    total = 0
    for column in _FILES:
        cells = [(line, row[column]) for line, row in table.rows if row.get(column)]
        absent = [(line, cell) for line, cell in cells if not os.path.exists(_file(table.path.parent, cell))]
        total += len(cells)
        lost += [f"line {line}: {cell}" for line, cell in absent]
        if cells and len(absent) == len(cells) and column in ("generated", "reference"):
            raise InputError(
                f"{table.path}: no file of column {column} exists (line {absent[0][0]}: "
                f"{_file(table.path.parent, absent[0][1])}); paths are relative to the table's folder"
            )
    if lost:
        yield f"{table.path}: {len(lost)} of {counted(total, 'file')} do not exist ({some(lost)})"
