"""One decoding pass over a clip that feeds all feature extractors which read whole clips."""

from dataclasses import replace

from gmbench.devices import Networks
from gmbench.devices.asking import ON_CPU
from gmbench.errors import MediaError, WeightsError
from gmbench.evaluation.extraction.corruptions import corrupted_audio, corrupted_frames
from gmbench.evaluation.extraction.extractors import EXTRACTORS
from gmbench.evaluation.extraction.features import Accumulator, ClipContext, ClipFeature, ClipSource, Keys
from gmbench.evaluation.extraction.outcome import UNEXPECTED, Outcome
from gmbench.media import Frames, Video, read_audio
from gmbench.store import Store


def extract_clip_features(
    source: ClipSource, wanted: tuple[ClipFeature, ...], keys: Keys, store: Store, outcome: Outcome,
    networks: Networks = ON_CPU,
) -> None:  # fmt: skip
    """Extract what the store lacks of a clip's features, in one pass; in another before it those that they require.

    Landmarks and the whole sound are known by then: networks need them before the first frame.
    """
    missing = {keys.clip(f, source): f for f in wanted if not store.has(keys.clip(f, source))}
    if not missing or source.video is None:
        return
    required = tuple(r for f in missing.values() for r in f.requires)
    if required:
        extract_clip_features(source, required, keys, store, outcome, networks)
    extraction = ExtractionPass(source, outcome)
    try:
        video = Video(source.video)
        context = _context(source, list(missing.values()), keys, store, video, outcome)
        for key, feature in missing.items():
            given = {r.name: found.arrays for r in feature.requires if (found := store.get(keys.clip(r, source)))}
            extraction.begin(key, feature, replace(context, given=given, networks=networks))
        batches = corrupted_frames(video, source.video_change, 16) if any(f.pictures for f in missing.values()) else ()
        for index, frame in enumerate(frame for batch in batches for frame in batch):
            extraction.add(index, frame)
    except UNEXPECTED as error:  # of the clip itself; those of extractors are caught one by one
        reason = outcome.reason(error, source.video)
        outcome.failures |= {key: reason for key in missing if key not in outcome.failures}
        return
    extraction.finish(store)


class ExtractionPass:
    """Feature extractors that share one pass over a clip; the failure of one does not end the others."""

    def __init__(self, source: ClipSource, outcome: Outcome) -> None:
        self._source, self._outcome = source, outcome
        self._accumulators: dict[str, Accumulator] = {}
        self._names: dict[str, str] = {}

    def begin(self, key: str, feature: ClipFeature, context: ClipContext) -> None:
        """Start an extractor."""
        self._names[key] = feature.name
        try:
            self._accumulators[key] = feature.begin(context)
        except UNEXPECTED as error:  # here and below: a bug or a broken library must not take other metrics down
            self._fail(key, error)

    def add(self, index: int, frame: Frames) -> None:
        """Feed one frame to every extractor that has not failed."""
        for key, accumulator in list(self._accumulators.items()):
            try:
                accumulator.add(index, frame)
            except UNEXPECTED as error:
                self._fail(key, error)

    def finish(self, store: Store) -> None:
        """Store the features of every extractor that has not failed."""
        with store.together():
            for key, accumulator in list(self._accumulators.items()):
                try:
                    store.put(key, accumulator.finish())
                except UNEXPECTED as error:
                    self._fail(key, error)

    def _fail(self, key: str, error: BaseException) -> None:
        video = self._source.video
        own = self._names[key] not in EXTRACTORS.packages()
        if isinstance(error, MediaError) or (isinstance(error, WeightsError) and not own):
            self._outcome.failures[key] = f"{video}: {error}"
        else:
            self._outcome.failures[key] = self._outcome.reason(error, video, self._names[key], own)
        self._accumulators.pop(key, None)


def _context(
    source: ClipSource,
    features: list[ClipFeature],
    keys: Keys,
    store: Store,
    video: Video,
    outcome: Outcome,
) -> ClipContext:
    """What the networks may know; where landmarks or sound are absent those that need them say so."""
    landmarks, audio, silent = None, None, ""
    if any(feature.landmarks for feature in features):
        stored = store.get(keys.landmarks(source))
        landmarks = stored.arrays["points"] if stored is not None else None
    if any(feature.audio for feature in features) and source.audio is not None:
        try:
            audio = corrupted_audio(read_audio(source.audio), source.audio_change)
        except UNEXPECTED as error:
            silent = outcome.reason(error, source.audio)
    faceless = outcome.failures.get(keys.landmarks(source), "") if landmarks is None else ""
    size = (video.info.frames, video.info.height, video.info.width)
    return ClipContext(*size, landmarks, audio, {}, faceless, silent)
