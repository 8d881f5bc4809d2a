"""What a metric reads of one clip: stored features of generated clip and reference, or why they are absent."""

import math
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray

from gmbench.emotions import canonical
from gmbench.errors import NoValueError
from gmbench.evaluation.extraction import extractors
from gmbench.evaluation.extraction.features import ClipFeature, ClipSource, FrameFeature, Keys, PairFeature
from gmbench.evaluation.protocol import Protocol, pair_indices
from gmbench.face import pose as head_pose
from gmbench.face.landmarks import LEAST_SHARE
from gmbench.media import SAMPLES_PER_FRAME
from gmbench.metrics import head_motion
from gmbench.metrics.landmarks import is_mirrored
from gmbench.plugins import explain
from gmbench.store import Arrays, Feature, Store

Value = TypeVar("Value")

SHAPE_TOLERANCE = 0.02
"""Relative difference of width to height that sizes rounded for a codec or a network may have."""
RATE_TOLERANCE = 0.005
"""Share by which the rates of two clips of equally many frames may differ; 29.97 is 0.1 % off 30."""

NOT_EXTRACTED = "not extracted"
"""Reason of a record whose feature the store lacks though nothing is known to have failed."""


Unscored = NoValueError
"""What scorers raise where a clip has no value."""


@dataclass
class FeatureReader:
    """Access to stored features, and to the reasons for absent ones.

    Attributes:
        failures: why features could not be extracted, by store key.
        not_extracted: how often a feature was asked for that is not there and is not known to have failed.
    """

    store: Store
    keys: Keys
    failures: dict[str, str]
    not_extracted: int = 0
    _cache: dict[ClipSource, "ClipFeatures"] = field(default_factory=dict)

    def feature(self, key: str) -> Feature:
        """A stored feature; raises Unscored with the reason of its absence."""
        try:
            feature = self.store.get(key)
        except Exception as error:  # a damaged file can raise whatever its bytes lead to
            where = self.store.path(key)
            raise Unscored("failed", f"{where}: damaged ({explain(error)}); delete it and run again") from error
        if feature is None:
            self.not_extracted += key not in self.failures
            raise Unscored("failed", self.failures.get(key, NOT_EXTRACTED))
        return feature

    def features_of(self, source: ClipSource) -> "ClipFeatures":
        """The features of a source, read once however many metrics and clips ask."""
        if source not in self._cache:
            self._cache[source] = ClipFeatures(source, self)
        return self._cache[source]

    def forget(self) -> None:
        """Drop all features that were read."""
        self._cache.clear()


