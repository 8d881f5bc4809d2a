"""Landmarks of the clips that the page plays, as the evaluation saw them: a script a clip, read when they are shown.

Files of compared clips name the landmarks' key in the store (:mod:`gmbench.evaluation.results.compared_files`); nothing
is detected anew.
"""

import base64
import math
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from gmbench.store import Store, digest

MOST = 2000
"""Clips of a page, references among them, whose landmarks are written: some 40 kB for four seconds each."""
FINEST = 0.1
"""Pixels that a step of what is written stands for, but of frames that are too large for it."""
NO_FACE = -32768
_LARGEST = 32767


class Overlays:
    """Writes the landmarks of clips below the page, each once, and says which file holds them.

    Attributes:
        problem: why there are none, empty where there are some.
    """

    def __init__(
        self, sources: Sequence[pd.DataFrame], stores: Sequence[Path], write: Callable[[str, dict[str, Any]], None]
    ) -> None:
        """``sources``: tables of the compared files; ``write``: takes a file's name and its data."""
        self._stores, self._write = [Store(root) for root in stores], write
        self._keys: dict[tuple[str, str, str], str] = {}
        for table in sources:
            for row in table.itertuples():
                key = (str(row.dataset), str(row.method), str(row.clip))
                self._keys[key] = str(row.landmarks)
                self._keys[key[0], "", key[2]] = str(row.reference_landmarks)
        self._names: dict[str, str] = {}
        count = len({key for key in self._keys.values() if key})
        self.problem = "its store does not have them: no metric asked for them, or it was emptied"
        if not count:
            self.problem = "these results do not say which landmarks are theirs; evaluate again"
        if count > MOST:
            self._keys, self.problem = {}, f"{count} clips; a page has the landmarks of {MOST} at most"

    def locate(self, dataset: str, method: str, clip: str) -> str:
        """Name of the file with a clip's landmarks, the reference's where ``method`` is empty; empty without any."""
        key = self._keys.get((dataset, method, clip), "")
        if key and key not in self._names:
            self._names[key] = self._written(key)
            self.problem = "" if self._names[key] else self.problem
        return self._names.get(key, "")

    def _written(self, key: str) -> str:
        found = next((feature for store in self._stores if (feature := store.get(key)) is not None), None)
        if found is None:
            return ""
        name = f"landmarks-{digest(key)[:16]}"
        self._write(name, encoded(found.arrays["points"]))
        return name


def encoded(points: NDArray[np.float64]) -> dict[str, Any]:
    """Landmarks (T, 68, 2) in pixels, NaN without a face, as text.

    Returns:
        ``unit``: pixels of a step; ``points``: base64 of T * 136 steps, int16 with the low byte first, in the order of
        the array, :data:`NO_FACE` where there is none.
    """
    seen = np.isfinite(points)
    largest = float(np.abs(points[seen]).max(initial=0))
    unit = FINEST * max(1, math.ceil(largest / FINEST / _LARGEST))
    steps = np.where(seen, np.round(np.where(seen, points, 0) / unit), NO_FACE).astype("<i2")
    return {"unit": unit, "points": base64.b64encode(steps.tobytes()).decode()}
