"""Flags that do not depend on a metric's mathematics: what is odd about the files of a clip that a metric reads."""

from collections.abc import Iterable, Sequence

from gmbench.evaluation.scoring.clip_data import ClipData, ClipFeatures, Unscored
from gmbench.evaluation.scoring.metric import Metric

SEEN = "seen:"
"""Begins the flag of a clip that says which emotion a classifier saw: ``seen:happy``; no remark on the number."""


def clip_flags(clip: ClipData, metric: Metric) -> tuple[str, ...]:
    """Flags of what a metric reads of one clip and its reference.

    ``reference_audio``: the sound is the reference's. ``short_sound``: it ends more than two frames and 2 % before the
    picture. ``aspect_mismatch``: the shapes of the pictures differ. ``rate_mismatch``: as many stored frames at another
    rate. ``damaged_frames:N``, ``transparent_frames:N`` and ``missing_frames:N``: so many of both sides.
    """
    needs = metric.spec.needs
    paired = "reference" in needs and clip.has_reference
    sides = [side for side in (clip.generated, clip.reference if paired else None) if side is not None]
    seen = [side for side in sides if side.has_picture]  # a metric of the sound alone has a value without
    flags = []
    if "audio" in needs:
        flags += ["reference_audio"] if clip.generated.source.borrowed_audio else []
        flags += ["short_sound"] if any(_is_short(side, clip) for side in seen) else []
    if len(seen) == 2 and clip.shapes_differ:
        flags.append("aspect_mismatch")
    if len(seen) == 2 and clip.rates_differ:
        flags.append("rate_mismatch")
    for name in ("damaged_frames", "transparent_frames", "missing_frames"):
        count = sum(getattr(side, name) for side in seen)
        flags += [f"{name}:{count}"] if count else []
    return tuple(flags)


def set_flags(clips: Sequence[ClipData], metric: Metric) -> tuple[str, ...]:
    """Flags of any clip of a set that has features; counts are left out."""
    found: dict[str, None] = {}
    for clip in clips:
        found |= dict.fromkeys(names_of(clip_flags(clip, metric)))
    return tuple(found)


def names_of(flags: Iterable[str]) -> list[str]:
    """Flags without their counts, and without what a classifier saw."""
    return [flag.partition(":")[0] for flag in flags if not flag.startswith(SEEN)]


def _is_short(side: ClipFeatures, clip: ClipData) -> bool:
    """Whether a side's sound ends before its picture; a sound that cannot be read was the metric's to miss."""
    try:
        missing = side.frames - side.sound_frames
    except Unscored:
        return False
    return missing > max(2.0, clip.protocol.length_tolerance * side.frames)
