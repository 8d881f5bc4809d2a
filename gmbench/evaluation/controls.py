"""Controls: rows that no method should beat or lose to, made from the references on the fly."""

from dataclasses import replace

from gmbench.errors import InputError
from gmbench.evaluation.features import Source
from gmbench.names import closest

CONTROLS: dict[str, str] = {
    "ground_truth": "the reference against itself",
    "still": "the reference's first frame, held",
    "blur": "the reference after a Gaussian blur of sigma 2 pixels",
    "late_audio": "the reference with its sound 10 frames (0.4 s) late",
    "shuffled_audio": "the reference with the sound of the next clip",
}


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


def control_source(control: str, reference: Source, neighbour: Source | None) -> Source:
    """What a control shows and plays for one reference.

    Args:
        control: one of ``CONTROLS``.
        reference: the real clip.
        neighbour: the next clip with sound, for ``shuffled_audio``.
    """
    if control == "still":
        return replace(reference, video_change="still")
    if control == "blur":
        return replace(reference, video_change="blur:2")
    if control == "late_audio":
        return replace(reference, audio_change="late:10")
    if control == "shuffled_audio":
        if neighbour is None:
            return replace(
                reference, audio=None, audio_sha256="", audio_problem="no second clip with sound to take it from"
            )
        return replace(reference, audio=neighbour.audio, audio_sha256=neighbour.audio_sha256)
    return reference
