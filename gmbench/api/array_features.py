"""Features of clips that lie in memory, under the keys that the engine gives them in a store.

Scorers read them as they read stored ones, so that an array has the number of the file that it was decoded from.
"""

from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from gmbench.devices import CPU, Networks, dealt, networks_on
from gmbench.evaluation.extraction.extractors import extractor
from gmbench.evaluation.extraction.features import (
    ClipContext,
    ClipFeature,
    ClipSource,
    FrameFeature,
    Keys,
    PairFeature,
)
from gmbench.evaluation.extraction.pair_pass import BandValues, PairQuestions, sized_as
from gmbench.evaluation.extraction.sound_features import sound_arrays
from gmbench.evaluation.protocol import Protocol, pair_indices
from gmbench.evaluation.scoring.clip_data import ClipData, FeatureReader
from gmbench.evaluation.scoring.metric import Metric
from gmbench.face import landmarks as face_landmarks
from gmbench.face.crops import eat128_crop
from gmbench.face.faces import Detector, Face
from gmbench.media import Audio, Frames, Video, resize
from gmbench.store import Arrays, Feature, Store
from gmbench.weights import load_path


@dataclass(frozen=True)
class ArrayClip:
    """What is known of a clip in memory.

    Attributes:
        name: in messages.
        length: frames; size: height and width, (0, 0) where they are not known.
        frames: (T, H, W, 3) or None; landmarks: (T, 68, 2) or None; pose: (T, 3) or None; audio: samples or None.
    """

    name: str
    length: int
    size: tuple[int, int]
    frames: Frames | None = None
    landmarks: NDArray[np.float64] | None = None
    pose: NDArray[np.float64] | None = None
    audio: Audio | None = None

    @property
    def source(self) -> ClipSource:
        """Its identity in keys, and its name in messages."""
        place = Path(self.name)
        sound = place if self.audio is not None else None
        return ClipSource(place, self.name, sound, f"sound of {self.name}", audio_problem=f"{self.name}: no audio")


def clip_data(
    metric: Metric, protocol: Protocol, generated: ArrayClip, reference: ArrayClip | None, emotion: str
) -> ClipData:
    """All that a metric may read of a clip in memory; each feature is computed when it is asked for.

    Raises:
        WeightsError: a file of a network is missing.
    """
    sha256: dict[str, str] = defaultdict(str)  # a pose that is given stands for a network's without its file
    sha256 |= {name: load_path(name)[1] for name in metric.weights(protocol) if generated.pose is None}
    keys = Keys(protocol, "", sha256)
    memory = _Memory()
    for clip in (generated, reference):
        if clip is not None:
            memory.add_clip(metric, keys, clip)
    if reference is not None:
        memory.add_pairs(metric, keys, generated, reference)
    reader = FeatureReader(memory, keys, {})
    real = None if reference is None else reader.features_of(reference.source)
    return ClipData("generated", reader.features_of(generated.source), real, (), (), reader, emotion)


