"""A clip, and a generated one beside its reference."""

from dataclasses import dataclass
from pathlib import Path

SAMPLE_MARK = "@"
"""``<clip>@2.mp4`` is another sample of ``<clip>.mp4``."""


@dataclass(frozen=True, slots=True)
class Clip:
    """One clip of a folder.

    Attributes:
        clip: name, ``/``-separated path without suffix below the folder.
        video: file, or folder of images; None where only sound was found.
        audio: separate file of the sound, if there is one.
        landmarks: file of landmarks from outside, if there is one.
        speaker, emotion: labels, empty where unknown.
        audio_first: ``audio`` goes before the video's own track, because the user named it.
    """

    clip: str
    video: Path | None
    audio: Path | None = None
    landmarks: Path | None = None
    speaker: str = ""
    emotion: str = ""
    audio_first: bool = False


@dataclass(frozen=True, slots=True)
class Pair:
    """A generated clip beside its reference; either may be absent.

    ``samples`` are further generated ones; ``reason`` says why there is no generated one, where that is known.
    """

    clip: str
    generated: Clip | None
    reference: Clip | None
    samples: tuple[Clip, ...] = ()
    speaker: str = ""
    emotion: str = ""
    reason: str = ""
