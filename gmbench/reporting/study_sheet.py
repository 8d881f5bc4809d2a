"""The sheet of a user study: videos under names that do not tell their method, what is asked of each, and the key."""

import csv
import io
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

from gmbench.errors import InputError
from gmbench.store import digest, write_atomically

SHEET, KEY, VIDEOS = "sheet.csv", "key.csv", "videos"


def write_sheet(folders: Mapping[str, Path], out: Path, aspects: Sequence[str], clips: int, seed: int = 0) -> int:
    """Write what raters get, and the key that they do not get; gives the number of videos.

    ``videos/`` holds the chosen clips of every method, named by a hash. ``sheet.csv`` has a line for each video and
    aspect, ``rater, video, aspect, value``, whose first and last column the raters fill in. ``key.csv`` says which clip
    of which method a video is; :func:`gmbench.reporting.user_study.read_ratings` looks for it beside the ratings.

    Args:
        folders: videos by method, each clip under the same path in all of them.
        out: folder to write into.
        aspects: what is asked of each video.
        clips: number of clips; a hash of their names and the seed chooses.
        seed: of the choice and of the names.

    Raises:
        InputError: no clip that all methods have, or nothing is asked.
    """
    if not aspects:
        raise InputError("nothing is asked of the raters; pass --aspects, for example 'lip sync,quality'")
    shared = _shared_clips(folders)
    chosen = sorted(shared, key=lambda clip: digest(seed, clip))[:clips]
    key = sorted((digest(seed, method, clip)[:12], clip, method) for clip in chosen for method in folders)
    for video, clip, method in key:
        write_atomically(out / VIDEOS / f"{video}.mp4", (folders[method] / f"{clip}.mp4").read_bytes())
    write_atomically(out / KEY, _table(("video", "clip", "method"), key))
    rows = (("", video, aspect, "") for video, _, _ in key for aspect in aspects)
    write_atomically(out / SHEET, _table(("rater", "video", "aspect", "value"), rows))
    return len(key)


def _shared_clips(folders: Mapping[str, Path]) -> set[str]:
    """Names of the clips that every method has, without suffix."""
    found = {
        name: {path.relative_to(folder).with_suffix("").as_posix() for path in folder.rglob("*.mp4")}
        for name, folder in folders.items()
    }
    if empty := [name for name, clips in found.items() if not clips]:
        raise InputError(f"{folders[empty[0]]}: no videos of {empty[0]} here")
    shared = set.intersection(*found.values()) if found else set()
    if not shared:
        raise InputError(f"no clip that all of {', '.join(folders)} have; their files must have the same names")
    return shared


def _table(header: Sequence[str], rows: Iterable[Sequence[str]]) -> bytes:
    text = io.StringIO()
    csv.writer(text, lineterminator="\n").writerows([header, *rows])
    return text.getvalue().encode()
