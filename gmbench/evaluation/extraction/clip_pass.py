"""One decoding pass over a clip that feeds all feature extractors which read whole clips."""

import logging
from collections.abc import Callable
from dataclasses import replace
from typing import Any

from gmbench.errors import MediaError, StoreError, WeightsError
from gmbench.evaluation.extraction.corruptions import corrupted_audio, corrupted_frames
from gmbench.evaluation.extraction.features import Accumulator, ClipContext, ClipFeature, ClipSource, Keys
from gmbench.media import Frames, Video, read_audio
from gmbench.store import Store

_log = logging.getLogger(__name__)
Failures = dict[str, str]
"""Reasons by store key."""


def extract_clip_features(
    source: ClipSource, wanted: tuple[ClipFeature, ...], keys: Keys, store: Store, failures: Failures
) -> None:
    """Show a clip to the feature extractors it: once to all, and before that to those that others require.

    The landmarks and the whole sound are known by then, which networks need before they see the first frame.
    """
    missing = {keys.clip(f, source): f for f in wanted if not store.has(keys.clip(f, source))}
    if not missing or source.video is None:
        return
    first = tuple(r for f in missing.values() for r in f.requires)
    if first:
        extract_clip_features(source, first, keys, store, failures)
    extraction = ExtractionPass(source, failures, list(missing))
    try:
        video = Video(source.video)
        context = _context(source, list(missing.values()), keys, store, video, failures)
        for key, feature in missing.items():
            given = {r.name: found.arrays for r in feature.requires if (found := store.get(keys.clip(r, source)))}
            extraction.begin(key, feature, replace(context, given=given))
        frames = (frame for batch in corrupted_frames(video, source.video_change, 16) for frame in batch)
        for index, frame in enumerate(frames):
            extraction.add(index, frame)
        extraction.finish(store)
    except MediaError as error:
        extraction.abort(str(error))


class ExtractionPass:
    """Feature extractors that share one pass over a clip; the failure of one does not end the others."""

    def __init__(self, source: ClipSource, failures: Failures, keys: list[str]) -> None:
        self._source, self._failures, self._owed = source, failures, set(keys)
        self._collectors: dict[str, Accumulator] = {}

    def begin(self, key: str, feature: ClipFeature, context: ClipContext) -> None:
        """Start an extractor."""
        self._guarded(key, lambda: self._collectors.__setitem__(key, feature.begin(context)))

    def add(self, index: int, frame: Frames) -> None:
        """Feed one frame to every extractor that has not failed."""
        for key, collector in list(self._collectors.items()):
            self._guarded(key, collector.add, index, frame)

    def finish(self, store: Store) -> None:
        """Store the features of every extractor that has not failed."""
        for key, collector in list(self._collectors.items()):
            self._guarded(key, lambda key=key, collector=collector: store.put(key, collector.finish()))  # type: ignore[misc]
            self._owed.discard(key)

    def abort(self, reason: str) -> None:
        """The clip itself cannot be read: note the reason under every feature that is still missing."""
        self._failures |= {key: reason for key in self._owed if key not in self._failures}

    def _guarded(self, key: str, action: Callable[..., object], *arguments: Any) -> None:
        try:
            action(*arguments)
            return
        except (StoreError, WeightsError):
            raise
        except MediaError as error:
            reason = f"{self._source.video}: {error}"
        except Exception as error:  # a bug or a broken library must not take the other metrics down
            reason = f"{self._source.video}: {type(error).__name__}: {error}"
            _log.debug("unexpected error in %s", self._source.video, exc_info=True)
        self._failures[key] = reason
        self._collectors.pop(key, None)


def _context(
    source: ClipSource, features: list[ClipFeature], keys: Keys, store: Store, video: Video, failures: Failures
) -> ClipContext:
    """What the networks may know; where landmarks or sound are absent those that need them say so."""
    landmarks, audio, silent = None, None, ""
    if any(feature.landmarks for feature in features):
        stored = store.get(keys.landmarks(source))
        landmarks = stored.arrays["points"] if stored is not None else None
    if any(feature.audio for feature in features) and source.audio is not None:
        try:
            audio = corrupted_audio(read_audio(source.audio), source.audio_change)
        except MediaError as error:
            silent = str(error)
    faceless = failures.get(keys.landmarks(source), "") if landmarks is None else ""
    size = (video.info.frames, video.info.height, video.info.width)
    return ClipContext(*size, landmarks, audio, {}, faceless, silent)
