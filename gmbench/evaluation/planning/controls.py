"""Controls: rows that no method should beat or lose to, made from the references on the fly."""

import bisect
from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from typing import Any

from gmbench.errors import InputError
from gmbench.evaluation.extraction.features import ClipSource
from gmbench.evaluation.planning.planned_clip import PlannedClip
from gmbench.names import closest

CONTROLS: dict[str, str] = {
    "ground_truth": "the reference against itself",
    "still": "the reference's first frame, held",
    "blur": "the reference after a Gaussian blur of sigma 2 pixels",
    "reencode": "the reference after H.264 at CRF 28, its sound after AAC at 64 kbit/s: what encoding alone costs",
    "late_audio": "the reference with its sound 10 frames (0.4 s) late",
    "shuffled_audio": "the reference with the sound of the next clip",
    "wrong_emotion": "the pictures of the speaker's next clip in another emotion, with the reference's sound",
}


_CHANGES: dict[str, dict[str, Any]] = {
    "still": {"video_change": "still"}, "blur": {"video_change": "blur:2"}, "late_audio": {"audio_change": "late:10"},
    "reencode": {"video_change": "reencode:28", "audio_change": "aac:64"},
}  # fmt: skip


def check(names: list[str]) -> list[str]:
    """The names unchanged; ``all`` stands for every control.

    Raises:
        InputError: a name is not a control.
    """
    if names == ["all"]:
        return list(CONTROLS)
    for name in names:
        if name not in CONTROLS:
            raise InputError(f"unknown control {name!r}; {closest(name, CONTROLS)}")
    return names


def pictures_of(other: ClipSource, voice: ClipSource) -> ClipSource:
    """The pictures of one clip with the sound of another."""
    return replace(
        other, audio=voice.audio, audio_sha256=voice.audio_sha256, audio_change=voice.audio_change,
        audio_problem=voice.audio_problem,
    )  # fmt: skip


def control_source(
    control: str, reference: ClipSource, neighbour: ClipSource | None, other_emotion: ClipSource | None = None
) -> ClipSource:
    """What a control shows and plays for one reference.

    Args:
        control: one of ``CONTROLS``.
        reference: the real clip.
        neighbour: the next clip with sound, for ``shuffled_audio``.
        other_emotion: the speaker's next clip in another emotion, for ``wrong_emotion``.
    """
    if control == "wrong_emotion":
        if other_emotion is None:
            return ClipSource(problem="no clip of this speaker in another emotion; pass --labels", absent=True)
        return pictures_of(other_emotion, reference)
    if control == "shuffled_audio":
        if neighbour is None:
            return replace(
                reference, audio=None, audio_sha256="", audio_problem="no second clip with sound to take it from"
            )
        return replace(reference, audio=neighbour.audio, audio_sha256=neighbour.audio_sha256)
    return replace(reference, **_CHANGES.get(control, {}))


def control_rows(names: Iterable[str], references: list[PlannedClip]) -> list[PlannedClip]:
    """Control rows over all references; raises InputError for an unknown control."""
    names = check(list(names))
    if not references:
        raise InputError("controls are made from references; pass --reference")
    ordered = sorted(references, key=lambda clip: clip.clip)
    neighbours = _other_sounds(ordered)
    by_speaker: dict[str, list[PlannedClip]] = {}
    for clip in ordered:
        by_speaker.setdefault(clip.speaker, []).extend([clip] if clip.emotion else [])
    moods: dict[str, ClipSource] = {}
    for own in by_speaker.values():
        moods |= _next_of_another_kind(own, lambda clip: clip.emotion)
    result = []
    for control in names:
        for clip in ordered:
            real = clip.reference
            if real is None:
                continue
            sides = neighbours.get(clip.clip), moods.get(clip.clip)
            source = real if real.video is None else control_source(control, real, *sides)
            result.append(replace(clip, method=control, generated=source))
    return result


def _other_sounds(ordered: Sequence[PlannedClip]) -> dict[str, ClipSource]:
    """By clip the next reference with another sound; after the last comes the first."""
    voiced = [clip for clip in ordered if clip.reference is not None and clip.reference.audio]
    names = [clip.clip for clip in voiced]
    result = _next_of_another_kind(voiced, lambda clip: clip.reference.sound if clip.reference else "")
    for clip in ordered:
        if voiced and clip.reference is not None and not clip.reference.audio:
            after = voiced[bisect.bisect(names, clip.clip) % len(voiced)].reference
            result |= {clip.clip: after} if after is not None else {}
    return result


def _next_of_another_kind(clips: Sequence[PlannedClip], kind: Callable[[PlannedClip], str]) -> dict[str, ClipSource]:
    """By clip the next reference of another kind; after the last comes the first, and all of one kind have none."""
    result: dict[str, ClipSource] = {}
    for place in reversed(range(2 * len(clips))):  # twice round: the first clips are known to the last ones then
        clip, after = clips[place % len(clips)], clips[(place + 1) % len(clips)]
        found = after.reference if kind(after) != kind(clip) else result.get(after.clip)
        if found is not None:
            result[clip.clip] = found
    return result
