"""A dataset for gmbench: videos ``videos/<speaker>_<emotion>_<take>.mp4`` with their sound inside."""

import re
from pathlib import Path

from gmbench.datasets.manifest import TEST, TRAIN, ClipRow, Found, Problem, clip_id
from gmbench.datasets.readers import Dataset
from gmbench.emotions import SUITE_ORDER, canonical

_NAME = re.compile(r"([a-z]+)_([a-z]+)_(\d{3})\.mp4")
_TEST_TAKES = ("001",)


def read(root: Path, name: str) -> Found:
    """A row for every clip below the root, and what is wrong with the other files; never raises for a file's fault."""
    found = Found([], [])
    for path in sorted(root.glob("videos/*")):
        relative = path.relative_to(root).as_posix()
        match = _NAME.fullmatch(path.name)
        if match is None or not canonical(match[2]):
            reason = f"expected <speaker>_<emotion>_<take>.mp4, an emotion of {', '.join(SUITE_ORDER)}"
            found.problems.append(Problem(path=relative, kind="name", reason=reason))
            continue
        speaker, emotion, take = match[1], canonical(match[2]), match[3]
        found.rows.append(
            ClipRow(
                clip_id=clip_id(name, speaker, emotion, 0, take),
                dataset=name,
                speaker=speaker,
                emotion=emotion,
                level=0,
                sentence=take,
                video_path=relative,
                audio_path="",
                split=TEST if take in _TEST_TAKES else TRAIN,
            )
        )
    return found


def recognises(root: Path) -> bool:
    """Whether a folder has this layout."""
    return any(_NAME.fullmatch(path.name) for path in root.glob("videos/*"))


DATASET = Dataset(
    name="my_dataset",
    read=read,
    obtain="Ask whoever recorded it; it is an example.",
    emotions=SUITE_ORDER,
    crop=256,
    recognises=recognises,
)
