"""The unit of work of an extraction: one reference and everything compared with it."""

from dataclasses import dataclass
from pathlib import Path

from gmbench.evaluation.extraction.features import ClipFeature, ClipSource, FrameFeature, Keys, PairFeature


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

    @property
    def sources(self) -> list[ClipSource]:
        """All clips of the group."""
        return [source for source in (self.reference, *self.candidates, *self.others) if source is not None]

    def feature_keys(self) -> list[str]:
        """Store keys of all that extraction makes of the group; they name contents, weights and versions."""
        keys = self.keys
        result: list[str] = []
        for source in self.sources:
            result += [keys.video(source), keys.audio(source), keys.landmarks(source)]
            result += [keys.frame(feature, source) for feature in self.frame_features]
            result += [keys.clip(feature, source) for feature in (*self.clip_features, *self.reference_features)]
            if self.reference is not None:
                result += [keys.pair(feature, source, self.reference) for feature in self.pair_features]
        return result
