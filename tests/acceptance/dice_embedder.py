"""Acceptance tests 1 to 5 of DICE-Talk: of its emotion embedder, on people whom it has not met."""

from collections.abc import Sequence

import numpy as np
from sklearn.linear_model import LogisticRegression

from gmbench.corpus.takes import FIRST_TRACK_PERSON
from gmbench.corpus.track_people import draw_track_people
from gmbench.emotions import SUITE_ORDER
from gmbench.methods.dicetalk.prior_reader import PriorReader
from gmbench.methods.track_people import as_tracks
from gmbench.methods.tracks import ClipTracks
from gmbench.metrics.latents import clustering_strength
from tests.acceptance.outcome import Outcome, at_least

TABLE_5 = ("angry", "contempt", "disgusted", "happy")
HELD_OUT, LEVELS, TAKES = 8, (1, 2, 3), 4


def held_out_people(after: int, pair: str) -> list[ClipTracks]:
    """Clips of people who come after those that were learnt from."""
    first = FIRST_TRACK_PERSON + after
    return [as_tracks(clip, pair) for clip in draw_track_people(HELD_OUT, SUITE_ORDER, LEVELS, TAKES, first=first)]


def person_accuracy(x: np.ndarray, people: np.ndarray) -> float:
    """Share of people whom a linear probe knows from vectors (n, d); every second clip trains it."""
    odd = np.arange(len(x)) % 2 == 1
    return float(LogisticRegression(max_iter=500).fit(x[odd], people[odd]).score(x[~odd], people[~odd]))


class EmbedderMeasures:
    """All measures of one trained embedder.

    Args:
        reader: the embedder.
        train: clips that it learnt from, whose centroids are the emotions'.
        test: clips of other people.
    """

    def __init__(self, reader: PriorReader, train: Sequence[ClipTracks], test: Sequence[ClipTracks]) -> None:
        self.train, self.test = train, test
        self.learnt = self._means(reader, train, "both")
        self.means = {m: self._means(reader, test, m) for m in ("sound", "face", "both")}
        self.centres = {m: self._centres(self._means(reader, train, m)) for m in ("sound", "face", "both")}
        self.samples = self._samples(reader)
        self.emotions = np.array([clip.emotion for clip in test])
        self.people = np.array([clip.speaker for clip in test])

    def outcomes(self) -> list[Outcome]:
        """Every measure."""
        return [*self.clusters(), *self.accuracies(), self.intensity(), *self.leakage(), self.agnostic()]

    def clusters(self) -> list[Outcome]:
        """Test 1: clustering strength by modality, within one person at the highest level."""
        found = {m: self._strength(values) for m, values in self.means.items()}
        order = [found["sound"][e] < found["face"][e] < found["both"][e] for e in TABLE_5]
        ratio = float(np.mean([found["both"][e] / found["sound"][e] for e in TABLE_5]))
        rows = [Outcome(1, f"clustering strength by {m}", float(np.mean(list(v.values())))) for m, v in found.items()]
        return [
            *rows, at_least(1, "emotions of four with sound < face < both", float(sum(order)), 3.0),
            at_least(1, "both over sound", ratio, 1.2),
        ]  # fmt: skip

    def accuracies(self) -> list[Outcome]:
        """Test 2: the nearest centroid is the clip's emotion."""
        least = {"sound": 0.25, "face": 0.6, "both": 0.7}
        rows = []
        for m, values in self.means.items():
            nearest = np.linalg.norm(values[:, None] - self.centres[m], axis=2).argmin(axis=1)
            hits = float(np.mean(np.array(SUITE_ORDER)[nearest] == self.emotions))
            rows.append(at_least(2, f"nearest centroid, {m}", hits, least[m]))
        return rows

    def intensity(self) -> Outcome:
        """Test 3: the distance from neutral grows with the level."""
        neutral = self.centres["both"][SUITE_ORDER.index("neutral")]
        away = np.linalg.norm(self.means["both"] - neutral, axis=1)
        levels = np.array([clip.level for clip in self.test])
        grows = []
        for person in np.unique(self.people):
            for emotion in SUITE_ORDER:
                if emotion != "neutral":
                    own = (self.people == person) & (self.emotions == emotion)
                    by_level = [away[own & (levels == level)].mean() for level in LEVELS]
                    grows.append(by_level[0] < by_level[1] < by_level[2])
        return at_least(
            3, "pairs of person and emotion whose distance from neutral grows with level", np.mean(grows), 0.8
        )

    def leakage(self) -> list[Outcome]:
        """Test 4: a linear probe of the person on means and on samples."""
        mean, sample = (person_accuracy(x, self.people) for x in (self.means["both"], self.samples))
        return [
            Outcome(4, "person from the mean", mean),
            Outcome(4, "person from a sample", sample, "< from the mean", sample < mean),
        ]

    def agnostic(self) -> Outcome:
        """Test 5: a prior is nearer to others' of its emotion than to its person's of others."""
        x = self.means["both"]
        apart = np.linalg.norm(x[:, None] - x, axis=2)
        holds = []
        for n in range(len(x)):
            same = (self.emotions == self.emotions[n]) & (self.people != self.people[n])
            other = (self.emotions != self.emotions[n]) & (self.people == self.people[n])
            holds.append(np.median(apart[n, same]) < np.median(apart[n, other]))
        return at_least(
            5, "priors nearer to others' of the emotion than to the person's other ones", np.mean(holds), 0.6
        )

    def _strength(self, values: np.ndarray) -> dict[str, float]:
        found: dict[str, list[float]] = {}
        strong = np.array([clip.level == 3 or clip.emotion == "neutral" for clip in self.test])
        for person in np.unique(self.people):
            own = strong & (self.people == person)
            for emotion, value in clustering_strength(values[own], self.emotions[own].tolist()).items():
                found.setdefault(emotion, []).append(value)
        return {emotion: float(np.mean(v)) for emotion, v in found.items()}

    def _centres(self, values: np.ndarray) -> np.ndarray:
        labels = np.array([clip.emotion for clip in self.train])
        return np.stack([values[labels == emotion].mean(axis=0) for emotion in SUITE_ORDER])

    def _samples(self, reader: PriorReader) -> np.ndarray:
        return np.stack([reader.of_tracks(c.beta, c.rho, c.audio).sample()[0].numpy() for c in self.test])

    @staticmethod
    def _means(reader: PriorReader, clips: Sequence[ClipTracks], modality: str) -> np.ndarray:
        return np.stack([reader.of_tracks(c.beta, c.rho, c.audio, modality).mean[0].numpy() for c in clips])
