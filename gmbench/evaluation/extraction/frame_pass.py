"""One clip being read: landmarks and everything of single frames are computed as its frames pass."""

import contextlib
from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from gmbench.devices import Networks
from gmbench.devices.asking import ON_CPU
from gmbench.errors import MediaError
from gmbench.evaluation.extraction.clip_group import ClipGroup
from gmbench.evaluation.extraction.corruptions import corrupted_frames
from gmbench.evaluation.extraction.features import ClipSource
from gmbench.evaluation.extraction.outcome import UNEXPECTED, Outcome
from gmbench.face import landmarks as face_landmarks
from gmbench.face.crops import eat128_crop
from gmbench.face.faces import RowDetector
from gmbench.media import Frames, Video, VideoInfo
from gmbench.store import Store


class FramePass:
    """A clip's frames, which arrive in batches, and what is computed of them on the way."""

    def __init__(
        self, source: ClipSource, group: ClipGroup, store: Store, outcome: Outcome, networks: Networks = ON_CPU
    ) -> None:
        self.source, self.problem, self._networks = source, "", networks
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

    def guarded(self, action: Callable[..., Any], *arguments: Any) -> Any:
        """Run a step of reading the clip; a failure ends it and is noted under everything that is still missing."""
        if self.problem:
            return None
        try:
            return action(*arguments)
        except UNEXPECTED as error:  # a bug or a broken library must not take the other clips down
            self.problem = self._outcome.reason(error, self.source.video)
        self._outcome.failures |= dict.fromkeys(self.missing, self.problem)
        return None

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
        self._points: NDArray[np.float64] | None = None
        if self._detect:
            self._open_detector()
        if self._cropped:
            self._points = self._points_of_all_frames()

    def _open_detector(self) -> None:
        backend = face_landmarks.backend(self._group.keys.protocol.landmarks)
        try:
            detector = self._detector.enter_context(backend.open(self.source.landmarks, self._networks))
            if isinstance(detector, RowDetector):
                detector.begin(self.video)
            self._landmark_track = face_landmarks.LandmarkTrack(detector, self.video.info.frames)
        except UNEXPECTED as error:
            self._give_up_landmarks(error)

    def _points_of_all_frames(self) -> NDArray[np.float64] | None:
        """Landmarks for the crop, in a pass of their own: which face is followed is known after the last frame."""
        if self._landmark_track is not None:
            previous = None
            for batch in corrupted_frames(self.video, self.source.video_change, self._group.batch):
                for frame in self._looked_at(batch):
                    self._find_landmarks(frame, previous is not None and np.array_equal(frame, previous))
                    previous = frame
            self._store_landmarks()
        stored = self._store.get(self._landmark_key)
        return stored.arrays["points"] if stored else None

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
        for frame in self._looked_at(batch):
            self._cropped_batch.append(self._take(frame))
            self._read += 1

    def _take(self, frame: Frames) -> Frames | None:
        """Everything that is computed of one frame; a repeated frame keeps its values."""
        repeated = self._previous is not None and np.array_equal(frame, self._previous)
        self._previous = frame
        self._find_landmarks(frame, repeated)
        view: Frames | None = frame
        if self._cropped:
            points = None if self._points is None else self._points[self._read]
            view = None if points is None or not np.isfinite(points).all() else eat128_crop(frame, points)
        for key, values in list(self._values.items()):
            if repeated:
                values[self._read] = values[self._read - 1]
            elif view is not None:
                self._score_frame(key, view)
        return view

    def _looked_at(self, batch: Frames) -> list[Frames]:
        """The frames of a batch, which a landmark detector that takes many at once has seen."""
        frames = list(batch)
        if self._landmark_track is not None:
            try:
                self._landmark_track.look_ahead(frames)
            except UNEXPECTED as error:
                self._give_up_landmarks(error)
        return frames

    def _find_landmarks(self, frame: Frames, repeated: bool) -> None:
        """The landmarks of a frame, where they are looked for in this pass."""
        if self._landmark_track is None:
            return
        try:
            if repeated:
                self._landmark_track.repeat()
            else:
                self._landmark_track.add(frame)
        except UNEXPECTED as error:
            self._give_up_landmarks(error)

    def _store_landmarks(self) -> None:
        if self._landmark_track is None:
            return
        try:
            arrays = self._landmark_track.arrays()
        except UNEXPECTED as error:
            self._give_up_landmarks(error)
            return
        self._store.put(self._landmark_key, arrays)
        self.missing.discard(self._landmark_key)
        self.close()

    def _score_frame(self, key: str, view: Frames) -> None:
        """One frame feature of the frame; one that fails is given up, the clip goes on."""
        try:
            self._values[key][self._read] = self._features[key].function(view)
        except UNEXPECTED as error:
            del self._values[key]
            self._give_up(key, self._features[key].name, error, own=False)

    def _give_up_landmarks(self, error: BaseException) -> None:
        """Without landmarks the pixels can still be compared, unless the crop needs a face."""
        if self._cropped:
            raise error
        self.close()
        backend = self._group.keys.protocol.landmarks
        own = backend in face_landmarks.BACKENDS.built_in
        self._give_up(self._landmark_key, f"landmarks by {backend}", error, own)

    def _give_up(self, key: str, name: str, error: BaseException, own: bool) -> None:
        self.missing.discard(key)
        self._outcome.failures[key] = self._outcome.reason(error, self.source.video, name, own)

    def finish(self) -> None:
        """Read to the end and store what was computed on the way; raises MediaError."""
        while self._read < self.video.info.frames:
            self._pull()
        info = self.video.info
        put = self._store.put
        self._store_landmarks()
        for key, values in self._values.items():
            put(key, {"values": values})
        arrays = {
            "size": np.array([info.frames, info.height, info.width], np.int64),
            "marked": np.array(
                [self.video.corrupt_frames, self.video.transparent_frames, info.missing_frames], np.int64
            ),
        }
        put(self._video_key, arrays, _facts(info))
        self.missing = set()
        self.close()

    def close(self) -> None:
        """Close the detector; an error while it closes costs nothing but is reported."""
        self._landmark_track = None
        try:
            self._detector.close()
        except UNEXPECTED as error:
            self._outcome.reason(error, self.source.video)


def _facts(info: VideoInfo) -> dict[str, object]:
    names = ("source_frames", "source_fps", "variable_rate", "codec", "pixel_format")
    return {name: getattr(info, name) for name in names}
