"""Where to cut a long video: in silences, and where nobody is seen."""

import numpy as np
from numpy.typing import NDArray

SHORTEST, LONGEST = 50, 250
"""Frames of a sentence: 2 to 10 s."""
QUIET = 0.3
"""Share of the way from the quietest to the loudest level, in dB, below which a frame is silent."""
LEAST_SILENCE = 5
"""Frames, 0.2 s."""
_FLOOR_DB = -90.0


def silent(rms: NDArray[np.floating]) -> NDArray[np.bool_]:
    """Frames (T,) without speech, of the loudness (T,) of each: the room's own noise counts as silence.

    The levels between which speech lies are the 5th and 95th percentile.
    """
    levels = np.maximum(20 * np.log10(np.maximum(rms, 1e-9)), _FLOOR_DB)
    low, high = np.percentile(levels, [5, 95])
    return np.asarray(levels < low + QUIET * (high - low))


def cut_sentences(rms: NDArray[np.floating], usable: NDArray[np.bool_]) -> list[tuple[int, int]]:
    """Parts (first frame, frame after the last) of a video.

    Every part is :data:`SHORTEST` to :data:`LONGEST` frames long and lies within one run of usable frames. Cuts fall
    into the middle of the longest silence that allows this, and where there is none on the quietest frame. What is
    shorter is left out.

    Args:
        rms: (T,) loudness of each frame.
        usable: (T,) frames that show the person.
    """
    quiet = silent(rms)
    edges = np.flatnonzero(np.diff(np.r_[False, usable, False].astype(np.int8))).reshape(-1, 2)
    parts: list[tuple[int, int]] = []
    for first, stop in edges:
        start = int(first)
        while stop - start > LONGEST:
            cut = _place(rms, quiet, start, int(stop))
            parts.append((start, cut))
            start = cut
        if stop - start >= SHORTEST:
            parts.append((start, int(stop)))
    return parts


def _place(rms: NDArray[np.floating], quiet: NDArray[np.bool_], start: int, stop: int) -> int:
    """Where to end the sentence that begins at ``start``, so that what follows is long enough for another one."""
    low, high = start + SHORTEST, min(start + LONGEST, stop - SHORTEST)
    silences = np.flatnonzero(np.diff(np.r_[False, quiet[low:high], False].astype(np.int8))).reshape(-1, 2)
    lengths = silences[:, 1] - silences[:, 0]
    if len(silences) and lengths.max() >= LEAST_SILENCE:
        first, after = silences[int(lengths.argmax())]
        return low + int(first + after) // 2
    return low + int(np.argmin(rms[low : high + 1]))
