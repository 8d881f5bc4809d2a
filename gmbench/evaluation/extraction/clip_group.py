"""Extraction: one reference and everything compared with it, read in step.

A group is the unit of work. Its clips are read side by side in batches; landmarks, frame features and
pair features are computed as the frames pass, and stored as soon as a clip is through. That decodes each clip once.
Feature extractors that read whole clips need all landmarks before the first frame: for them a clip is decoded a second
time (:mod:`gmbench.evaluation.extraction.clip_pass`), and a third time where one requires another, as SyncNet's crop
requires S3FD's boxes.
"""

import contextlib
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from gmbench.audio import onsets
from gmbench.errors import MediaError
from gmbench.evaluation.extraction.clip_pass import extract_clip_features
from gmbench.evaluation.extraction.corruptions import corrupted_audio, corrupted_frames
from gmbench.evaluation.extraction.features import ClipFeature, ClipSource, FrameFeature, Keys, PairFeature
from gmbench.evaluation.extraction.outcome import Outcome
from gmbench.evaluation.protocol import pair_indices
from gmbench.executor import one_thread
from gmbench.face import landmarks as face_landmarks
from gmbench.face.crops import eat128_crop
from gmbench.media import Frames, Video, VideoInfo, read_audio
from gmbench.store import Store


@dataclass(frozen=True)
class ClipGroup:
    """One reference, the clips compared with it, and what is wanted of them; goes to a worker whole.

    Attributes:
        name: clip name for progress and messages.
        reference: None where clips are scored alone.
        candidates: generated clips and controls.
        others: sources of which only their own features are wanted (further samples).
        landmarks: landmarks are wanted of every source.
        audio: features of the sound are wanted of the candidates.
        frame_features: of every source; pair_features: of each candidate with the reference.
        clip_features: of the candidates; reference_features: of all sources.
    """

    name: str
    reference: ClipSource | None
    candidates: tuple[ClipSource, ...]
    others: tuple[ClipSource, ...]
    landmarks: bool
    audio: bool
    frame_features: tuple[FrameFeature, ...]
    pair_features: tuple[PairFeature, ...]
    keys: Keys
    store: Path
    batch: int = 16
    clip_features: tuple[ClipFeature, ...] = ()
    reference_features: tuple[ClipFeature, ...] = ()


def extract_group(group: ClipGroup) -> Outcome:
    """Compute and store what the store lacks.

    Unusable files become failures in the outcome, and so does an unexpected error, with its type and its traceback.

    Raises:
        StoreError: results cannot be written. WeightsError: a network's file is missing.
    """
    with one_thread():
        return _extract(group)


def _extract(group: ClipGroup) -> Outcome:
    outcome = Outcome(group.name)
    store = Store(group.store)
    sources = [source for source in (group.reference, *group.candidates, *group.others) if source is not None]
    if group.audio:
        for source in {source.sound: source for source in sources}.values():
            _extract_audio(source, group, store, outcome)
    pairs = _missing_pairs(group, store)
    identity = group.keys.identity
    paired = {identity(source) for generated, reference, _ in pairs for source in (generated, reference)}
    tracks: dict[str, FramePass] = {}
    try:
        for name, source in {identity(source): source for source in sources}.items():
            track = FramePass(source, group, store, outcome)
            if name in paired or track.missing:
                tracks[name] = track
                _guard(track, outcome, track.open)
        passes = [PairPass(tracks[identity(g)], tracks[identity(r)], wanted) for g, r, wanted in pairs]
        longest = max((pair.start(group.keys.protocol.pairing) for pair in passes), default=0)
        for step in range(longest):
            for pair in passes:
                pair.step(step, outcome)
        for track in tracks.values():
            _guard(track, outcome, track.finish)
        for pair in passes:
            pair.finish(store, outcome)
    finally:
        for track in tracks.values():
            track.close()
    for source in {(identity(source), source.sound): source for source in sources}.values():
        generated = any(identity(source) == identity(candidate) for candidate in group.candidates)
        wanted = (*group.reference_features, *(group.clip_features if generated else ()))
        extract_clip_features(source, wanted, group.keys, store, outcome)
    return outcome