class _Memory(Store):
    """A store whose features are computed from arrays at their first use."""

    def __init__(self) -> None:
        super().__init__(Path())
        self._compute: dict[str, Callable[[], Arrays]] = {}
        self._computed: dict[str, Feature] = {}

    def get(self, key: str) -> Feature | None:
        """The feature of a key, None where nothing gives it."""
        if key not in self._computed and key in self._compute:
            self._computed[key] = Feature(self._compute[key]())
        return self._computed.get(key)

    def add_clip(self, metric: Metric, keys: Keys, clip: ArrayClip) -> None:
        """Everything that a metric may read of one clip."""
        source, add = clip.source, self._compute
        size = np.maximum([clip.length, *clip.size], 1)  # a size that is not known is the same of both clips
        picture = {"size": size, "marked": np.zeros(3, np.int64)}  # no frame is damaged, transparent or missing
        self._computed[keys.video(source)] = Feature(picture, {"source_frames": clip.length})
        landmark_key = keys.landmarks(source)
        add[landmark_key] = lambda: landmark_arrays(clip, keys.protocol)
        if clip.audio is not None:
            audio = clip.audio
            add[keys.audio(source)] = lambda: sound_arrays(audio)
        for feature in metric.frame_features:
            add[keys.frame(feature, source)] = partial(self._per_frame, feature, keys, clip)
        if clip.pose is not None:
            pose = clip.pose
            head = extractor("pose", keys.protocol)
            if isinstance(head, ClipFeature):
                add[keys.clip(head, source)] = lambda: {"pose": pose}
            return
        for wanted in metric.clips(keys.protocol):
            for each in (*wanted.requires, wanted):
                add[keys.clip(each, source)] = partial(self._extracted, each, keys, clip)

    def add_pairs(self, metric: Metric, keys: Keys, generated: ArrayClip, reference: ArrayClip) -> None:
        """Features of pairs of frames."""
        for feature in metric.pairs(keys.protocol):
            key = keys.pair(feature, generated.source, reference.source)
            self._compute[key] = partial(self._compared, feature, keys, generated, reference)

    def _per_frame(self, feature: FrameFeature, keys: Keys, clip: ArrayClip) -> Arrays:
        views = self._views(clip, keys)
        return {"values": np.array([np.nan if view is None else feature.function(view) for view in views], np.float64)}

    def _compared(self, feature: PairFeature, keys: Keys, generated: ArrayClip, reference: ArrayClip) -> Arrays:
        first, second = list(self._views(generated, keys)), list(self._views(reference, keys))
        if feature.band:
            return self._inside_band(feature, keys, first, second)
        networks = _networks(keys.protocol)
        questions = PairQuestions(feature.pairs, networks) if feature.pairs and networks.device != CPU else None
        values: list[float] = []
        for a, b in zip(*pair_indices(len(first), len(second), keys.protocol.pairing), strict=True):
            view, target = first[a], second[b]
            absent = view is None or target is None
            if not absent and questions is not None:
                questions.add(len(values), resize(view, *target.shape[:2]), target)
                absent = True
            values.append(np.nan if absent else feature.function(resize(view, *target.shape[:2]), target))
        found = np.array(values, np.float64)
        if questions is not None:
            questions.write(found)
        return {"values": found}

    @staticmethod
    def _inside_band(
        feature: PairFeature, keys: Keys, first: list[Frames | None], second: list[Frames | None]
    ) -> Arrays:
        steps = pair_indices(len(first), len(second), keys.protocol.pairing)
        values = BandValues(feature, len(steps[0]))
        for a, b in zip(*steps, strict=True):
            values.add(sized_as(first[a], second[b]), second[b])
        return values.arrays()

    def _views(self, clip: ArrayClip, keys: Keys) -> Iterator[Frames | None]:
        """Frames as the protocol shows them, None where the crop needs a face and there is none."""
        if clip.frames is None:
            return
        if keys.protocol.crop == "full":
            yield from clip.frames
            return
        for frame, points in zip(clip.frames, self._points(clip, keys), strict=True):
            yield eat128_crop(frame, points) if np.isfinite(points).all() else None

    def _points(self, clip: ArrayClip, keys: Keys) -> NDArray[np.float64]:
        found = self.get(keys.landmarks(clip.source))
        return np.empty((0, 68, 2)) if found is None else found.arrays["points"]

    def _extracted(self, feature: ClipFeature, keys: Keys, clip: ArrayClip) -> Arrays:
        """What a feature extractor gives for a clip."""
        given = {first.name: self._extracted(first, keys, clip) for first in feature.requires}
        points = self._points(clip, keys) if feature.landmarks else None
        networks = _networks(keys.protocol)
        audio = clip.audio if feature.audio else None
        context = ClipContext(clip.length, *clip.size, points, audio, given, networks=networks)
        accumulator = feature.begin(context)
        for index, frame in enumerate(() if clip.frames is None else clip.frames):
            accumulator.add(index, frame)
        return accumulator.finish()


def _networks(protocol: Protocol) -> Networks:
    return networks_on(dealt(protocol.device, 0))


def landmark_arrays(clip: ArrayClip, protocol: Protocol) -> Arrays:
    """Landmarks that are given, or that the protocol's detector finds in the frames; of one face that is followed."""
    frames: Iterable[Frames] = np.empty((clip.length, 1, 1, 3), np.uint8) if clip.frames is None else clip.frames
    with ExitStack() as opened:
        detector: Detector = (
            _Given(clip.landmarks)
            if clip.landmarks is not None
            else opened.enter_context(face_landmarks.backend(protocol.landmarks).open(None, _networks(protocol)))
        )
        track = face_landmarks.LandmarkTrack(detector, clip.length)
        last = None
        for frame in frames:
            if clip.frames is not None and last is not None and np.array_equal(frame, last):
                track.repeat()
            else:
                track.add(frame)
            last = frame
        return track.arrays()


class _Given:
    """A detector that gives the rows of an array (T, 68, 2) in their order."""

    def __init__(self, points: NDArray[np.float64]) -> None:
        self._points, self._next = points, 0

    def __call__(self, frame: Frames) -> list[Face]:
        """The face of the next row, if there is one."""
        points, self._next = self._points[self._next], self._next + 1
        return [Face(points)] if np.isfinite(points).all() else []

    def begin(self, video: Video) -> None:
        """Nothing: rows are frames."""

    def skip(self) -> None:
        """Leave out the row of a frame that repeats the last one."""
        self._next += 1