class ClipFeatures:
    """Features of one source; each is read when asked for and raises Unscored where it is absent."""

    def __init__(self, source: ClipSource, reader: FeatureReader) -> None:
        self.source, self._reader = source, reader

    @cached_property
    def size(self) -> tuple[int, int, int]:
        """Number of frames, height, width."""
        frames, height, width = self._picture.arrays["size"]
        return int(frames), int(height), int(width)

    @cached_property
    def _picture(self) -> Feature:
        """Facts of the frames; raises Unscored where there are none."""
        if self.source.video is None:
            raise Unscored("missing" if self.source.absent else "failed", self.source.problem)
        return self._reader.feature(self._reader.keys.video(self.source))

    def _require_picture(self) -> None:
        _ = self._picture

    @property
    def has_picture(self) -> bool:
        """Whether the frames could be read."""
        try:
            return bool(self._picture.arrays)
        except Unscored:
            return False

    @property
    def damaged_frames(self) -> int:
        """Stored frames that the decoder found damaged though it gave a picture."""
        return int(self._picture.arrays["marked"][0])

    @property
    def transparent_frames(self) -> int:
        """Stored frames with transparent pixels, whose hidden colours are compared."""
        return int(self._picture.arrays["marked"][1])

    @property
    def missing_frames(self) -> int:
        """Stored frames that an otherwise steady rate lacks; the ones before them are shown longer."""
        return int(self._picture.arrays["marked"][2])

    @property
    def stored_rate(self) -> tuple[int, float] | None:
        """Stored frames and how many of them a second; None for arrays."""
        facts = self._picture.meta
        return (int(facts["source_frames"]), float(facts["source_fps"])) if "source_fps" in facts else None

    @property
    def frames(self) -> int:
        """Number of frames at 25 fps."""
        return self.size[0]

    @cached_property
    def _faces(self) -> Feature:
        frames = self.frames
        faces = self._reader.feature(self._reader.keys.landmarks(self.source))
        if len(faces.arrays["points"]) != frames:
            raise Unscored("failed", f"{self.source.video}: landmarks of another length than the video")
        return faces

    @cached_property
    def landmarks(self) -> NDArray[np.float64]:
        """(T, 68, 2) pixels of the full frame; raises Unscored if no face is there, or in too few frames."""
        points, found = self._faces.arrays["points"], int(self._faces.arrays["found"][0])
        if not np.isfinite(points).any():
            few = f"; in {found} of them something like one, at least {LEAST_SHARE:.0%} are needed" if found else ""
            raise Unscored("failed", f"{self.source.video}: no face found in {len(points)} frames{few}")
        return points

    @property
    def blendshapes(self) -> NDArray[np.float64]:
        """(T, 52) scores in 0 to 1; raises Unscored where the landmarks come without."""
        _ = self.landmarks
        shapes = self._faces.arrays["blendshapes"]
        if not np.isfinite(shapes).any():
            raise Unscored("undefined", "no blendshapes from these landmarks; use --landmarks mediapipe")
        return shapes

    @property
    def mesh(self) -> NDArray[np.float64]:
        """(T, M, 2) pixels of the FaceMesh points that are stored; raises Unscored where the landmarks lack them."""
        _ = self.landmarks
        mesh = self._faces.arrays.get("mesh")
        if mesh is None or not np.isfinite(mesh).all(axis=(1, 2)).any():
            raise Unscored("undefined", "no FaceMesh points from these landmarks; use --landmarks mediapipe")
        return mesh

    @cached_property
    def face_coverage(self) -> float:
        """Share of frames with a face."""
        return float(np.isfinite(self._faces.arrays["points"]).all(axis=(1, 2)).mean())

    @cached_property
    def several_faces(self) -> int:
        """Number of frames with more than one face."""
        return int((self._faces.arrays["faces"] > 1).sum())

    @cached_property
    def face_places(self) -> int:
        """In how many places the face stood that do not follow on each other."""
        return int(self._faces.arrays["places"][0])

    @cached_property
    def pose(self) -> NDArray[np.float64]:
        """(T, 3) pitch, yaw, roll in degrees, unwrapped, not smoothed."""
        if self._reader.keys.protocol.pose == "tokenhpe":
            return head_motion.unwrap(self.extracted("pose")["pose"])
        points = self.landmarks
        if self._reader.keys.protocol.pose == "pnp":
            _, height, width = self.size
            pose = head_pose.pose_from_landmarks(points, height, width)
        else:
            pose = head_pose.pose_from_matrices(self._faces.arrays["matrices"])
        if not np.isfinite(pose).any():
            raise Unscored("failed", f"{self.source.video}: no head pose from these landmarks; use --pose pnp")
        return head_motion.unwrap(pose)

    def keep_pose(self) -> NDArray[np.float64]:
        """:attr:`pose`, after which the landmarks that it came from are no longer in memory."""
        pose = self.pose
        for name in ("_faces", "landmarks"):
            self.__dict__.pop(name, None)
        return pose

    def extracted(self, name: str) -> Arrays:
        """Arrays that a feature extractor gave for the clip; see :mod:`gmbench.evaluation.extraction.extractors`."""
        self._require_picture()
        keys = self._reader.keys
        feature = extractors.extractor(name, keys.protocol)
        if not isinstance(feature, ClipFeature):
            raise TypeError(f"{name} reads pairs of frames, not clips")
        if feature.audio and self.source.audio is None:
            raise Unscored("failed", self.source.audio_problem or f"{self.source.video}: no sound")
        return self._reader.feature(keys.clip(feature, self.source)).arrays

    def per_frame(self, feature: FrameFeature) -> NDArray[np.float64]:
        """(T,) values of a frame feature, NaN where the crop had no face."""
        self._require_picture()
        return self._reader.feature(self._reader.keys.frame(feature, self.source)).arrays["values"]

    @cached_property
    def _sound(self) -> Feature:
        if self.source.audio is None:
            raise Unscored("failed", self.source.audio_problem or f"{self.source.video}: no sound")
        return self._reader.feature(self._reader.keys.audio(self.source))

    @property
    def sound_frames(self) -> int:
        """Frames for which there is sound, at most those of the picture."""
        return min(self.frames, math.ceil(int(self._sound.arrays["samples"][0]) / SAMPLES_PER_FRAME))

    @property
    def onset_times(self) -> NDArray[np.float64]:
        """(n,) seconds."""
        return self._sound.arrays["onset_times"]

    @property
    def onset_strength(self) -> NDArray[np.float64]:
        """(T,) at 25 fps."""
        return self._sound.arrays["onset_strength"]

    @property
    def rms(self) -> NDArray[np.float64]:
        """(T,) at 25 fps."""
        return self._sound.arrays["rms"]


