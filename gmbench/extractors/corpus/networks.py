"""Architectures of the corpus-trained extractors, and their files."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from safetensors import SafetensorError, safe_open
from safetensors.torch import save
from torch import Tensor, nn

from gmbench.errors import WeightsError
from gmbench.metrics.perceptual import layer_distance, unit_normalised
from gmbench.store import write_atomically

NETWORK_FILE_VERSION = 1
EMOTIONS = 8
SIDE = 64
"""Side of chips and of shrunk frames."""
WIDTH = 16


class Encoder(nn.Module):
    """Pictures (B, 3, 64, 64) in [-0.5, 0.5] to features (B, outputs)."""

    def __init__(self, outputs: int, width: int = WIDTH) -> None:
        super().__init__()
        w = width
        self.layers = nn.ModuleList(
            [_block(3, w, 2), _block(w, 2 * w, 2), _block(2 * w, 2 * w, 1), _block(2 * w, 4 * w, 2),
             _block(4 * w, 4 * w, 1), _block(4 * w, 4 * w, 2)]
        )  # fmt: skip
        self.head = nn.Linear(4 * w * (SIDE // 16) ** 2, outputs)

    def forward(self, images: Tensor) -> Tensor:
        """Features (B, outputs)."""
        return self.head(self.maps(images)[-1].flatten(1))

    def maps(self, images: Tensor) -> list[Tensor]:
        """What each layer gives, (B, C, H, W)."""
        maps, x = [], images
        for layer in self.layers:
            x = layer(x)
            maps.append(x)
        return maps


class EmotionNet(nn.Module):
    """Emotion-FAN's attention over frames on a small encoder: chips to features, features to logits of a clip."""

    def __init__(self, extras: int, features: int = 128) -> None:
        super().__init__()
        self.encoder = Encoder(features)
        self.extras = nn.Linear(features, extras)  # coefficients and skin signs, in training only
        self.alpha = nn.Sequential(nn.Linear(features, 1), nn.Sigmoid())
        self.beta = nn.Sequential(nn.Linear(2 * features, 1), nn.Sigmoid())
        self.classes = nn.Sequential(nn.Linear(2 * features, 64), nn.ReLU(), nn.Dropout(0.2), nn.Linear(64, EMOTIONS))

    def features(self, chips: Tensor) -> Tensor:
        """(B, d) of chips (B, 3, 64, 64)."""
        return self.encoder(chips).relu()

    def logits(self, features: Tensor) -> Tensor:
        """(N, 8) of features (N, F, d) of N clips. Source: Meng et al., ICIP 2019, eq. 2 to 4."""
        alpha = self.alpha(features)
        whole = ((alpha * features).sum(1, keepdim=True) / alpha.sum(1, keepdim=True)).expand_as(features)
        joined = torch.cat([features, whole], dim=2)
        weight = alpha * self.beta(joined)
        return self.classes((weight * joined).sum(1) / weight.sum(1))

    def both_ways(self, chips: Tensor) -> Tensor:
        """(B, 2, d) of chips and of their mirror images, which show the same emotion."""
        return torch.stack([self.features(chips), self.features(chips.flip(3))], dim=1)

    def classify(self, features: Tensor) -> Tensor:
        """Probabilities (N, 8) of N clips' features (N, F, 2, d) both ways: the mean of both."""
        return torch.stack([self.logits(side).double().softmax(1) for side in features.unbind(2)]).mean(0)


class EmotionVgg(nn.Module):
    """A plain stack in the manner of VGG, classified frame by frame, for E-PPL."""

    def __init__(self) -> None:
        super().__init__()
        widths, layers, channels = (16, 32, 48, 64), [], 3
        for number, width in enumerate(widths):
            layers += [*_block(channels, width, 1), nn.MaxPool2d(4 if number == 0 else 2)]
            channels = width
        self.features = nn.Sequential(*layers)
        self.classifier = nn.Sequential(nn.Flatten(), nn.Linear(64 * 4, 64), nn.ReLU(), nn.Linear(64, EMOTIONS))

    def forward(self, chips: Tensor) -> Tensor:
        """Chips (B, 3, 64, 64) in [-0.5, 0.5] to logits (B, 8)."""
        return self.classifier(self.features(chips))

    def maps(self, chips: Tensor) -> list[Tensor]:
        """Unit-normalised outputs of the rectifiers."""
        maps, x = [], chips
        for layer in self.features:
            x = layer(x)
            if isinstance(layer, nn.ReLU):
                maps.append(unit_normalised(x))
        return maps


