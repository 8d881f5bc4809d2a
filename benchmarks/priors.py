"""Where a mixture of Gaussians might beat an embedded label: GMTalker's two expression generators on coefficients.

Both are trained on the same clips without pictures, at several seeds, with much and with little data, and asked for the
sounds of test clips. A classifier of a clip's mean expression, fitted on the real clips of other people, says which
emotion it sees. Run by hand: ``python -m benchmarks.priors --seeds 5`` (a minute a seed on one core).
"""

import argparse
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from gmbench.corpus.takes import FIRST_TRACK_PERSON
from gmbench.corpus.track_people import draw_track_people
from gmbench.emotions import SUITE_ORDER
from gmbench.methods.gmtalker.checkpoints import CHECKPOINTS
from gmbench.methods.gmtalker.gmeg import ExpressionGenerator
from gmbench.methods.gmtalker.settings import Gmeg
from gmbench.methods.gmtalker.training import train_gmeg, weight_label
from gmbench.methods.scaling import Scale
from gmbench.methods.settings import TrainingSettings
from gmbench.methods.track_people import as_tracks
from gmbench.methods.tracks import ClipTracks
from gmbench.stages.verdicts import difference_over_seeds

PEOPLE, STRANGERS, JUDGED = 4, 4, 60
"""Learnt from and tested; heard in tests alone; whom the classifier learns from."""
PRIORS = ("mixture", "labelled")
SAMPLES, TEMPERATURES = 3, (0.5, 1.0)
AUDIO = {"extractor": "logmel", "pair": "concat", "weights": ""}
STEPS = 500


@dataclass(frozen=True)
class Data:
    """Clips by use; ``level_2`` has an intensity that nothing was trained on."""

    train: list[ClipTracks]
    few: list[ClipTracks]
    test: list[ClipTracks]
    level_2: list[ClipTracks]
    strangers: list[ClipTracks]
    judged: list[ClipTracks]


def read_data() -> Data:
    """Draw all clips, in about ten seconds."""
    own = _draw(PEOPLE, 0, (1, 3), 4)
    take = [int(clip.clip_id.rsplit("/", 1)[1]) for clip in own]
    train = [clip for clip, number in zip(own, take, strict=True) if number <= 2]
    few = [clip for clip, number in zip(own, take, strict=True) if number == 1 and _full(clip)]
    test = [clip for clip, number in zip(own, take, strict=True) if number == 4 and _full(clip)]
    level_2 = [clip for clip in _draw(PEOPLE, 0, (2,), 1) if clip.emotion != "neutral"]
    strangers = [clip for clip in _draw(STRANGERS, PEOPLE, (3,), 1) if _full(clip)]
    return Data(train, few, test, level_2, strangers, _draw(JUDGED, PEOPLE + STRANGERS, (3,), 1))


class Judge:
    """Linear discriminant of a clip's mean expression, with the classes' common covariance."""

    def __init__(self, clips: Sequence[ClipTracks]) -> None:
        features = np.stack([clip.beta.mean(axis=0) for clip in clips]).astype(np.float64)
        labels = np.array([SUITE_ORDER.index(clip.emotion) for clip in clips])
        self.means = np.stack([features[labels == k].mean(axis=0) for k in range(len(SUITE_ORDER))])
        within = features - self.means[labels]
        covariance = within.T @ within / len(within)
        size = len(covariance)
        self.precision = np.linalg.inv(0.8 * covariance + 0.2 * np.trace(covariance) / size * np.eye(size))

    def accuracy(self, tracks: NDArray[np.float32], clips: Sequence[ClipTracks]) -> float:
        """Percent of tracks (N, T, 169) seen as their clips' emotions."""
        away = tracks.mean(axis=1)[:, None] - self.means
        seen = np.einsum("nki,ij,nkj->nk", away, self.precision, away).argmin(axis=1)
        return 100.0 * float(np.mean(seen == [SUITE_ORDER.index(clip.emotion) for clip in clips]))


