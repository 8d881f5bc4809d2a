"""How the engine sees a metric: its declaration, the features it reads, and a function from a clip to a score."""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from gmbench.evaluation.extraction import extractors
from gmbench.evaluation.extraction.features import ClipFeature, FrameFeature, PairFeature
from gmbench.evaluation.protocol import Protocol
from gmbench.evaluation.scoring.clip_data import ClipData, Unscored
from gmbench.metrics.key import MetricKey
from gmbench.metrics.spec import MetricSpec


@dataclass(frozen=True)
class Score:
    """Value of one clip under one metric.

    Attributes:
        value: NaN is not allowed; raise :class:`Unscored` instead.
        frames_used, frames_expected: frames behind the value, and those there could have been.
        flags: short remarks that go into the record.
        clips_used: clips behind a set-level value.
    """

    value: float
    frames_used: int
    frames_expected: int
    flags: tuple[str, ...] = ()
    clips_used: int = 1


@dataclass(frozen=True)
class Metric:
    """A metric of the engine.

    Attributes:
        spec: what the metric declares.
        score: from the features of a clip to its score; raises Unscored where there is none.
        frame_features, pair_features: what has to be extracted besides landmarks and sound.
        statistic: how clip values become one: ``mean``, ``median``, or ``macro``, the mean over emotions.
        extractors: the feature extractors that it asks, by name; see :mod:`gmbench.evaluation.extraction.extractors`.
        score_set: in place of ``score``, from all clips of a method to one score.
        emotions: of which emotions clips count; all by default.
        hit: the value of a hit where a clip's is either 0 or this one: the number is a share.
        warped: the protocol's ``dtw_gamma`` makes another number of it, under a key of its own.
        few_frames: frames of all clips together below which the number is flagged ``few_frames``.
    """

    spec: MetricSpec
    score: "Callable[[ClipData], Score] | None" = None
    frame_features: tuple[FrameFeature, ...] = ()
    pair_features: tuple[PairFeature, ...] = ()
    statistic: str = "mean"
    extractors: tuple[str, ...] = ()
    score_set: "Callable[[Sequence[ClipData]], Score] | None" = None
    emotions: tuple[str, ...] = ()
    hit: float = 0.0
    few_frames: int = 0
    warped: bool = False

    @property
    def name(self) -> str:
        """Key without the suffix of a fallback extractor."""
        return self.spec.name

    def extractor_features(self, protocol: Protocol) -> tuple[ClipFeature | PairFeature, ...]:
        """The feature extractors that it asks under a protocol; raises InputError where there is none of a name."""
        names = self.extractors
        if "pose" in self.spec.needs and protocol.pose == "tokenhpe":
            names = (*names, "pose")
        return tuple(extractors.extractor(name, protocol) for name in names)

    def pairs(self, protocol: Protocol) -> tuple[PairFeature, ...]:
        """All its features of pairs of frames."""
        return (*self.pair_features, *(f for f in self.extractor_features(protocol) if isinstance(f, PairFeature)))

    def clips(self, protocol: Protocol) -> tuple[ClipFeature, ...]:
        """Its features of whole clips."""
        return tuple(f for f in self.extractor_features(protocol) if isinstance(f, ClipFeature))

    def reads_landmarks(self, protocol: Protocol) -> bool:
        """Whether landmarks must be found for it, not counting the protocol's crop."""
        if "pose" in self.spec.needs and protocol.pose == "tokenhpe":
            return "landmarks" in self.spec.needs
        return bool({"landmarks", "pose"} & set(self.spec.needs)) or any(f.landmarks for f in self.clips(protocol))

    def weights(self, protocol: Protocol) -> tuple[str, ...]:
        """Files of feature extractors, by their names in the manifest."""
        features = self.extractor_features(protocol)
        required = [r for f in features if isinstance(f, ClipFeature) for r in f.requires]
        return tuple(dict.fromkeys(name for f in (*features, *required) for name in f.weights))

    def packages(self, protocol: Protocol) -> tuple[str, ...]:
        """Packages of extras that its feature extractors need."""
        return tuple(dict.fromkeys(name for feature in self.clips(protocol) for name in feature.packages))

    def key(self, detector: str, protocol: Protocol) -> MetricKey:
        """Key in records: a number from another extractor than the official one is another metric."""
        option = f"gamma={protocol.dtw_gamma:g}" if self.warped and protocol.dtw_gamma else ""
        return MetricKey(self.name, self.fallback(detector, protocol), option)

    def fallback(self, detector: str, protocol: Protocol) -> str:
        """Name of what stands in for an official extractor (dlib for landmarks, TokenHPE for pose), else empty.

        What stands in for voice activity is named after the landmarks' detector: ``mediapipe-rms40``.
        """
        others = [f.fallback for f in self.extractor_features(protocol) if f.fallback]
        if "speech" in self.spec.needs:
            return "-".join([name for name in (self._seen_by(detector, protocol), *others) if name])
        return others[0] if others else self._seen_by(detector, protocol)

    def _seen_by(self, detector: str, protocol: Protocol) -> str:
        """Name of what stands in for the official source of landmarks and pose, else empty."""
        if "pose" in self.spec.needs and protocol.pose != "tokenhpe":
            return f"pnp-{detector}" if protocol.pose == "pnp" else detector
        return detector if self.reads_landmarks(protocol) and detector != "dlib" else ""


def frame_mean(values: NDArray[np.float64], what: str, flags: tuple[str, ...] = ()) -> Score:
    """Mean over the frames that have a value; raises Unscored if none has."""
    valid = values[~np.isnan(values)]
    if len(valid) == 0:
        raise Unscored("failed", f"no frame could be scored: {what}")
    return Score(float(valid.mean()), len(valid), len(values), flags)


def defined(value: float, frames_used: int, frames: int, reason: str, flags: tuple[str, ...] = ()) -> Score:
    """A score, or Unscored("undefined") where the value is NaN."""
    if math.isnan(value):
        raise Unscored("undefined", reason)
    return Score(value, frames_used, frames, flags)
