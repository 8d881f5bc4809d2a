"""EDTalk's acceptance tests 3 to 6 and 15, of what judges saw in swapped films; drawn in :mod:`edtalk_swaps`."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np

from gmbench.methods.edtalk.settings import SPACES
from tests.acceptance.judges import Face
from tests.acceptance.maths import correlation, mean, mean_difference, rank_correlation, ratio
from tests.acceptance.outcome import Outcome, at_least, at_most, positive, reported

APART = 0.4
"""Of the range of the driver's opening that two frames must be apart."""


@dataclass(frozen=True)
class Swap:
    """A still source, one space of which follows a driver of another person at a time.

    Attributes:
        source: of the real source picture, one frame. driver: of the real driver.
        still: of the source drawn by its own weights, one frame.
        driven: by the space that follows the driver.
        pictures: source, driver, and what each space gave, at one instant.
    """

    source: Face
    driver: Face
    still: Face
    driven: Mapping[str, Face]
    pictures: Sequence[np.ndarray] = ()

    @property
    def found(self) -> bool:
        """Whether all films show a face."""
        return all(face.found for face in (self.source, self.driver, self.still, *self.driven.values()))


@dataclass(frozen=True)
class ExpressionSwap:
    """A clip's own mouth and pose with a neutral expression, and with that of a driver of another person.

    Attributes:
        real: of the clip. before, after: of what is drawn. target: emotion of the driver.
    """

    real: Face
    before: Face
    after: Face
    target: str


@dataclass(frozen=True)
class IdentitySwap:
    """A source under a clip of its own person and under one of another; ``stranger``: that clip's real face."""

    source: Face
    own: Face
    other: Face
    stranger: Face


def mouth_swaps(swaps: Sequence[Swap]) -> list[Outcome]:
    """Test 3: of the mouth's space alone, only the mouth follows."""
    every = [(s.driven["mouth"], s) for s in swaps]
    return [
        at_least(3, "mouth swap: the lips' change over the driver's",
                 [_followed(face.opening, s.driver.opening) for face, s in every], 0.35),
        at_least(3, "mouth swap: rank correlation of the opening",
                 [rank_correlation(s.driver.opening, face.opening) for face, s in every], 0.5),
        at_most(3, "mouth swap: pose moves, degrees", [_turned(face, s.still) for face, s in every], 2.0),
        at_most(3, "mouth swap: brows, nose and eyes move, pixels of 128",
                [_moved(face, s.still) for face, s in every], 1.5),
    ]  # fmt: skip


def pose_swaps(swaps: Sequence[Swap]) -> list[Outcome]:
    """Test 4: of the pose's space alone, only the head follows."""
    every = [(s.driven["pose"], s) for s in swaps]
    return [
        at_least(4, "pose swap: correlation of pitch and yaw",
                 [mean([correlation(face.angles[:, k], s.driver.angles[:, k]) for k in (0, 1)]) for face, s in every],
                 0.7),
        at_most(4, "pose swap: error without the mean, degrees",
                [mean_difference(_centred(face.angles), _centred(s.driver.angles)) for face, s in every], 4.0),
        at_most(4, "pose swap: lips' range over the driver's",
                [ratio(_range(face.opening), _range(s.driver.opening)) for face, s in every], 0.25),
    ]  # fmt: skip


def expression_swaps(swaps: Sequence[ExpressionSwap]) -> list[Outcome]:
    """Test 5: of the expression's space alone, the judge sees the driver's emotion, and lips and head stay."""
    rises = [s.after.probability(s.target) - s.before.probability(s.target) for s in swaps]
    falls = [
        correlation(s.before.opening, s.real.opening) - correlation(s.after.opening, s.real.opening) for s in swaps
    ]
    turns = [mean_difference(s.after.angles, s.before.angles) for s in swaps]
    return [
        at_least(5, "expression swap: rise of the driver's emotion, probability", rises, 0.15),
        at_most(5, "expression swap: fall of the mouth's correlation with its own clip", falls, 0.15),
        at_most(5, "expression swap: pose moves, degrees", turns, 2.0),
    ]


