"""A generated and a reference clip read in step, and the features of their pairs of frames."""

import numpy as np
from numpy.typing import NDArray

from gmbench.devices import CPU, Answer, Network, Networks
from gmbench.devices.asking import ON_CPU
from gmbench.evaluation.extraction.features import Frame, PairFeature, PairNetwork
from gmbench.evaluation.extraction.frame_pass import FramePass
from gmbench.evaluation.extraction.outcome import UNEXPECTED, Outcome
from gmbench.evaluation.protocol import pair_indices
from gmbench.media import resize
from gmbench.metrics.time_warping import BandCosts
from gmbench.store import Arrays, Store

_PAIRS = 16
"""Pairs that go to another device together."""


class PairQuestions:
    """Pairs of frames that a network on another device is asked for, many at once."""

    def __init__(self, pairs: PairNetwork, networks: Networks) -> None:
        self._pairs, self._networks = pairs, networks
        self._network: Network | None = None
        self._waiting: list[tuple[int, Frame]] = []
        self._answers: list[tuple[list[int], Answer]] = []
        self._equal: list[int] = []

    def add(self, step: int, first: Frame, second: Frame) -> None:
        """The pair of a step."""
        if first is second:  # the ground truth beside itself
            self._equal.append(step)
            return
        self._waiting.append((step, np.stack([self._pairs.prepare(first), self._pairs.prepare(second)])))
        if len(self._waiting) == _PAIRS:
            self._ask()

    def write(self, values: NDArray[np.float64]) -> None:
        """Write the distances into (T,)."""
        self._ask()
        for steps, answer in self._answers:
            values[steps] = answer.result()
        values[self._equal] = 0.0

    def _ask(self) -> None:
        if self._waiting:
            self._network = self._network or self._pairs.network()
            steps, pairs = zip(*self._waiting, strict=True)
            self._answers.append((list(steps), self._networks.ask(self._network, np.stack(pairs))))
            self._waiting = []


class BandValues:
    """A feature's values of pairs of frames inside its band, as the frames of one pair of clips come in step."""

    def __init__(self, feature: PairFeature, frames: int) -> None:
        self._feature = feature
        names = ("values", "generated", "reference") if feature.selves else ("values",)
        self._costs = {name: BandCosts(frames, feature.band) for name in names}

    def add(self, generated: Frame | None, reference: Frame | None) -> None:
        """The next frame of both sides, of one size; None where the crop needs a face and there is none."""
        prepare = self._feature.prepare or (lambda frame: frame)
        a, b = (None if frame is None else prepare(frame) for frame in (generated, reference))
        for name, costs in self._costs.items():
            sides = {"values": (a, b), "generated": (a, a), "reference": (b, b)}[name]
            costs.add(*sides, self._feature.function)

    def arrays(self) -> Arrays:
        """What is stored."""
        return {name: costs.costs for name, costs in self._costs.items()}


def sized_as(frame: Frame | None, other: Frame | None) -> Frame | None:
    """A frame in the size of another; as it is where either is missing."""
    return frame if frame is None or other is None else resize(frame, *other.shape[:2])


class PairPass:
    """A generated and a reference clip read in step, and the pair features that the store lacks."""

    def __init__(
        self, generated: FramePass, reference: FramePass, wanted: dict[str, PairFeature], networks: Networks = ON_CPU
    ) -> None:
        self.generated, self.reference, self.wanted = generated, reference, wanted
        on_device = {key: f.pairs for key, f in wanted.items() if f.pairs is not None and networks.device != CPU}
        self._asked = {key: PairQuestions(pairs, networks) for key, pairs in on_device.items()}
        self._failed: dict[str, str] = {}
        self._values = np.empty((0, 0))
        self._banded: dict[str, BandValues] = {}
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
        frames = len(self._indices[0])
        self._values = np.full((len(self.wanted), frames), np.nan)
        self._banded = {key: BandValues(feature, frames) for key, feature in self.wanted.items() if feature.band}
        return frames

    def step(self, step: int, outcome: Outcome) -> None:
        """Compare the frames of one step, if there are such and both clips can be read."""
        if self.problem or step >= len(self._indices[0]):
            return
        a = self.generated.guarded(self.generated.cropped_frame, int(self._indices[0][step]))
        b = self.reference.guarded(self.reference.cropped_frame, int(self._indices[1][step]))
        a = self.generated.guarded(sized_as, a, b)
        for row, (key, feature) in enumerate(self.wanted.items()):
            if self.problem or key in self._failed:
                continue
            try:
                if key in self._banded:
                    self._banded[key].add(a, b)
                elif a is None or b is None:
                    continue
                elif key in self._asked:
                    self._asked[key].add(step, a, b)
                else:
                    self._values[row, step] = feature.function(a, b)
            except UNEXPECTED as error:  # one feature of one pair is lost, not the others
                self._fail(key, error, outcome)

    def _fail(self, key: str, error: BaseException, outcome: Outcome) -> None:
        feature = self.wanted[key]
        own = bool(feature.weights)
        self._failed[key] = outcome.reason(error, self.generated.source.video, feature.name, own)

    def finish(self, store: Store, outcome: Outcome) -> None:
        """Store the values, or note why there are none."""
        if self.problem:
            outcome.failures |= dict.fromkeys(self.wanted, self.problem)
            return
        for row, key in enumerate(self.wanted):
            if key in self._asked and key not in self._failed:
                try:
                    self._asked[key].write(self._values[row])
                except UNEXPECTED as error:
                    self._fail(key, error, outcome)
        outcome.failures |= self._failed
        for key, values in zip(self.wanted, self._values, strict=True):
            if key not in self._failed:
                store.put(key, self._banded[key].arrays() if key in self._banded else {"values": values})
