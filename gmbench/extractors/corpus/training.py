"""Training of the corpus-trained extractors: arrays in, trained networks out. AdamW, one cycle of the rate."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass

import cv2
import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import Tensor, nn

from gmbench.extractors.corpus.networks import SIDE, EmotionNet, EmotionVgg, Encoder, FeatureNet, SyncTowers
from gmbench.extractors.syncnet import WINDOW, mfcc_windows
from gmbench.metrics.sync import SHIFT

Progress = Callable[[int, int], None]
IDENTITY_WIDTH = 64
_FRAMES = 2
_EXTRAS = 2.0
_SMOOTHING = 0.05
_TEMPERATURE = 12.0
_DECAY = 2e-2
_EMOTION_DECAY = 0.5
"""Weight decay of the emotion network; with less it overfits and recognises unseen people less well."""


@dataclass(frozen=True)
class Faces:
    """Frames of N takes, F per take, and where their faces are.

    Attributes:
        frames: (N, F, S, S, 3) uint8 RGB.
        matrices: (N, F, 2, 3), from pixels of a frame to those of its 64-pixel chip.
    """

    frames: NDArray[np.uint8]
    matrices: NDArray[np.float64]

    def __len__(self) -> int:
        """Number of takes."""
        return len(self.frames)

    def __getitem__(self, takes: slice) -> "Faces":
        """Some of the takes."""
        return Faces(self.frames[takes], self.matrices[takes])

    def chips(self) -> NDArray[np.uint8]:
        """All chips (N, F, 64, 64, 3), as the extractors see them."""
        flat = zip(self.frames.reshape(-1, *self.frames.shape[2:]), self.matrices.reshape(-1, 2, 3), strict=True)
        chips = [cv2.warpAffine(frame, matrix, (SIDE, SIDE)) for frame, matrix in flat]
        return np.stack(chips).reshape(*self.frames.shape[:2], SIDE, SIDE, 3).astype(np.uint8)

    def augmented(self, takes: NDArray[np.int64], frames: NDArray[np.int64]) -> tuple[Tensor, NDArray[np.bool_]]:
        """Chips (B, 3, 64, 64) of some takes and frames (B,), and which of them are mirrored (B,).

        Turned, scaled and shifted, since landmarks are never exact, in one step from the frame, so that they are as
        sharp as chips of scored clips; tinted, and half of them mirrored.
        """
        middle, chips = ((SIDE - 1) / 2,) * 2, np.empty((len(takes), SIDE, SIDE, 3), np.uint8)
        draws = torch.rand(len(takes), 4).numpy() - 0.5
        for n, (take, frame, (turn, size, *shift)) in enumerate(zip(takes, frames, draws.tolist(), strict=True)):
            move = cv2.getRotationMatrix2D(middle, np.degrees(0.12 * turn), 1 + 0.1 * size)
            move[:, 2] += 0.04 * SIDE * np.array(shift)
            matrix = move[:, :2] @ self.matrices[take, frame]
            matrix[:, 2] += move[:, 2]
            chips[n] = cv2.warpAffine(self.frames[take, frame], matrix, (SIDE, SIDE))
        mirrored = torch.rand(len(takes)).numpy() < 0.5
        chips[mirrored] = chips[mirrored, :, ::-1]
        return _tinted(_tensor(chips)), mirrored


@dataclass(frozen=True)
class TrainingSettings:
    """How long and how fast to train; ``batch`` counts takes, people or clips."""

    steps: int
    batch: int
    rate: float = 4e-3
    seed: int = 0


def train_emotion(
    faces: Faces, emotion: NDArray[np.int64], extras: NDArray[np.float32], settings: TrainingSettings,
    report: Progress | None = None,
) -> EmotionNet:  # fmt: skip
    """Takes with emotions (N,).

    The features also learn extras (N, F, 2, e), those of the frame and of its mirror image, scaled here to 1.
    """
    generator = _seeded(settings)
    scaled = _standardised(extras)
    network, batch = EmotionNet(extras.shape[-1]), min(settings.batch, len(faces))

    def loss() -> Tensor:
        takes = generator.choice(len(faces), batch, replace=False)
        each, frames = np.repeat(takes, _FRAMES), generator.integers(0, faces.frames.shape[1], batch * _FRAMES)
        chips, mirrored = faces.augmented(each, frames)
        features = network.features(chips)
        logits = network.logits(features.unflatten(0, (batch, _FRAMES)))
        hits = F.cross_entropy(logits, torch.from_numpy(emotion[takes]), label_smoothing=_SMOOTHING)
        targets = torch.from_numpy(scaled[each, frames, mirrored.astype(int)])
        return hits + _EXTRAS * F.mse_loss(network.extras(features), targets)

    _optimise(network, loss, settings, report, _EMOTION_DECAY)
    return network


def train_emotion_vgg(
    faces: Faces, emotion: NDArray[np.int64], settings: TrainingSettings, report: Progress | None = None
) -> EmotionVgg:
    """Single frames of takes with emotions (N,), classified."""
    generator = _seeded(settings)
    network = EmotionVgg()

    def loss() -> Tensor:
        takes = generator.integers(0, len(faces), settings.batch)
        frames = generator.integers(0, faces.frames.shape[1], settings.batch)
        logits = network(faces.augmented(takes, frames)[0])
        return F.cross_entropy(logits, torch.from_numpy(emotion[takes]), label_smoothing=_SMOOTHING)

    _optimise(network, loss, settings, report)
    return network


def train_identity(faces: Faces, settings: TrainingSettings, report: Progress | None = None) -> Encoder:
    """Takes 2 p and 2 p + 1 are of one person in two emotions: each must find the other."""
    generator = _seeded(settings)
    network, batch = Encoder(IDENTITY_WIDTH), min(settings.batch, len(faces) // 2)

    def side(takes: NDArray[np.int64]) -> Tensor:
        frames = generator.integers(0, faces.frames.shape[1], batch)
        return F.normalize(network(faces.augmented(takes, frames)[0]), dim=1)

    def loss() -> Tensor:
        people = generator.choice(len(faces) // 2, batch, replace=False)
        return _each_finds_its_own(_TEMPERATURE * side(2 * people) @ side(2 * people + 1).T)

    _optimise(network, loss, settings, report)
    return network


def train_features(
    frames: NDArray[np.uint8], targets: NDArray[np.float32], settings: TrainingSettings, report: Progress | None = None
) -> FeatureNet:
    """Shrunk whole frames (N, F, 64, 64, 3) and what is in them (N, F, t), scaled here to 1."""
    generator = _seeded(settings)
    scaled = _standardised(targets)
    network = FeatureNet(targets.shape[-1])

    def loss() -> Tensor:
        takes = generator.integers(0, len(frames), settings.batch)
        chosen = generator.integers(0, frames.shape[1], settings.batch)
        predicted = network(_tinted(_tensor(frames[takes, chosen])))
        return F.mse_loss(predicted, torch.from_numpy(scaled[takes, chosen]))

    _optimise(network, loss, settings, report)
    return network


def train_sync(
    mouths: NDArray[np.uint8], mfcc: NDArray[np.float32], settings: TrainingSettings, report: Progress | None = None
) -> SyncTowers:
    """Grey mouths (C, T, 40, 40) and MFCC (C, columns, 13) of one length: each window must find its sound.

    The sounds of the same clip up to 15 frames apart compete.
    """
    generator = _seeded(settings)
    count = min(mouths.shape[1] - WINDOW + 1, (mfcc.shape[1] - 20) // 4 + 1)
    sounds = torch.from_numpy(np.stack([mfcc_windows(clip, count) for clip in mfcc]))  # (C, M, 1, 13, 20)
    network = SyncTowers()
    network.mean.copy_(torch.from_numpy(mfcc.reshape(-1, 13).mean(axis=0)))
    network.deviation.copy_(torch.from_numpy(mfcc.reshape(-1, 13).std(axis=0) + 1e-3))
    places = torch.arange(count)
    too_distant = (places[:, None] - places).abs() > SHIFT

    def loss() -> Tensor:
        clips = generator.choice(len(mouths), min(settings.batch, len(mouths)), replace=False)
        pictures = torch.from_numpy(mouths[clips]).float()
        pictures = torch.roll(pictures, tuple(int(v) for v in generator.integers(-2, 3, 2)), (2, 3))
        pictures = pictures * float(generator.uniform(0.8, 1.2)) + float(generator.uniform(-13, 13))
        if generator.random() < 0.5:
            pictures = pictures.flip(3)
        windows = torch.stack([pictures[:, i : i + WINDOW] for i in range(count)], 1)
        lips = network.lips(windows.flatten(0, 1)).unflatten(0, (len(clips), count))
        voices = network.sounds(sounds[clips].flatten(0, 1)).unflatten(0, (len(clips), count))
        scores = (_TEMPERATURE * lips @ voices.transpose(1, 2)).masked_fill(too_distant, -1e4)
        return torch.stack([_each_finds_its_own(score) for score in scores]).mean()

    _optimise(network, loss, settings, report)
    return network


def _each_finds_its_own(scores: Tensor) -> Tensor:
    """Contrastive loss of scores (n, n) whose diagonal belongs together, both ways. Source: InfoNCE."""
    target = torch.arange(len(scores))
    return F.cross_entropy(scores, target) + F.cross_entropy(scores.T, target)


def _optimise(
    network: nn.Module, loss: Callable[[], Tensor], settings: TrainingSettings, report: Progress | None,
    decay: float = _DECAY,
) -> None:  # fmt: skip
    optimiser = torch.optim.AdamW(network.parameters(), settings.rate, weight_decay=decay)
    steps = max(settings.steps, 6)  # the schedule divides by zero at five
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimiser, settings.rate, total_steps=steps, pct_start=0.2)
    network.train().to(memory_format=torch.channels_last)  # a quarter faster on CPUs
    for step in range(settings.steps):
        value = loss()
        optimiser.zero_grad()
        value.backward()
        optimiser.step()
        schedule.step()
        if report is not None:
            report(step + 1, settings.steps)
    network.eval()


def _seeded(settings: TrainingSettings) -> np.random.Generator:
    torch.manual_seed(settings.seed)
    return np.random.default_rng([settings.seed, 53])


def _standardised(values: NDArray[np.float32]) -> NDArray[np.float32]:
    rows = values.reshape(-1, values.shape[-1])
    return ((values - rows.mean(axis=0)) / (rows.std(axis=0) + 1e-3)).astype(np.float32)


def _tensor(pictures: NDArray[np.uint8]) -> Tensor:
    return torch.from_numpy(np.ascontiguousarray(pictures)).permute(0, 3, 1, 2).float() / 255 - 0.5  # channels last


def _tinted(x: Tensor) -> Tensor:
    return x * (1 + (torch.rand(len(x), 1, 1, 1) - 0.5) * 0.2)


def class_numbers(names: Iterable[str], order: tuple[str, ...]) -> NDArray[np.int64]:
    """Places of names in an order."""
    return np.array([order.index(name) for name in names], np.int64)
