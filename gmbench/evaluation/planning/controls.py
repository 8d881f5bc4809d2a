"""Controls: rows that no method should beat or lose to, made from the references on the fly."""

from dataclasses import replace
from typing import Any

from gmbench.errors import InputError
from gmbench.evaluation.extraction.features import ClipSource
from gmbench.names import closest

CONTROLS: dict[str, str] = {
    "ground_truth": "the reference against itself",
    "still": "the reference's first frame, held",
    "blur": "the reference after a Gaussian blur of sigma 2 pixels",
    "late_audio": "the reference with its sound 10 frames (0.4 s) late",
    "shuffled_audio": "the reference with the sound of the next clip",
    "wrong_emotion": "the pictures of the speaker's next clip in another emotion, with the reference's sound",
}


_CHANGES: dict[str, dict[str, Any]] = {
    "still": {"video_change": "still"}, "blur": {"video_change": "blur:2"}, "late_audio": {"audio_change": "late:10"},
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