class Trained:
    """An expression generator, and what it says of clips."""

    def __init__(self, prior: str, clips: Sequence[ClipTracks], seed: int, steps: int) -> None:
        training = TrainingSettings(steps=steps, batch=16, rate=2e-3)
        sizes = {"width": 64, "heads": 4, "layers": (2, 2, 2), "z": 16, "w": 8, "audio_frames": 9, "window": (50, 50)}
        self.settings = Gmeg.model_validate(
            {**sizes, "dropout": 0.0, "prior": prior, "intensity": "neutral_mix", "train": training}
        )
        content, _ = train_gmeg(clips, SUITE_ORDER, AUDIO, self.settings, seed)
        with TemporaryDirectory() as folder:
            path = Path(folder) / "gmeg.safetensors"
            path.write_bytes(content)
            width = clips[0].beta.shape[1], clips[0].audio.shape[1]
            self.speakers = sorted({clip.speaker for clip in clips})
            self.network = ExpressionGenerator(self.settings, *width, len(SUITE_ORDER), len(self.speakers))
            constants = CHECKPOINTS.load_weights(path, self.network)
        self.scale = Scale(constants["mean"], constants["deviation"])

    @torch.inference_mode()
    def say(self, clips: Sequence[ClipTracks], seed: int, temperature: float = 1.0) -> NDArray[np.float32]:
        """Expressions (N, T, 169) for the clips' sounds and labels; strangers speak with a known person's face."""
        generator = torch.Generator().manual_seed(seed)
        count, s = len(clips), self.settings
        labels = np.stack([weight_label(c.emotion, c.level, SUITE_ORDER, s.intensity) for c in clips])
        weights = torch.from_numpy(labels)
        w, noise = torch.randn(count, s.w, generator=generator), torch.randn(count, s.z, generator=generator)
        z = self.network.sample_z(weights, temperature * w, temperature * noise)  # as GMTalker generates
        numbers = [self.speakers.index(c.speaker) if c.speaker in self.speakers else n % len(self.speakers)
                   for n, c in enumerate(clips)]  # fmt: skip
        condition = self.network.condition(z, torch.tensor(numbers), weights)
        audio: Tensor = torch.from_numpy(np.stack([clip.audio for clip in clips]).astype(np.float32))
        return self.scale.restore(self.network.decoder.generate(condition, audio).numpy())


def measure(trained: Trained, data: Data, judge: Judge) -> dict[str, float]:
    """Values by name of one generator."""
    found: dict[str, float] = {}
    for temperature in TEMPERATURES:
        samples = [trained.say(data.test, seed, temperature) for seed in range(SAMPLES)]
        found[f"accuracy T={temperature:g}"] = float(np.mean([judge.accuracy(sample, data.test) for sample in samples]))
        found[f"diversity T={temperature:g}"] = float(np.std(np.stack(samples), axis=0).mean())
    found["accuracy, strangers' sound"] = judge.accuracy(trained.say(data.strangers, 0), data.strangers)
    said = trained.say(data.level_2, 0)
    found["error of level 2"] = _emotion_error(said, data.level_2)
    return found


def _emotion_error(tracks: NDArray[np.float32], clips: Sequence[ClipTracks]) -> float:
    """Distance of mean expressions of emotions from the real ones, in real distances from the mean of all."""
    real = np.stack([clip.beta.mean(axis=0) for clip in clips])
    said, labels = tracks.mean(axis=1), np.array([clip.emotion for clip in clips])
    away, apart = [], []
    for emotion in sorted(set(labels)):
        mine = labels == emotion
        away.append(np.linalg.norm(said[mine].mean(axis=0) - real[mine].mean(axis=0)))
        apart.append(np.linalg.norm(real[mine].mean(axis=0) - real.mean(axis=0)))
    return float(np.mean(away) / np.mean(apart))


def _draw(count: int, after: int, levels: tuple[int, ...], takes: int) -> list[ClipTracks]:
    drawn = draw_track_people(count, levels=levels, takes=takes, first=FIRST_TRACK_PERSON + after)
    return [as_tracks(clip, "concat") for clip in drawn]


def _full(clip: ClipTracks) -> bool:
    return clip.level == 3 or clip.emotion == "neutral"


def main() -> None:
    """Print differences, mixture minus label, with 95 % intervals over seeds."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--steps", type=int, default=STEPS)
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    data = read_data()
    judge = Judge(data.judged)
    real = np.stack([clip.beta for clip in data.test])
    print(f"real test clips: {judge.accuracy(real, data.test):.1f} % recognised")
    values: dict[tuple[str, str, str], list[float]] = {}
    for seed in range(arguments.seeds):
        for size, clips in (("all", data.train), ("few", data.few)):
            for prior in PRIORS:
                found = measure(Trained(prior, clips, seed, arguments.steps), data, judge)
                for name, value in found.items():
                    values.setdefault((size, name, prior), []).append(value)
        print(f"after seed {seed}:", flush=True)
        for size, name in dict.fromkeys((size, name) for size, name, _ in values):
            mixture, label = (np.array(values[size, name, prior]) for prior in PRIORS)
            gain = difference_over_seeds(mixture - label)
            clips = data.train if size == "all" else data.few
            print(
                f"  {len(clips):4d} clips  {name:28s} mixture {mixture.mean():7.3f}  label {label.mean():7.3f}  "
                f"difference {gain.mean:7.3f} [{gain.low:.3f}, {gain.high:.3f}]  p {gain.p:.2g}",
                flush=True,
            )


if __name__ == "__main__":
    main()
