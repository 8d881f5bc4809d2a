"""Acceptance tests 1 and 4 to 11 of FlowVQTalker: of its flows, on held-out clips and on people without pictures."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from sklearn.ensemble import RandomForestClassifier

from gmbench.corpus.track_people import draw_track_people
from gmbench.methods.expression_code import ExpressionCode
from gmbench.methods.flowvqtalker import sampling
from gmbench.methods.flowvqtalker.coefficient_generator import CoefficientGenerator
from gmbench.methods.track_people import as_tracks
from gmbench.methods.tracks import POSE, ClipTracks, relative_motion
from gmbench.metrics.frechet import frechet_distance
from gmbench.morphable.synthetic.model import synthetic_model
from tests.acceptance.outcome import Outcome, at_least, at_most

MOUTH = ("jaw_open", "pucker", "stretch", "upper_lip_up", "lower_lip_down", "funnel")
LONG = 250
"""Frames of the free-running test."""


@dataclass(frozen=True)
class Clips:
    """Held-out clips, the source image's tracks of each, and clips of people without pictures."""

    test: Sequence[ClipTracks]
    sources: Sequence[ClipTracks]
    people: Sequence[ClipTracks]


def track_people(count: int, pair: str) -> list[ClipTracks]:
    """Real tracks of people whom nobody has met, for the classifier."""
    return [as_tracks(clip, pair) for clip in draw_track_people(count, levels=(1, 3))]


class EmotionClassifier:
    """Emotion of a clip's mean expression: a forest fitted on real tracks of people without pictures."""

    def __init__(self, code: ExpressionCode, people: Sequence[ClipTracks]) -> None:
        means = np.stack([code.encode(c.beta, c.rho).mean(axis=0) for c in people])
        self._forest = RandomForestClassifier(300, random_state=0).fit(means, [c.emotion for c in people])

    def accuracy(self, codes: Sequence[np.ndarray], emotions: Sequence[str]) -> float:
        """Share of clips (T, 64) that are called by their emotion."""
        found = self._forest.predict(np.stack([c.mean(axis=0) for c in codes]))
        return float(np.mean(found == np.asarray(emotions)))


