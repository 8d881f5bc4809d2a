"""Datasets that are loose videos: HDTF, and the long videos of Live Speech Portraits."""

import re
from pathlib import Path

from gmbench.datasets import splits
from gmbench.datasets.files import SoundFinder, distinct, unread
from gmbench.datasets.manifest import TEST, TRAIN, TUNE, ClipRow, Found, Problem, clip_id, problem_kind, with_split
from gmbench.media import Video, walk

HDTF = re.compile(r"^((?:RD|WDA|WRA).*)_(\d+)$")
LSP = re.compile(r"^lsp\d$")
_SPLIT_FOLDERS = (TRAIN, TUNE, TEST)


def read_hdtf(root: Path, name: str) -> Found:
    """``<RD|WDA|WRA>..._<index>.mp4`` in any folder; where all lie in ``train`` and ``test``, and
    perhaps ``tune``, these are the splits."""
    found, sounds = Found([], []), SoundFinder(root)
    for part in walk(root):
        found.problems.extend(unread(root, part))
        for file in part.videos:
            relative, stem = part.below_root(file), Path(file).stem
            match = HDTF.match(stem)
            if match is None:
                found.problems.append(Problem(relative, "name", "expected <RD|WDA|WRA>..._<index>.mp4"))
                continue
            identifier = clip_id(name, match[1], "neutral", 0, match[2])
            audio = sounds.beside(relative)
            found.rows.append(ClipRow(identifier, name, match[1], "neutral", 0, match[2], relative, audio))
    found = distinct(found)
    folders = {row.video_path.partition("/")[0].lower() for row in found.rows}
    if {TRAIN, TEST} <= folders <= {*_SPLIT_FOLDERS}:
        rows = [with_split(row, row.video_path.partition("/")[0].lower()) for row in found.rows]
        return Found(rows, found.problems)
    return Found(splits.last_sentences(found.rows), found.problems)


def has_hdtf(root: Path) -> bool:
    """Whether a folder has HDTF's names: one beside others at its top, or most of those in its splits' folders."""
    top = next(walk(root)).videos
    if any(HDTF.match(Path(file).stem) for file in top):
        return True
    folders = [path for path in root.iterdir() if path.name.lower() in _SPLIT_FOLDERS and path.is_dir()]
    below = [bool(HDTF.match(Path(file).stem)) for folder in folders for part in walk(folder) for file in part.videos]
    return 2 * sum(below) > len(below)


def read_long_videos(root: Path, name: str) -> Found:
    """Long videos of one person each, split in time, see :func:`gmbench.datasets.splits.of_sequence`."""
    found, sounds = Found([], []), SoundFinder(root)
    part = next(walk(root))
    found.problems.extend(unread(root, part))
    for file in part.videos:
        try:
            frames = Video(root / file).info.frames
        except Exception as error:  # whatever the decoder raises is this file's
            found.problems.append(Problem(file, problem_kind(error), str(error)))
            continue
        stem, audio = Path(file).stem, sounds.beside(file)
        for split, first, count in splits.of_sequence(frames):
            identifier = clip_id(name, stem, "neutral", 0, split)
            row = ClipRow(identifier, name, stem, "neutral", 0, split, file, audio, first, count, split)
            found.rows.append(row)
    return distinct(found)


def has_long_videos(root: Path) -> bool:
    """Whether a folder has a video of such a name."""
    return any(LSP.match(Path(file).stem) for file in next(walk(root)).videos)
