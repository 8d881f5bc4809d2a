"""Which files a comparison read: one row per (method, clip), kept beside the records for reports that show the clips.

Paths are relative to the folder of the table, so that links still work after both folders are moved.
"""

import os
from collections.abc import Collection, Iterable
from pathlib import Path

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from gmbench.evaluation.planning.plan import Plan
from gmbench.parquet import write_table

FILE = "sources.parquet"
COLUMNS = ("dataset", "method", "clip", "speaker", "emotion", "video", "reference", "change")
"""``change``: what a control does to the reference; its video is not a file of its own then."""
LANDMARKS = ("landmarks", "reference_landmarks")
"""Keys in the store of the landmarks that the evaluation saw; tables of earlier versions have none."""


def of_plan(plan: Plan, folder: Path) -> pd.DataFrame:
    """Files of a plan's clips, empty where there is none; paths relative to ``folder``."""
    rows = []
    for clip in plan.clips:
        given = clip.generated
        change = " ".join(part for part in (given.video_change, given.audio_change) if part)
        reference = _relative(clip.reference.video if clip.reference else None, folder)
        about = (plan.dataset, clip.method, clip.clip, clip.speaker, clip.emotion)
        keys = [plan.keys.landmarks(one) if one and one.video else "" for one in (given, clip.reference)]
        rows.append((*about, _relative(given.video, folder), reference, change, *keys))
    return pd.DataFrame(rows, columns=[*COLUMNS, *LANDMARKS])


def save(folder: Path, new: pd.DataFrame) -> None:
    """Write the table; clips that were compared earlier stay, what was compared again is replaced."""
    old = read(folder)
    if old is not None:
        columns = ["dataset", "method", "clip"]
        fresh = set(new[columns].itertuples(index=False, name=None))
        kept = [key not in fresh for key in old[columns].itertuples(index=False, name=None)]
        new = pd.concat([old[kept], new])
    _write(folder, new)


def keep(folder: Path, methods: Collection[tuple[str, str]]) -> None:
    """Leave only the files of some methods, by (dataset, method), in the table of a folder, if it has one."""
    table = read(folder)
    if table is not None:
        _write(folder, table[[key in methods for key in zip(table["dataset"], table["method"], strict=True)]])


def _write(folder: Path, table: pd.DataFrame) -> None:
    table = table.sort_values(["dataset", "method", "clip"], kind="stable", ignore_index=True)
    arrow = pa.Table.from_pandas(table, preserve_index=False).replace_schema_metadata(None)
    write_table(arrow, folder / FILE, compression="zstd")


def copy(tables: Iterable[tuple[Path, pd.DataFrame]], target: Path) -> None:
    """Add tables that lie in other folders to the one of ``target``, with paths relative to it."""
    for folder, table in tables:
        moved = {
            column: [_relative(folder / path, target) if path else "" for path in table[column]]
            for column in ("video", "reference")
        }
        save(target, table.assign(**moved))


def read(folder: Path) -> pd.DataFrame | None:
    """The table of a folder, or None where it has none or another form."""
    path = folder / FILE
    if not path.is_file():
        return None
    try:
        table = pd.DataFrame(pq.read_table(path).to_pandas())
    except (OSError, pa.ArrowInvalid):
        return None
    if not set(COLUMNS) <= set(table.columns):
        return None
    return table.assign(**{column: "" for column in LANDMARKS if column not in table})


def _relative(path: Path | None, folder: Path) -> str:
    return "" if path is None else Path(os.path.relpath(path.resolve(), folder.resolve())).as_posix()
