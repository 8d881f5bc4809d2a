"""Names of emotions as datasets write them, in the suite's vocabulary."""

import re

from gmbench.metrics.emotion import SUITE_ORDER

_OTHER_NAMES = {
    "anger": "angry", "ang": "angry", "con": "contempt", "contemptuous": "contempt", "disgust": "disgusted",
    "dis": "disgusted", "fearful": "fear", "fea": "fear", "afraid": "fear", "happiness": "happy", "hap": "happy",
    "joy": "happy", "neu": "neutral", "sadness": "sad", "surprise": "surprised", "sur": "surprised",
}  # fmt: skip


def canonical(label: str) -> str:
    """The suite's name of an emotion, empty where the label is none."""
    name = label.strip().lower()
    name = _OTHER_NAMES.get(name, name)
    return name if name in SUITE_ORDER else ""


def in_name(clip: str) -> str:
    """The emotion that the parts of a clip's name agree on, empty where they name none or several."""
    found = {canonical(part) for part in re.split(r"[/_]", clip) if len(part) > 2} - {""}
    return found.pop() if len(found) == 1 else ""