class SyncTowers(nn.Module):
    """Windows of five grey mouths (B, 5, 40, 40) and of MFCC (B, 1, 13, 20) to unit vectors (B, 64)."""

    def __init__(self, width: int = 8) -> None:
        super().__init__()
        w = width
        self.lip = nn.Sequential(
            _block(5, w, 2), _block(w, 2 * w, 2), _block(2 * w, 2 * w, 1), _block(2 * w, 4 * w, 2), nn.Flatten(),
            nn.Linear(4 * w * 25, 128), nn.ReLU(), nn.Linear(128, 64),
        )  # fmt: skip
        self.sound = nn.Sequential(
            _block(1, w, 1), _block(w, 2 * w, (1, 2)), _block(2 * w, 2 * w, 1), _block(2 * w, 4 * w, 2), nn.Flatten(),
            nn.Linear(4 * w * 35, 128), nn.ReLU(), nn.Linear(128, 64),
        )  # fmt: skip
        self.register_buffer("mean", torch.zeros(13))
        self.register_buffer("deviation", torch.ones(13))

    def lips(self, windows: Tensor) -> Tensor:
        """Unit vectors of mouths, grey levels 0 to 255."""
        return nn.functional.normalize(self.lip((windows - 128) / 64), dim=1)

    def sounds(self, windows: Tensor) -> Tensor:
        """Unit vectors of MFCC windows."""
        scaled = (windows - self.mean[:, None]) / self.deviation[:, None]
        return nn.functional.normalize(self.sound(scaled), dim=1)


class FeatureNet(nn.Module):
    """Whole frames (B, 3, 64, 64) to what is in them: coefficients, motion, skin signs, shape."""

    def __init__(self, targets: int, features: int = 128) -> None:
        super().__init__()
        self.encoder = Encoder(features)
        self.targets = nn.Sequential(nn.ReLU(), nn.Linear(features, targets))

    def forward(self, frames: Tensor) -> Tensor:
        """Predicted targets (B, t)."""
        return self.targets(self.encoder(frames))


NETWORKS: dict[str, type[nn.Module]] = {
    "emotion": EmotionNet, "emotion_vgg": EmotionVgg, "syncnet": SyncTowers, "identity": Encoder,
    "features": FeatureNet,
}  # fmt: skip


def write(path: Path, kind: str, network: nn.Module, sizes: Mapping[str, int], report: Mapping[str, Any]) -> None:
    """Save a network with its sizes and what its training reported, ``passed`` above all."""
    description = {"kind": kind, "version": NETWORK_FILE_VERSION, "sizes": dict(sizes), "report": dict(report)}
    state = {name: value.contiguous() for name, value in network.state_dict().items()}
    write_atomically(path, save(state, metadata={"facts": json.dumps(description, sort_keys=True)}))


def read(path: Path, kind: str) -> Any:
    """A trained network for inference; raises WeightsError for another file.

    Whether metrics may use it, :func:`gmbench.weights.load_path` decides.
    """
    try:
        with safe_open(path, framework="pt") as file:
            description = json.loads((file.metadata() or {})["facts"])
            state = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
        if description["kind"] != kind:
            raise ValueError(f"it holds {description['kind']}")
        network = NETWORKS[kind](**description["sizes"])
        network.load_state_dict(state)
    except (OSError, SafetensorError, KeyError, ValueError, TypeError, RuntimeError) as error:
        raise WeightsError(f"{path}: not the network {kind} ({error}); run the stage train_extractors again") from error
    return network.eval().requires_grad_(False)


def as_input(pictures: NDArray[np.uint8] | Tensor) -> Tensor:
    """(B, 3, S, S) in [-0.5, 0.5] of RGB pictures (B, S, S, 3), on their device."""
    if isinstance(pictures, np.ndarray):
        pictures = torch.from_numpy(np.ascontiguousarray(pictures))
    return pictures.permute(0, 3, 1, 2).float() / 255 - 0.5


def encoder_rows(network: Any, pictures: Tensor) -> Tensor:
    """Features (B, d) of RGB pictures (B, 64, 64, 3) by the encoder of a network that has one."""
    return network.encoder(as_input(pictures))


def identity_rows(network: Encoder, pictures: Tensor) -> Tensor:
    """Embeddings (B, d) of RGB chips (B, 64, 64, 3)."""
    return network(as_input(pictures))


def both_ways_rows(network: EmotionNet, pictures: Tensor) -> Tensor:
    """(B, 2 d) of RGB chips (B, 64, 64, 3) and of their mirror images."""
    return network.both_ways(as_input(pictures)).flatten(1)


def lip_rows(network: SyncTowers, windows: Tensor) -> Tensor:
    """Unit vectors (B, 64) of windows of five grey mouths (B, 5, 40, 40)."""
    return network.lips(windows.float())


def sound_rows(network: SyncTowers, windows: Tensor) -> Tensor:
    """Unit vectors (B, 64) of windows of MFCC (B, 1, 13, 20)."""
    return network.sounds(windows)


def distance_rows(network: FeatureNet, pairs: Tensor) -> Tensor:
    """Mean over the encoder's layers (B,) of the distance of pairs of RGB pictures (B, 2, 64, 64, 3)."""
    maps = [unit_normalised(x) for x in network.encoder.maps(as_input(pairs.flatten(0, 1)))]
    return torch.stack([layer_distance(x[::2], x[1::2]) for x in maps]).mean(0)


def _block(inputs: int, outputs: int, stride: int | tuple[int, int]) -> nn.Sequential:
    return nn.Sequential(nn.Conv2d(inputs, outputs, 3, stride, 1, bias=False), nn.BatchNorm2d(outputs), nn.ReLU())