class FramePass:
    """One clip being read: frames arrive in batches, everything of single frames is computed on the way."""

    def __init__(self, source: ClipSource, group: ClipGroup, store: Store, outcome: Outcome) -> None:
        self.source, self.problem = source, ""
        self._group, self._store, self._outcome = group, store, outcome
        keys = group.keys
        self._video_key, self._landmark_key = keys.video(source), keys.landmarks(source)
        self._cropped = keys.protocol.crop != "full"
        self._features = {
            keys.frame(feature, source): feature
            for feature in group.frame_features
            if not store.has(keys.frame(feature, source))
        }
        self._detect = (group.landmarks or self._cropped) and not store.has(self._landmark_key)
        self.missing = {*self._features, *([self._landmark_key] if self._detect else [])}
        if not store.has(self._video_key):
            self.missing.add(self._video_key)
        self._landmark_track: face_landmarks.LandmarkTrack | None = None
        self._detector = contextlib.ExitStack()

    def open(self) -> None:
        """Open file and detector; raises MediaError."""
        if self.source.video is None:
            raise MediaError(self.source.problem)
        self.video = Video(self.source.video)
        self._batches = iter(corrupted_frames(self.video, self.source.video_change, self._group.batch))
        self._cropped_batch: list[Frames | None] = []
        self._start = self._read = 0
        self._previous: Frames | None = None
        self._values = {key: np.full(self.video.info.frames, np.nan) for key in self._features}
        self._stored_points: NDArray[np.float64] | None = None
        if self._detect:
            backend = face_landmarks.backend(self._group.keys.protocol.landmarks)
            try:
                detector = self._detector.enter_context(backend.open(self.source.landmarks))
                self._landmark_track = face_landmarks.LandmarkTrack(detector, self.video.info.frames)
            except Exception as error:
                self._give_up_landmarks(error)
        elif self._cropped:
            stored = self._store.get(self._landmark_key)
            self._stored_points = stored.arrays["points"] if stored else None

    def cropped_frame(self, index: int) -> Frames | None:
        """Frame as the protocol shows it, None where the crop needs a face and there is none.

        Raises:
            MediaError: the video breaks off.
            ValueError: the frame lies before those of the last batch, which are gone.
        """
        if index < self._start:
            raise ValueError(f"frame {index} was asked for after frame {self._start}")
        while index >= self._read:
            self._pull()
        return self._cropped_batch[index - self._start]

    def _pull(self) -> None:
        batch = next(self._batches, None)
        if batch is None:
            raise MediaError(f"{self.source.video}: ended after {self._read} frames")
        self._start = self._read
        self._cropped_batch = []
        for frame in batch:
            self._cropped_batch.append(self._take(frame))
            self._read += 1

    def _take(self, frame: Frames) -> Frames | None:
        """Everything that is computed of one frame; a repeated frame keeps its values."""
        repeated = self._previous is not None and np.array_equal(frame, self._previous)
        self._previous = frame
        points = None
        if self._landmark_track is not None:
            try:
                points = self._landmark_track.repeat() if repeated else self._landmark_track.add(frame)
            except Exception as error:
                self._give_up_landmarks(error)
        elif self._stored_points is not None:
            points = self._stored_points[self._read]
        view: Frames | None = frame
        if self._cropped:
            view = None if points is None or not np.isfinite(points).all() else eat128_crop(frame, points)
        for key, values in list(self._values.items()):
            if repeated:
                values[self._read] = values[self._read - 1]
            elif view is not None:
                self._score_frame(key, view)
        return view

    def _score_frame(self, key: str, view: Frames) -> None:
        """One frame feature of the frame; one that fails is given up, the clip goes on."""
        try:
            self._values[key][self._read] = self._features[key].function(view)
        except Exception as error:
            del self._values[key]
            self._give_up(key, self._features[key].name, error)

    def _give_up_landmarks(self, error: Exception) -> None:
        """Without landmarks the pixels can still be compared, unless the crop needs a face."""
        if self._cropped:
            raise error
        self.close()
        self._give_up(self._landmark_key, f"landmarks by {self._group.keys.protocol.landmarks}", error)

    def _give_up(self, key: str, name: str, error: Exception) -> None:
        self.missing.discard(key)
        self._outcome.failures[key] = self._outcome.reason(error, self.source.video, name)

    def finish(self) -> None:
        """Read to the end and store what was computed on the way; raises MediaError."""
        while self._read < self.video.info.frames:
            self._pull()
        info = self.video.info
        put = self._store.put
        if self._landmark_track is not None:
            put(self._landmark_key, self._landmark_track.arrays())
        for key, values in self._values.items():
            put(key, {"values": values})
        put(self._video_key, {"size": np.array([info.frames, info.height, info.width], np.int64)}, _facts(info))
        self.missing = set()
        self.close()

    def close(self) -> None:
        """Close the detector; an error while it closes costs nothing but is reported."""
        self._landmark_track = None
        try:
            self._detector.close()
        except Exception as error:
            self._outcome.reason(error, self.source.video)


