"""The suite's emotions, and the names that datasets have for them.

:data:`SUITE_ORDER` is the one list of emotions: metrics, datasets and the synthetic corpus take it from here.
"""

import re

from gmbench.metrics.emotion import SUITE_ORDER

__all__ = ["KNOWN", "SUITE_ORDER", "canonical", "in_name"]

_OTHER_NAMES = {
    "anger": "angry", "ang": "angry", "con": "contempt", "contemptuous": "contempt", "disgust": "disgusted",
    "dis": "disgusted", "fearful": "fear", "fea": "fear", "afraid": "fear", "happiness": "happy", "hap": "happy",
    "joy": "happy", "neu": "neutral", "sadness": "sad", "surprise": "surprised", "sur": "surprised",
}  # fmt: skip
KNOWN = (*SUITE_ORDER, *_OTHER_NAMES)
"""All names that :func:`canonical` reads."""


def canonical(label: str) -> str:
    """The suite's name of an emotion, empty where the label is none."""
    name = label.strip().lower()
    name = _OTHER_NAMES.get(name, name)
    return name if name in SUITE_ORDER else ""


def in_name(clip: str) -> str:
    """The emotion that the parts of a clip's name agree on, empty where they name none or several."""
    emotions = {canonical(part) for part in re.split(r"[/_]", clip) if len(part) > 2} - {""}
    return emotions.pop() if len(emotions) == 1 else ""
