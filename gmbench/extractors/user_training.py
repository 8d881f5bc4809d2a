"""Training of emotion networks on the user's faces: chips in, a network of a published architecture and its score out.

Emotion-FAN sees several frames of a clip at once, as it does when it judges; the VGG of E-PPL sees single frames.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from scipy.stats import binomtest
from torch import Tensor, nn
from torchvision.models import vgg16

from gmbench.devices import choose, dealt
from gmbench.errors import InputError, WeightsError
from gmbench.extractors import emotion_fan
from gmbench.extractors.emotion_fan import EmotionFan
from gmbench.extractors.loading import read_state
from gmbench.extractors.trunks import EMOTIONS, imagenet_scaled, with_hidden

SIGNIFICANCE = 0.01
"""A network whose hits on held-out people chance explains with a higher probability is refused."""
Progress = Callable[[int, int], None]


@dataclass(frozen=True)
class EmotionChips:
    """Faces of N clips, F frames each.

    Attributes:
        chips: (N, F, 224, 224, 3) uint8 RGB, as the network sees them when it judges.
        emotion: (N,) places in the network's order.
        speaker: (N,) names.
    """

    chips: NDArray[np.uint8]
    emotion: NDArray[np.int64]
    speaker: tuple[str, ...]

    def of(self, people: Sequence[str]) -> "EmotionChips":
        """The clips of some people."""
        chosen = np.flatnonzero([name in people for name in self.speaker])
        return EmotionChips(self.chips[chosen], self.emotion[chosen], tuple(self.speaker[n] for n in chosen))


@dataclass(frozen=True)
class UserTraining:
    """How to train.

    Attributes:
        steps, batch, rate: updates, clips in each, learning rate of Adam.
        frames: of a clip in an update of Emotion-FAN.
        seed: of everything random.
        hidden: width of the VGG's classifier; that of the published architecture by default.
        side: chips are shrunk to it, to learn from and to be scored on; 224 is what metrics judge on.
        start: file of torchvision's ResNet-18 or VGG-16, or of a network of this kind; None to begin from nothing.
    """

    steps: int = 20_000
    batch: int = 16
    rate: float = 1e-4
    frames: int = 3
    seed: int = 0
    hidden: int = 4096
    side: int = 224
    start: Path | None = None


def train_fan(data: EmotionChips, classes: int, settings: UserTraining, report: Progress | None = None) -> EmotionFan:
    """Emotion-FAN on clips, with the attention of its released evaluation. Source: Meng et al., ICIP 2019.

    Raises:
        WeightsError: ``start`` holds no ResNet-18.
    """
    torch.manual_seed(settings.seed)
    network = EmotionFan(classes)
    _start(network, settings.start, ("alpha.", "beta.", "pred_fc"))

    def logits(chips: Tensor) -> Tensor:
        features = network(chips.flatten(0, 1)).unflatten(0, chips.shape[:2])  # (B, F, 512)
        alpha = network.alpha(features)
        whole = ((alpha * features).sum(1, keepdim=True) / alpha.sum(1, keepdim=True)).expand_as(features)
        joined = torch.cat([features, whole], 2)
        return network.pred_fc2((alpha * joined).sum(1) / (alpha * network.beta(joined)).sum(1))

    _optimise(network, logits, data, classes, settings, settings.frames, report)
    return network


def train_vgg(data: EmotionChips, settings: UserTraining, report: Progress | None = None) -> nn.Module:
    """VGG-16 on single frames, with eight outputs in the suite's order; those of emotions without clips stay untrained.

    Raises:
        WeightsError: ``start`` holds no VGG-16.
    """
    torch.manual_seed(settings.seed)
    network = with_hidden(vgg16(num_classes=EMOTIONS), settings.hidden)
    _start(network, settings.start, ("classifier.",))
    _optimise(network, lambda chips: network(imagenet_scaled(chips[:, 0])), data, EMOTIONS, settings, 1, report)
    return network


def fan_probabilities(network: EmotionFan, data: EmotionChips, side: int) -> NDArray[np.float64]:
    """(N, C) of clips, as the metrics ask it at a side of 224."""
    device = next(network.parameters()).device
    network.cpu()
    logits = [
        emotion_fan.clip_logits(network, emotion_fan.frame_features(network, _shrunk(clip, side)), released=True)
        for clip in data.chips
    ]
    network.to(device)
    return np.asarray(torch.from_numpy(np.stack(logits)).softmax(1).numpy())


def vgg_probabilities(network: nn.Module, data: EmotionChips, side: int) -> NDArray[np.float64]:
    """(N, 8) of clips: means over their frames."""
    device = next(network.parameters()).device
    with torch.inference_mode():
        frames = (_tensor(_shrunk(clip, side)).to(device) for clip in data.chips)
        means = [network(imagenet_scaled(clip)).double().softmax(1).mean(0).cpu().numpy() for clip in frames]
    return np.stack(means)


def score(probabilities: NDArray[np.float64], data: EmotionChips, order: Sequence[str]) -> dict[str, Any]:
    """Accuracy in percent on people whom the network never saw, its chance level, and the confusion matrix.

    Chance is the share of the most frequent emotion.

    Raises:
        InputError: the network is no better than chance.
    """
    hits = probabilities.argmax(1) == data.emotion
    shares = np.bincount(data.emotion, minlength=len(order)) / len(hits)
    probability = binomtest(int(hits.sum()), len(hits), float(shares.max()), alternative="greater").pvalue
    if probability > SIGNIFICANCE:
        raise InputError(
            f"the network recognises {100 * hits.mean():.1f} % of {len(hits)} clips of held-out people, where chance"
            f" gives {100 * shares.max():.1f} %: nothing is written; train longer, on more clips, or with --start"
        )
    confusion = np.zeros((len(order), len(order)), int)
    np.add.at(confusion, (data.emotion, probabilities.argmax(1)), 1)
    return {
        "accuracy": round(100 * float(hits.mean()), 2), "chance": round(100 * float(shares.max()), 2),
        "count": len(hits), "people": len(set(data.speaker)), "p": float(probability),
        "order": list(order), "confusion": confusion.tolist(),
    }  # fmt: skip


def _optimise(
    network: nn.Module, logits: Callable[[Tensor], Tensor], data: EmotionChips, classes: int, settings: UserTraining,
    frames: int, report: Progress | None,
) -> None:  # fmt: skip
    """Cross-entropy of clips that are drawn so that every emotion is equally likely."""
    device = torch.device(dealt(choose(), 0))
    network.to(device).train().requires_grad_(True)
    optimiser = torch.optim.Adam(network.parameters(), settings.rate)
    generator = np.random.default_rng([settings.seed, 71])
    members = [np.flatnonzero(data.emotion == k) for k in range(classes) if (data.emotion == k).any()]
    for step in range(settings.steps):
        chosen = np.array([generator.choice(members[generator.integers(len(members))]) for _ in range(settings.batch)])
        columns = generator.integers(0, data.chips.shape[1], (settings.batch, frames))
        chips = data.chips[chosen[:, None], columns]
        mirrored = generator.random(settings.batch) < 0.5
        chips[mirrored] = chips[mirrored, :, :, ::-1]
        x = _tensor(_shrunk(chips.reshape(-1, *chips.shape[2:]), settings.side)).unflatten(0, columns.shape)
        loss = F.cross_entropy(logits(x.to(device)), torch.from_numpy(data.emotion[chosen]).to(device))
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
        if report is not None:
            report(step + 1, settings.steps)
    network.eval().requires_grad_(False)


def _start(network: nn.Module, path: Path | None, new: tuple[str, ...]) -> None:
    """Fill a network from a file, but for parts that are new where the file lacks them or has other sizes."""
    if path is None:
        return
    given, own = read_state(path), network.state_dict()
    fitting = {name: value for name, value in given.items() if name in own and own[name].shape == value.shape}
    missing = [name for name in own if name not in fitting and not name.startswith(new)]
    missing = [name for name in missing if not name.endswith("num_batches_tracked")]
    if missing:
        raise WeightsError(f"{path}: {len(missing)} tensors of the network are missing, for example {missing[0]}")
    network.load_state_dict(fitting, strict=False)


def _shrunk(chips: NDArray[np.uint8], side: int) -> NDArray[np.uint8]:
    """Chips (n, S, S, 3) at another side."""
    import cv2

    if chips.shape[1] == side:
        return chips
    return np.stack([cv2.resize(chip, (side, side), interpolation=cv2.INTER_AREA) for chip in chips]).astype(np.uint8)


def _tensor(chips: NDArray[np.uint8]) -> Tensor:
    """(n, 3, S, S) in [0, 1]."""
    return torch.from_numpy(np.ascontiguousarray(chips)).permute(0, 3, 1, 2).float() / 255