class PairPass:
    """A generated and a reference clip read in step, and the pair features that the store lacks."""

    def __init__(self, generated: FramePass, reference: FramePass, wanted: dict[str, PairFeature]) -> None:
        self.generated, self.reference, self.wanted = generated, reference, wanted
        self._failed: dict[str, str] = {}
        self._values = np.empty((0, 0))
        self._indices: tuple[NDArray[np.int64], NDArray[np.int64]] = (np.empty(0, int), np.empty(0, int))

    @property
    def problem(self) -> str:
        """Why the pair cannot be compared, empty if it can."""
        return self.generated.problem or self.reference.problem

    def start(self, pairing: str) -> int:
        """Number of frame pairs, 0 if a side is unusable."""
        if self.problem:
            return 0
        counts = self.generated.video.info.frames, self.reference.video.info.frames
        self._indices = pair_indices(*counts, pairing)
        self._values = np.full((len(self.wanted), len(self._indices[0])), np.nan)
        return len(self._indices[0])

    def step(self, step: int, outcome: Outcome) -> None:
        """Compare the frames of one step, if there are such and both clips can be read."""
        if self.problem or step >= len(self._indices[0]):
            return
        a = _guard(self.generated, outcome, self.generated.cropped_frame, int(self._indices[0][step]))
        b = _guard(self.reference, outcome, self.reference.cropped_frame, int(self._indices[1][step]))
        if a is None or b is None:
            return
        resized = resize(a, b.shape[0], b.shape[1])
        for row, (key, feature) in enumerate(self.wanted.items()):
            if key in self._failed:
                continue
            try:
                self._values[row, step] = feature.function(resized, b)
            except Exception as error:  # one feature of one pair is lost, not the others
                self._failed[key] = outcome.reason(error, self.generated.source.video, feature.name)

    def finish(self, store: Store, outcome: Outcome) -> None:
        """Store the values, or note why there are none."""
        if self.problem:
            outcome.failures |= dict.fromkeys(self.wanted, self.problem)
            return
        outcome.failures |= self._failed
        for key, values in zip(self.wanted, self._values, strict=True):
            if key not in self._failed:
                store.put(key, {"values": values})


def _missing_pairs(group: ClipGroup, store: Store) -> list[tuple[ClipSource, ClipSource, dict[str, PairFeature]]]:
    """Pairs of sources with their features that the store lacks; of equal pictures one is enough."""
    if group.reference is None:
        return []
    pairs = {}
    for candidate in group.candidates:
        wanted = {group.keys.pair(f, candidate, group.reference): f for f in group.pair_features}
        wanted = {key: feature for key, feature in wanted.items() if not store.has(key)}
        if wanted:
            pairs[group.keys.identity(candidate)] = (candidate, group.reference, wanted)
    return list(pairs.values())


def _guard(track: FramePass, outcome: Outcome, action: Callable[..., Any], *arguments: Any) -> Any:
    """Run a step of reading a clip; a failure ends it and is noted under everything that is still missing."""
    if track.problem:
        return None
    try:
        return action(*arguments)
    except Exception as error:  # a bug or a broken library must not take the other clips down
        track.problem = outcome.reason(error, track.source.video)
    outcome.failures |= dict.fromkeys(track.missing, track.problem)
    return None


def _extract_audio(source: ClipSource, group: ClipGroup, store: Store, outcome: Outcome) -> None:
    key = group.keys.audio(source)
    if source.audio is None or store.has(key):
        return
    try:
        audio = corrupted_audio(read_audio(source.audio), source.audio_change)
        envelope = onsets.onset_envelope(audio)
        arrays = {
            "onset_times": onsets.onset_times(envelope),
            "onset_strength": onsets.onset_strength(envelope),
            "rms": onsets.frame_rms(audio),
            "samples": np.array([len(audio)], np.int64),
        }
    except Exception as error:
        outcome.failures[key] = outcome.reason(error, source.audio)
        return
    store.put(key, arrays)


def resize(frame: Frames, height: int, width: int) -> Frames:
    """Bilinear, antialiased when it shrinks; the frame itself if the size is right."""
    if frame.shape[:2] == (height, width):
        return frame
    return np.asarray(Image.fromarray(frame).resize((width, height), Image.Resampling.BILINEAR))


def _facts(info: VideoInfo) -> dict[str, object]:
    names = ("source_frames", "source_fps", "variable_rate", "codec", "pixel_format")
    return {name: getattr(info, name) for name in names}
