"""Which clips of a large dataset are used: a seeded draw that looks at names alone and opens no file."""

import hashlib
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import PurePosixPath

from gmbench.datasets.manifest import ClipRow


@dataclass(frozen=True)
class Selection:
    """How many clips are drawn, and from what.

    Attributes:
        clips: at most so many in all.
        per_folder: at most so many that lie in one folder, which of VoxCeleb2 is one source video; 0 for no limit.
        split: of the clips that are drawn from; all others are left out. Empty for all splits.
        seed: of the draw.
    """

    clips: int
    per_folder: int = 0
    split: str = "train"
    seed: int = 0


def select(rows: Sequence[ClipRow], selection: Selection) -> list[ClipRow]:
    """The rows that are drawn, in their former order.

    Each clip has a random place of its own, by seed and name: the draw does not depend on the order of the files, and
    files that are added or removed leave the places of the others as they are.
    """
    taken: Counter[str] = Counter()
    chosen: set[str] = set()
    among = [row for row in rows if selection.split in ("", row.split)]
    for row in sorted(among, key=lambda row: _place(row, selection.seed)):
        if len(chosen) == selection.clips:
            break
        folder = str(PurePosixPath(row.video_path).parent)
        if not selection.per_folder or taken[folder] < selection.per_folder:
            taken[folder] += 1
            chosen.add(row.clip_id)
    return [row for row in among if row.clip_id in chosen]


def _place(row: ClipRow, seed: int) -> bytes:
    return hashlib.sha256(f"{seed} {row.clip_id}".encode()).digest()