class ClipData:
    """All that a metric may read of one clip.

    Attributes:
        clip: name.
        generated: features of the clip under test; reference: of the real clip of the same name.
        samples: of further generated samples of the clip.
        others: of other clips' references, for chance levels.
        emotion: the target in the suite's vocabulary, empty where unknown; label: as it was given.
        identity: of the clip whose first face stands for the speaker: a neutral reference where there is one.
    """

    def __init__(
        self,
        clip: str,
        generated: ClipFeatures,
        reference: ClipFeatures | None,
        samples: tuple[ClipFeatures, ...],
        others: tuple[ClipFeatures, ...],
        reader: FeatureReader,
        label: str = "",
        identity: ClipFeatures | None = None,
    ) -> None:
        self.clip, self.generated, self.samples, self.others = clip, generated, samples, others
        self.label, self.emotion, self.identity = label, canonical(label), identity
        self._reference, self._reader = reference, reader
        self._computed: dict[Any, Any] = {}

    @property
    def protocol(self) -> Protocol:
        """The protocol of the run."""
        return self._reader.keys.protocol

    @property
    def has_reference(self) -> bool:
        """Whether there is a reference to compare with."""
        return self._reference is not None

    @property
    def reference(self) -> ClipFeatures:
        """The reference; raises Unscored if there is none."""
        if self._reference is None:
            raise Unscored("undefined", "no reference clip")
        return self._reference

    def of_reference(self) -> "ClipData":
        """The reference in place of the generated clip; raises Unscored if there is none."""
        real = self.reference
        return ClipData(self.clip, real, real, (), self.others, self._reader, self.label, self.identity)

    def once(self, compute: "Callable[[ClipData], Value]") -> Value:
        """What a function gives for this clip; it is called once, however many metrics ask.

        Args:
            compute: a module's function, not a lambda: the result is kept under the function itself.
        """
        if compute not in self._computed:
            self._computed[compute] = compute(self)
        value: Value = self._computed[compute]
        return value

    def paired(
        self, generated: NDArray[np.float64], reference: NDArray[np.float64]
    ) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Series of both clips, one row per compared pair of frames."""
        if self.protocol.pairing == "index":  # views, no copies
            length = min(len(generated), len(reference))
            return generated[:length], reference[:length]
        a, b = pair_indices(len(generated), len(reference), self.protocol.pairing)
        return generated[a], reference[b]

    def pair(self, feature: PairFeature) -> NDArray[np.float64]:
        """(L,) values of a pair feature, NaN where a crop had no face."""
        return self.pair_arrays(feature)["values"]

    def pair_arrays(self, feature: PairFeature) -> Arrays:
        """All arrays of a pair feature."""
        for features in (self.generated, self.reference):
            _ = features.size  # says first what is wrong with a clip itself
        if self.protocol.crop == "full" and self.shapes_differ:
            _, height, width = self.generated.size
            _, real_height, real_width = self.reference.size
            raise Unscored(
                "failed",
                f"{self.generated.source.video}: {width} x {height}, the reference is {real_width} x {real_height}; "
                "one would be stretched to the shape of the other: cut both alike, or use --protocol eat128",
            )
        key = self._reader.keys.pair(feature, self.generated.source, self.reference.source)
        return self._reader.feature(key).arrays

    def extracted_pair(self, name: str) -> NDArray[np.float64]:
        """(L,) values of a feature extractor that sees pairs of frames."""
        return self.extracted_pairs(name)["values"]

    def extracted_pairs(self, name: str) -> Arrays:
        """All arrays of a feature extractor that sees pairs of frames."""
        feature = extractors.extractor(name, self.protocol)
        if not isinstance(feature, PairFeature):
            raise TypeError(f"{name} reads clips, not pairs of frames")
        return self.pair_arrays(feature)

    @property
    def shapes_differ(self) -> bool:
        """Whether width to height of both clips differ by more than 2 % and 2 pixels of the reference's width."""
        _, height, width = self.generated.size
        _, real_height, real_width = self.reference.size
        return abs(width * real_height / height - real_width) > max(2.0, SHAPE_TOLERANCE * real_width)

    @property
    def rates_differ(self) -> bool:
        """Whether both clips store as many frames at rates more than 0.5 % apart: one declares a false rate."""
        generated, reference = self.generated.stored_rate, self.reference.stored_rate
        if generated is None or reference is None or generated[0] != reference[0]:
            return False
        return abs(generated[1] / reference[1] - 1) > RATE_TOLERANCE

    def length_flags(self) -> tuple[str, ...]:
        """``length_mismatch`` if the lengths differ by more than the protocol tolerates."""
        generated, reference = self.generated.frames, self.reference.frames
        limit = max(2.0, self.protocol.length_tolerance * reference)
        return ("length_mismatch",) if abs(generated - reference) > limit else ()

    def face_flags(self, *clips: ClipFeatures) -> tuple[str, ...]:
        """What may be wrong with the landmarks that were read of some clips; see ``FLAGS`` in the tables."""
        flags = []
        if any(clip.face_coverage < self.protocol.low_coverage for clip in clips):
            flags.append("low_coverage")
        if any(clip.several_faces for clip in clips):
            flags.append("several_faces")
        if any(clip.face_places > 1 for clip in clips):
            flags.append("face_elsewhere")
        if any(is_mirrored(clip.landmarks) for clip in clips):
            flags.append("mirrored_landmarks")
        return tuple(flags)

    def pose_flags(self, *clips: ClipFeatures) -> tuple[str, ...]:
        """:meth:`face_flags` where the pose comes with the landmarks; the published network's pose needs none."""
        return () if self.protocol.pose == "tokenhpe" else self.face_flags(*clips)