@dataclass(frozen=True)
class Leakage:
    """How much of the drivers' change each space passes on.

    Attributes:
        matrix: (3, 3), rows the space that follows the driver, columns what changes; 1 is as much as in the driver.
        swaps: that it was measured on. asked: that there were.
    """

    matrix: np.ndarray
    swaps: int
    asked: int
    names: tuple[str, ...] = field(default=tuple(SPACES))

    @property
    def shares(self) -> np.ndarray:
        """(3,) of each row that lies on the diagonal; NaN where a space moves nothing."""
        return np.array([ratio(row[n], row.sum()) for n, row in enumerate(self.matrix)])

    @property
    def expression(self) -> float:
        """Share of the expression's row."""
        return float(self.shares[self.names.index("expression")])

    def outcomes(self) -> list[Outcome]:
        """Test 6."""
        rows = [
            reported(6, f"leakage: {space} drives, {factor} changes, of the driver's change", self.matrix[n, k])
            for n, space in enumerate(self.names) for k, factor in enumerate(self.names)
        ]  # fmt: skip
        rows += [
            reported(6, f"leakage: diagonal's share where {name} drives", share)
            for name, share in zip(self.names, self.shares, strict=True)
        ]
        found = f"{self.swaps} of {self.asked}" if self.swaps < self.asked else ""
        whole = at_least(6, "leakage: mean of the diagonal's shares", float(self.shares.mean()), 0.6)
        return [*rows, Outcome(6, whole.what, whole.value, whole.threshold, whole.holds, found)]


def leakage(swaps: Sequence[Swap]) -> Leakage:
    """Test 6: sums of changes over swaps, of what is drawn over those of the drivers.

    A change is the mean absolute difference to the still source, of the mouth's opening and of the head's angles over
    frames, of the emotions' probabilities over the film; the drivers' to the real source picture.
    """
    known = [s for s in swaps if s.found]
    true = np.array([_changes(s.driver, s.source) for s in known]).reshape(-1, 3).sum(axis=0)
    drawn = [np.array([_changes(s.driven[name], s.still) for s in known]).reshape(-1, 3).sum(axis=0) for name in SPACES]
    matrix = np.array([[ratio(change, whole) for change, whole in zip(row, true, strict=True)] for row in drawn])
    return Leakage(matrix, len(known), len(swaps))


def leakage_claims(full: Leakage, by_ablation: Mapping[str, Leakage]) -> list[Outcome]:
    """Test 6's claim: the expression's row keeps to itself better than without orthogonality, and without banks."""
    found = {"full": full, **by_ablation}
    rows = [reported(6, f"{name}: diagonal's share where expression drives", x.expression) for name, x in found.items()]
    order = list(found.items())
    return rows + [
        positive(6, f"expression drives: share of {a} minus that of {b}", x.expression - y.expression, claim=True)
        for (a, x), (b, y) in zip(order[:-1], order[1:], strict=True)
    ]


def identity_swaps(swaps: Sequence[IdentitySwap]) -> list[Outcome]:
    """Test 15: the driver's person is not seen."""
    own, other, seen = ([getattr(s, name).likeness(s.source) for s in swaps] for name in ("own", "other", "stranger"))
    return [
        reported(15, "likeness to the source, own person's driver", own),
        reported(15, "the same, driver of another person", other),
        reported(15, "of that person's own clip to it", seen),
        at_least(15, "the second over the first", ratio(mean(other), mean(own)), 0.8),
    ]


def _followed(found: np.ndarray, wanted: np.ndarray) -> float:
    """Change of a track over that of another one, of frames between which that one changes much."""
    frames = min(len(found), len(wanted))
    apart = wanted[:frames, None] - wanted[:frames]
    large = apart >= APART * max(_range(wanted), 1e-6)
    changes = found[:frames, None] - found[:frames]
    kept = large & np.isfinite(changes) & np.isfinite(apart)
    return ratio(float(changes[kept].sum()), float(apart[kept].sum()))


def _changes(face: Face, before: Face) -> np.ndarray:
    """(3,) of opening, angles and probabilities of emotions."""
    return np.array([
        mean_difference(face.opening, before.opening), mean_difference(face.angles, before.angles),
        mean(np.abs(face.emotions - before.emotions)),
    ])  # fmt: skip


def _turned(face: Face, still: Face) -> float:
    return mean_difference(face.angles, still.angles)


def _moved(face: Face, still: Face) -> float:
    """Mean distance of the upper face's landmarks."""
    return mean(np.linalg.norm(face.upper - still.upper, axis=-1).ravel())


def _centred(angles: np.ndarray) -> np.ndarray:
    finite = np.isfinite(angles).all(axis=1)
    return angles - angles[finite].mean(axis=0) if finite.any() else angles


def _range(track: np.ndarray) -> float:
    finite = track[np.isfinite(track)]
    return float(np.ptp(finite)) if len(finite) else float("nan")
