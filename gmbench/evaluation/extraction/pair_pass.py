"""A generated and a reference clip read in step, and the features of their pairs of frames."""

import numpy as np
from numpy.typing import NDArray

from gmbench.evaluation.extraction.features import PairFeature
from gmbench.evaluation.extraction.frame_pass import FramePass
from gmbench.evaluation.extraction.outcome import UNEXPECTED, Outcome
from gmbench.evaluation.protocol import pair_indices
from gmbench.media import resize
from gmbench.store import Store


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
        a = self.generated.guarded(self.generated.cropped_frame, int(self._indices[0][step]))
        b = self.reference.guarded(self.reference.cropped_frame, int(self._indices[1][step]))
        if a is None or b is None:
            return
        for row, (key, feature) in enumerate(self.wanted.items()):
            if key in self._failed:
                continue
            try:
                if a.shape != b.shape:
                    a = resize(a, b.shape[0], b.shape[1])
                self._values[row, step] = feature.function(a, b)
            except UNEXPECTED as error:  # one feature of one pair is lost, not the others
                own = bool(feature.weights)
                self._failed[key] = outcome.reason(error, self.generated.source.video, feature.name, own)

    def finish(self, store: Store, outcome: Outcome) -> None:
        """Store the values, or note why there are none."""
        if self.problem:
            outcome.failures |= dict.fromkeys(self.wanted, self.problem)
            return
        outcome.failures |= self._failed
        for key, values in zip(self.wanted, self._values, strict=True):
            if key not in self._failed:
                store.put(key, {"values": values})
