"""What is computed from pixels and samples once and kept: sources, features and their keys.

A feature is one of three kinds: of the frames of one video, of a sound, or of a pair of videos.
Its key hashes content, name, version, configuration and weights, so that nothing stale is ever read.
"""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from gmbench.evaluation.protocol import Protocol
from gmbench.face import landmarks as face_landmarks
from gmbench.store import digest

MEDIA_VERSION = 1
"""Raised when the same file would decode to other frames or samples."""

LANDMARKS = "landmarks"
VIDEO = "video"
AUDIO = "audio"
AUDIO_VERSION = 1

Frame = NDArray[np.uint8]


@dataclass(frozen=True)
class FrameFeature:
    """A number a frame, of the frames that the protocol's crop shows."""

    name: str
    version: int
    function: Callable[[Frame], float]


@dataclass(frozen=True)
class PairFeature:
    """A number a pair of frames (generated, reference) of one size."""

    name: str
    version: int
    function: Callable[[Frame, Frame], float]


@dataclass(frozen=True)
class Source:
    """One side of a comparison: files, their hashes, and what a control changes about them.

    Attributes:
        video, video_sha256: file or folder of frames; None where there is no picture.
        audio, audio_sha256: file with the sound (may be the video), or None.
        landmarks, landmarks_sha256: file of landmarks made outside, or None.
        video_change: empty, ``still`` or ``blur:<sigma>``.
        audio_change: empty or ``late:<frames>``.
        problem: why there is no picture to use; ``absent`` says that there is not even a file.
        audio_problem: why there is no sound to use.
        borrowed_audio: the sound is the reference's.
    """

    video: Path | None = None
    video_sha256: str = ""
    audio: Path | None = None
    audio_sha256: str = ""
    landmarks: Path | None = None
    landmarks_sha256: str = ""
    video_change: str = ""
    audio_change: str = ""
    problem: str = ""
    absent: bool = False
    audio_problem: str = ""
    borrowed_audio: bool = False

    @property
    def picture(self) -> str:
        """Identity of the decoded frames."""
        return digest(MEDIA_VERSION, self.video_sha256, self.video_change)

    @property
    def sound(self) -> str:
        """Identity of the decoded samples."""
        return digest(MEDIA_VERSION, self.audio_sha256, self.audio_change)


@dataclass(frozen=True)
class Keys:
    """Store keys of all features under one protocol."""

    protocol: Protocol
    weights_sha256: str

    def video(self, source: Source) -> str:
        """Number and size of frames."""
        return digest(VIDEO, source.picture)

    def audio(self, source: Source) -> str:
        """Onsets, onset strength, loudness."""
        return digest(AUDIO, AUDIO_VERSION, source.sound)

    def landmarks(self, source: Source) -> str:
        """Largest face of each frame."""
        backend = face_landmarks.backend(self.protocol.landmarks)
        sidecar = source.landmarks_sha256 if backend.name == "sidecar" else ""
        return digest(LANDMARKS, backend.name, backend.version, self.weights_sha256, source.picture, sidecar)

    def identity(self, source: Source) -> str:
        """Equal for sources whose frames and landmarks are the same."""
        return self.landmarks(source)

    def frame(self, feature: FrameFeature, source: Source) -> str:
        """A feature of single frames."""
        return digest("frame", feature.name, feature.version, *self._view(source))

    def pair(self, feature: PairFeature, generated: Source, reference: Source) -> str:
        """A feature of pairs of frames."""
        sides = self._view(generated), self._view(reference)
        return digest("pair", feature.name, feature.version, self.protocol.pairing, *sides)

    def _view(self, source: Source) -> tuple[Any, ...]:
        """What decides the pixels that the protocol shows of a source."""
        crop = self.protocol.crop
        return (crop, source.picture) if crop == "full" else (crop, source.picture, self.landmarks(source))
