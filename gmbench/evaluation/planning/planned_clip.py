"""Clips with the files that are compared, each file known by its content."""

import os
from dataclasses import dataclass, field, replace
from pathlib import Path

from gmbench import media
from gmbench.clips import Clip, Pair
from gmbench.errors import MediaError
from gmbench.evaluation.extraction.features import ClipSource
from gmbench.store import file_digest


@dataclass(frozen=True, slots=True)
class PlannedClip:
    """One clip of one method with all that is compared."""

    method: str
    clip: str
    speaker: str
    emotion: str
    generated: ClipSource
    reference: ClipSource | None
    samples: tuple[ClipSource, ...] = ()


@dataclass
class Hasher:
    """Turns clips into sources; each file is hashed once, and a reference has one source for all methods.

    ``unused_sounds``: sounds beside videos that have a track of their own, which goes first.
    """

    wants_audio: bool
    wants_landmarks: bool
    unused_sounds: dict[Path, Path] = field(default_factory=dict)
    _digests: dict[Path, str] = field(default_factory=dict)
    _references: dict[Clip, ClipSource] = field(default_factory=dict)

    def source(self, clip: Clip | None, absent: str, reference: ClipSource | None = None) -> ClipSource:
        """Source of a clip; without sound of its own it borrows the reference's.

        Args:
            clip: None where the method lacks it; ``absent`` then says so.
            reference: the other side.
        """
        if clip is None:
            return ClipSource(problem=absent, absent=True)
        if clip.video is None:
            return ClipSource(problem=f"{clip.audio}: only sound, no video of this name", absent=True)
        if not os.path.exists(clip.video):
            return ClipSource(problem=f"{clip.video}: no such file", absent=True)
        try:
            if os.path.isfile(clip.video):
                media.check_file(clip.video)
            digest = self._digest(clip.video)
        except (MediaError, OSError) as error:
            return ClipSource(problem=str(error))
        source = ClipSource(video=clip.video, video_sha256=digest)
        if self.wants_landmarks and clip.landmarks is not None:
            try:
                landmarks_sha256 = self._digest(clip.landmarks) if clip.landmarks.is_file() else "absent"
            except OSError as error:  # the reader will say so
                landmarks_sha256 = f"unreadable: {error.strerror}"
            source = replace(source, landmarks=clip.landmarks, landmarks_sha256=landmarks_sha256)
        return self._with_audio(source, clip, reference) if self.wants_audio else source

    def reference(self, clip: Clip) -> ClipSource:
        """Source of a real clip."""
        if clip not in self._references:
            self._references[clip] = self.source(clip, "")
        return self._references[clip]

    def _with_audio(self, source: ClipSource, clip: Clip, reference: ClipSource | None) -> ClipSource:
        path = clip.audio
        if not clip.audio_first and clip.video is not None and media.has_audio(clip.video):
            path = clip.video
            if clip.audio is not None:
                self.unused_sounds[clip.audio] = clip.video
        if path is None and reference is not None and reference.audio is not None:
            return replace(source, audio=reference.audio, audio_sha256=reference.audio_sha256, borrowed_audio=True)
        if path is None:
            return replace(source, audio_problem=f"{clip.video}: no sound; put <clip>.wav beside it or pass --audio")
        try:
            media.check_file(path)
            digest = self._digest(path)
        except (MediaError, OSError) as error:
            return replace(source, audio_problem=str(error))
        return replace(source, audio=path, audio_sha256=digest)

    def _digest(self, path: Path) -> str:
        if path not in self._digests:
            self._digests[path] = file_digest(path)
        return self._digests[path]


def planned_clip(method: str, pair: Pair, hasher: Hasher) -> PlannedClip:
    """A pair of a method with its sources."""
    reference = hasher.reference(pair.reference) if pair.reference is not None else None
    absent = pair.reason or f"{method} has no clip named {pair.clip}"
    generated = hasher.source(pair.generated, absent, reference)
    samples = tuple(hasher.source(sample, "", reference) for sample in pair.samples)
    return PlannedClip(method, pair.clip, pair.speaker, pair.emotion, generated, reference, samples)