class FlowMeasures:
    """All measures of one trained pair of flows."""

    def __init__(self, generator: CoefficientGenerator, clips: Clips) -> None:
        self.generator, self.clips = generator, clips
        self.code = generator.code
        self.real = [self.code.encode(c.beta, c.rho) for c in clips.test]
        self.sources = [self.code.encode(c.beta, c.rho)[0] for c in clips.sources]
        self.emotions = [c.emotion for c in clips.test]
        self.classifier = EmotionClassifier(self.code, clips.people)

    def outcomes(self) -> list[Outcome]:
        """Every measure."""
        generated = self.samples()
        return [
            self.inverse(), self.likelihood_order(), Outcome(5, "held-out nats a dimension", self.nats()),
            *self.labels(generated), *self.transfer(), *self.lips(generated), *self.free_running(),
            *self.diversity(), *self.jitter(), *self.latent_space(), self.frechet(generated),
        ]  # fmt: skip

    def samples(self) -> list[np.ndarray]:
        """A sample of each held-out clip under its label."""
        return [self.sample(n, self.emotions[n]) for n in range(len(self.real))]

    def sample(self, clip: int, emotion: str, seed: int = 0, temperature: float = 1.0, sound: int | None = None):
        """Codes (T, 64) of a held-out clip's sound, or another's, under a label."""
        audio = self.clips.test[clip if sound is None else sound].audio
        weights = np.zeros((len(audio), len(self.generator.emotions)), np.float32)
        weights[:, self.generator.emotions.index(emotion)] = 1
        noise = self.generator.noise(len(audio), 1000 * seed + clip, temperature)
        return self.generator.expressions(audio, weights, self.sources[clip], noise)

    def inverse(self) -> Outcome:
        """Test 1: error of encoding and decoding real frames, standardised."""
        network = self.generator.expflow
        errors = []
        for codes, clip, source, emotion in zip(self.real, self.clips.test, self.sources, self.emotions, strict=True):
            rows, number = torch.from_numpy(codes), self.generator.emotions.index(emotion)
            context = sampling.own_context(
                rows, torch.from_numpy(clip.audio), number, network, torch.from_numpy(source)
            )
            classes = torch.full((len(rows),), number)
            back = network.decode(network.encode(rows, context, classes), context, classes)
            errors.append(float((back - rows).abs().max()))
        return at_most(1, "inverse of forward, trained (also 8: same context)", max(errors), 1e-3)

    def _likelihoods(self) -> np.ndarray:
        numbers = list(range(len(self.generator.emotions)))
        with torch.inference_mode():
            logs = [
                sampling.sequence_likelihoods(
                    self.generator.expflow, torch.from_numpy(codes), torch.from_numpy(clip.audio),
                    torch.from_numpy(source), numbers,
                ).numpy() / codes.size
                for codes, clip, source in zip(self.real, self.clips.test, self.sources, strict=True)
            ]  # fmt: skip
        return np.stack(logs)

    def likelihood_order(self) -> Outcome:
        """Test 4: the label under which a clip is likeliest is its own."""
        best = self._likelihoods().argmax(axis=1)
        hits = np.mean([self.generator.emotions[k] == e for k, e in zip(best, self.emotions, strict=True)])
        return at_least(4, "likeliest label is the clip's", float(hits), 0.4)

    def nats(self) -> float:
        """Test 5: negative log-likelihood of held-out frames under their label, per dimension."""
        own = [self.generator.emotions.index(e) for e in self.emotions]
        return float(-self._likelihoods()[np.arange(len(own)), own].mean())

    def labels(self, generated: Sequence[np.ndarray]) -> list[Outcome]:
        """Test 6: samples carry the label that was asked for."""
        real = self.classifier.accuracy(self.real, self.emotions)
        shuffled = [self.generator.emotions[(self.generator.emotions.index(e) + 3) % 8] for e in self.emotions]
        other = [self.sample(n, shuffled[n]) for n in range(len(self.real))]
        share = self.classifier.accuracy(generated, self.emotions) / max(real, 1e-9)
        return [
            at_least(6, "classifier on real held-out clips", real, 0.6),
            at_least(6, "accuracy of samples over that of real clips", share, 0.75),
            at_most(
                6, "accuracy with another label at generation", self.classifier.accuracy(other, self.emotions), 0.25
            ),
        ]

    def transfer(self) -> list[Outcome]:
        """Test 7: a reference of the same speaker and another sentence gives emotion but no lips."""
        pairs = self._references()[:16]
        found, emotions, own_lips, reference_lips, named = [], [], [], [], []
        for target, reference in pairs:
            codes, emotion = self.generator.transferred(
                self.clips.test[target].audio, self.real[reference], self.clips.test[reference].audio,
                self.sources[target],
            )  # fmt: skip
            found.append(codes)
            emotions.append(self.emotions[reference])
            named.append(emotion == self.emotions[reference])
            own_lips.append(self._mouth_correlation(codes, target))
            reference_lips.append(self._mouth_correlation(codes, reference))
        real = self.classifier.accuracy([self.real[r] for _, r in pairs], emotions)
        share = self.classifier.accuracy(found, emotions) / max(real, 1e-9)
        apart = float(np.nanmean(own_lips) - np.nanmean(reference_lips))
        return [
            at_least(7, "transfer: accuracy over that of the references", share, 0.75),
            Outcome(7, "transfer: class of highest likelihood is right", float(np.mean(named))),
            Outcome(7, "mouth's correlation with own sound minus with the reference's", apart, "> 0", apart > 0),
        ]

    def _references(self) -> list[tuple[int, int]]:
        """Each clip with another clip of its speaker in another emotion."""
        pairs = []
        for n, clip in enumerate(self.clips.test):
            others = [
                k for k, c in enumerate(self.clips.test) if c.speaker == clip.speaker and c.emotion != clip.emotion
            ]
            pairs.append((n, others[(7 * n) % len(others)]))
        return pairs

    def lips(self, generated: Sequence[np.ndarray]) -> list[Outcome]:
        """Test 9: six mouth columns follow the sound."""
        count = len(self.real)
        own = float(np.nanmean([self._mouth_correlation(generated[n], n) for n in range(count)]))
        shuffled = [self.sample(n, self.emotions[n], sound=(n + count // 2 + 1) % count) for n in range(count)]
        other = float(np.nanmean([self._mouth_correlation(shuffled[n], n) for n in range(count)]))
        calm = [self.sample(n, self.emotions[n], temperature=0.0) for n in range(count)]
        still = float(np.nanmean([self._mouth_correlation(calm[n], n) for n in range(count)]))
        return [
            at_least(9, "mouth's correlation with the truth", own, 0.35),
            Outcome(9, "with another clip's sound", other, "<= half", other <= own / 2),
            Outcome(9, "at temperature 0", still),
        ]

    def _mouth_correlation(self, codes: np.ndarray, clip: int) -> float:
        """Mean correlation of six columns with a held-out clip's, over the frames that both have."""
        model, real = synthetic_model(), self.clips.test[clip]
        columns = [int(np.searchsorted(model.beta_columns, model.column(name))) for name in MOUTH]
        beta, _ = self.code.decode(codes)
        frames = min(len(beta), len(real.beta))
        return float(np.nanmean([np.corrcoef(beta[:frames, k], real.beta[:frames, k])[0, 1] for k in columns]))

    def free_running(self) -> list[Outcome]:
        """Test 10: 250 frames neither freeze nor explode."""
        real = np.concatenate(self.real).std(axis=0)
        largest = np.argsort(-np.asarray(self.code.coefficients.variances[: len(real)]))[:10]
        ratios, most = [], 0.0
        for n in range(0, len(self.real), 4):
            audio = np.concatenate([self.clips.test[(n + k) % len(self.real)].audio for k in range(6)])[:LONG]
            weights = np.zeros((LONG, len(self.generator.emotions)), np.float32)
            weights[:, self.generator.emotions.index(self.emotions[n])] = 1
            codes = self.generator.expressions(audio, weights, self.sources[n], self.generator.noise(LONG, n))
            ratios.append(codes)
            most = max(most, float((np.abs(codes - np.concatenate(self.real).mean(axis=0)) / real).max()))
        spread = np.concatenate(ratios).std(axis=0)[largest] / real[largest]
        return [
            at_least(10, "250 frames: least spread of ten components over real", float(spread.min()), 0.5),
            at_most(10, "250 frames: largest such spread", float(spread.max()), 1.6),
            at_most(10, "250 frames: largest value in deviations", most, 6.0),
        ]

    def diversity(self) -> list[Outcome]:
        """Test 11: seeds differ, temperature 0 does not."""
        numbers = (0, len(self.real) // 2)
        values, cold, poses = [], 0.0, []
        for n in numbers:
            drawn = np.stack([self.sample(n, self.emotions[n], seed) for seed in range(10)])
            values.append(_pairwise(drawn / np.concatenate(self.real).std(axis=0)))
            still = np.stack([self.sample(n, self.emotions[n], seed, 0.0) for seed in range(2)])
            cold = max(cold, float(np.abs(np.diff(still, axis=0)).max()))
            audio = self.clips.test[n].audio
            real = np.concatenate([relative_motion(c.rho)[:, POSE] for c in self.clips.test]).std(axis=0)
            poses.append(_pairwise(np.stack([self.generator.poses(audio, seed) for seed in range(10)]) / real))
        return [
            Outcome(11, "expressions: L1 between seeds in deviations", float(np.mean(values)), "> 0.1",
                    float(np.mean(values)) > 0.1),
            Outcome(11, "poses: the same", float(np.mean(poses)), "> 0.1", float(np.mean(poses)) > 0.1),
            at_most(11, "at temperature 0", cold, 0.0),
        ]  # fmt: skip

    def jitter(self) -> list[Outcome]:
        """Mean |second difference| over mean |first difference| of the codes, under each way to draw latents."""
        kept = self.generator.settings
        rows = []
        for latent in ("ar", "iid", "hold"):
            self.generator.settings = kept.model_copy(update={"latent": latent})
            codes = [self.sample(n, self.emotions[n]) for n in range(0, len(self.real), 5)]
            rows.append(Outcome(0, f"jitter, latent {latent}", _jitter(codes)))
        self.generator.settings = kept
        return [*rows, Outcome(0, "jitter, real clips", _jitter(self.real))]

    def latent_space(self) -> list[Outcome]:
        """Figure 6 in numbers: how real held-out clips lie in the latent space."""
        found = [self.generator.likeliest(codes, clip.audio) for codes, clip in self._pairs()]
        means = [
            self.generator.posterior(codes, clip.audio, name).mean(axis=0)
            for (codes, clip), name in zip(self._pairs(), found, strict=True)
        ]
        apart = np.linalg.norm(np.stack(means)[:, None] - np.stack(means), axis=-1) + np.diag([np.inf] * len(means))
        hits = [self.emotions[int(k)] == e for k, e in zip(apart.argmin(axis=1), self.emotions, strict=True)]
        far = []
        for (codes, clip), emotion in zip(self._pairs(), self.emotions, strict=True):
            centre = self.generator.expflow.prior.means[self.generator.emotions.index(emotion)].numpy()
            far.append(((self.generator.posterior(codes, clip.audio, emotion) - centre) ** 2).mean(axis=1) > 9)
        return [
            Outcome(0, "emotion of the nearest clip in the latent space, no label given", float(np.mean(hits))),
            Outcome(0, "held-out frames beyond 3 deviations of their component", float(np.concatenate(far).mean())),
        ]

    def frechet(self, generated: Sequence[np.ndarray]) -> Outcome:
        """Distance of samples' codes from those of the real clips."""
        value = frechet_distance(np.concatenate(generated), np.concatenate(self.real))
        return Outcome(0, "Fréchet distance of samples' codes", value)

    def _pairs(self) -> list[tuple[np.ndarray, ClipTracks]]:
        return list(zip(self.real, self.clips.test, strict=True))


def _pairwise(values: np.ndarray) -> float:
    """Mean absolute difference between different members of a stack."""
    return float(np.mean([np.abs(a - b).mean() for n, a in enumerate(values) for b in values[:n]]))


def _jitter(tracks: Sequence[np.ndarray]) -> float:
    second = np.mean([np.abs(np.diff(t, 2, axis=0)).mean() for t in tracks])
    return float(second / np.mean([np.abs(np.diff(t, axis=0)).mean() for t in tracks]))
