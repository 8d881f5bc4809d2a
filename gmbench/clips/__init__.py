"""Clips: what there is to compare, found in folders or listed in a table."""

from gmbench.clips.clip import SAMPLE_MARK, Clip, Pair
from gmbench.clips.folders import ClipFolder, find_clips
from gmbench.clips.labels import Labels, read_labels, unknown_emotions
from gmbench.clips.matching import match
from gmbench.clips.pair_table import PairTable, read_pairs
from gmbench.clips.sounds import SoundFolder

__all__ = [
    "SAMPLE_MARK", "Clip", "ClipFolder", "Labels", "Pair", "PairTable", "SoundFolder", "find_clips", "match",
    "read_labels", "read_pairs", "unknown_emotions",
]  # fmt: skip
