"""What is computed from pixels and samples once and kept: sources, features and their keys.

A feature is one of four kinds: of single frames, of a sound, of pairs of frames, or of a clip by a feature extractor.
Its key hashes content, name, version, configuration and weights, so that nothing stale is ever read.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path
from typing import Any
from typing import Protocol as Interface

import numpy as np
from numpy.typing import NDArray

from gmbench.devices import Network, Networks, key
from gmbench.devices.asking import ON_CPU
from gmbench.evaluation.protocol import Protocol
from gmbench.face import landmarks as face_landmarks
from gmbench.media import Audio
from gmbench.store import Arrays, digest

MEDIA_VERSION = 3
"""Raised when the same file would decode to other frames or samples."""

LANDMARKS = "landmarks"
VIDEO = "video 3"
AUDIO = "audio"
SOUND_FEATURES_VERSION = 1

Frame = NDArray[np.uint8]


@dataclass(frozen=True)
class FrameFeature:
    """A number per frame, of the frames that the protocol's crop shows."""

    name: str
    version: int
    function: Callable[[Frame], float]


@dataclass(frozen=True)
class PairFeature:
    """A number per pair of frames (generated, reference) of one size; ``weights``, ``options``, ``fallback`` as below.

    Attributes:
        function: of two frames, or of what ``prepare`` makes of each.
        prepare: what is computed of each frame once, however many others it is compared with.
        band: pairs no more than so many frames apart are compared as well: ``values`` is (L, 2 band + 1), infinite
            outside the clips; 0: (L,).
        selves: with a band, each clip is compared with itself as well: ``generated`` and ``reference``.
    """

    name: str
    version: int
    function: Callable[[Any, Any], float]
    weights: tuple[str, ...] = ()
    fallback: str = ""
    options: str = ""
    pairs: "PairNetwork | None" = None
    """What other devices than the CPU are asked for many pairs at once, in place of ``function``."""
    prepare: Callable[[Frame], Any] | None = None
    band: int = 0
    selves: bool = False


@dataclass(frozen=True)
class PairNetwork:
    """A network that sees pairs of frames.

    Attributes:
        network: gives it; called where the pairs are, when the first is there. It takes (B, 2, H, W, 3), gives (B,).
        prepare: from a frame to what the network sees of it.
    """

    network: Callable[[], Network]
    prepare: Callable[[Frame], Frame]


@dataclass(frozen=True)
class ClipContext:
    """What a feature extractor may know of a clip before its first frame.

    Attributes:
        frames, height, width: of the video at 25 fps.
        landmarks: (T, 68, 2) pixels, NaN rows without a face; None unless the feature asks for them.
        audio: samples; None unless the feature asks for them.
        given: arrays of the features that it requires, by name.
        landmarks_problem, audio_problem: why there are none, where that is known.
        networks: what networks are asked by, and their device.
    """

    frames: int
    height: int
    width: int
    landmarks: NDArray[np.float64] | None
    audio: Audio | None
    given: Mapping[str, Arrays]
    landmarks_problem: str = ""
    audio_problem: str = ""
    networks: Networks = ON_CPU


class Accumulator(Interface):
    """Takes the frames of one clip in order."""

    def add(self, index: int, frame: Frame) -> None:
        """The next frame (H, W, 3)."""
        ...

    def finish(self) -> Arrays:
        """What is stored of the clip; raises MediaError where there is nothing to store."""
        ...


@dataclass(frozen=True)
class ClipFeature:
    """Arrays of one clip, from a feature extractor.

    Attributes:
        name, version, options: identity, besides clip and weights.
        begin: starts the work on a clip.
        weights: names of files in the manifest.
        landmarks, audio: what it needs to know of the clip; requires: features that come first.
        pictures: whether it looks at the frames; a clip is not decoded for features that do not.
        fallback: empty for the published network, else what stands for it.
        packages: of an extra, without which it cannot be computed.
    """

    name: str
    version: int
    begin: Callable[[ClipContext], Accumulator]
    weights: tuple[str, ...] = ()
    landmarks: bool = False
    audio: bool = False
    requires: "tuple[ClipFeature, ...]" = ()
    options: str = ""
    fallback: str = ""
    pictures: bool = True
    packages: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class ClipSource:
    """One clip of a comparison: files, their hashes, and what a control changes about them.

    Attributes:
        video, video_sha256: file or folder of frames; None where there is no picture.
        audio, audio_sha256: file with the sound (may be the video), or None.
        landmarks, landmarks_sha256: file of landmarks from outside, or None.
        video_change: empty, or a corruption of the pictures; see :mod:`gmbench.evaluation.extraction.corruptions`.
        audio_change: empty, or a corruption of the sound.
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
        return _identity(MEDIA_VERSION, self.video_sha256, self.video_change)

    @property
    def sound(self) -> str:
        """Identity of the decoded samples."""
        return _identity(MEDIA_VERSION, self.audio_sha256, self.audio_change)


@lru_cache(maxsize=1000)
def _identity(version: int, sha256: str, change: str) -> str:
    """Of decoded contents; asked for many times while one group or clip is at work, and then no more."""
    return digest(version, sha256, change)


@dataclass(frozen=True)
class Keys:
    """Store keys of all features under one protocol: the clip whose file holds them, a slash, and their own digest."""

    protocol: Protocol
    weights_sha256: str
    extractor_sha256: Mapping[str, str] = field(default_factory=dict)
    """sha256 of the files of feature extractors, by their names in the manifest."""

    def video(self, source: ClipSource) -> str:
        """Number and size of frames, and how many are damaged or transparent."""
        return _of_clip(source, digest(VIDEO, source.picture))

    def audio(self, source: ClipSource) -> str:
        """Onsets, onset strength, loudness."""
        return f"{source.sound}/{digest(AUDIO, SOUND_FEATURES_VERSION, source.sound)}"

    def landmarks(self, source: ClipSource) -> str:
        """The face that is followed, in each frame."""
        backend = face_landmarks.backend(self.protocol.landmarks)
        sidecar = source.landmarks_sha256 if backend.reads_sidecar else ""
        device = key(self.protocol.device) if backend.on_device else ()
        parts = (backend.name, backend.version, self.weights_sha256, source.picture, sidecar, *device)
        return _of_clip(source, digest(LANDMARKS, *parts))

    def identity(self, source: ClipSource) -> str:
        """Equal for sources whose frames and landmarks are the same."""
        return self.landmarks(source)

    def frame(self, feature: FrameFeature, source: ClipSource) -> str:
        """A feature of single frames."""
        return _of_clip(source, digest("frame", feature.name, feature.version, *self._view(source)))

    def pair(self, feature: PairFeature, generated: ClipSource, reference: ClipSource) -> str:
        """A feature of pairs of frames; it is kept with the generated clip's."""
        sides = self._view(generated), self._view(reference)
        weights = [self.extractor_sha256[name] for name in feature.weights] + (
            [feature.options] if feature.options else []
        )
        parts = (feature.name, feature.version, self.protocol.pairing, *weights, *sides)
        return _of_clip(generated, digest("pair", *parts))

    def clip(self, feature: ClipFeature, source: ClipSource) -> str:
        """A feature extractor's feature of a whole clip."""
        parts: list[Any] = ["clip", feature.name, feature.version, feature.options]
        parts += [self.extractor_sha256[name] for name in feature.weights]
        parts += [self.clip(first, source) for first in feature.requires]
        parts += [source.picture, self.landmarks(source) if feature.landmarks else ""]
        return _of_clip(source, digest(*parts, source.sound if feature.audio else ""))

    def _view(self, source: ClipSource) -> tuple[Any, ...]:
        """What decides the pixels that the protocol shows of a source."""
        crop = self.protocol.crop
        return (crop, source.picture) if crop == "full" else (crop, source.picture, self.landmarks(source))


def _of_clip(source: ClipSource, feature: str) -> str:
    """Key of a feature that is kept with others of the clip's pictures."""
    return f"{source.picture}/{feature}"
