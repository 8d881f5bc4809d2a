"""EMO-AffectNet: facial emotion by a ResNet-50 and an LSTM over sampled frames, for Emo-Score.

Names are those of the authors' PyTorch files (backbone ``FER_static_ResNet50_AffectNet.pt``, LSTM
``FER_dinamic_LSTM_RAVDESS.pt``), which convert their Keras weights.
"""

from pathlib import Path

import cv2
import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import Tensor, nn

from gmbench.extractors.loading import as_input_of, fill, read_state

ORDER = ("neutral", "happy", "sad", "surprised", "fear", "disgusted", "angry")
SIDE = 224
FRAME_STEP = 5
WINDOW, WINDOW_STEP = 10, 5
WIDTH = 512
_MEAN_BGR = (91.4953, 103.8827, 131.0912)


class Backbone(nn.Module):
    """ResNet-50 of VGGFace2 with a 512-wide layer before the seven outputs."""

    def __init__(self) -> None:
        super().__init__()
        self.conv_layer_s2_same = _SameConv2d(3, 64, 7, 2, bias=False)
        self.batch_norm1 = _norm(64)
        channels = 64
        for number, (planes, blocks) in enumerate(((64, 3), (128, 4), (256, 6), (512, 3)), start=1):
            stride = 1 if number == 1 else 2
            rows = [_Block(channels, planes, stride), *(_Block(4 * planes, planes, 1) for _ in range(blocks - 1))]
            setattr(self, f"layer{number}", nn.Sequential(*rows))
            channels = 4 * planes
        self.fc1 = nn.Linear(2048, WIDTH)
        self.fc2 = nn.Linear(WIDTH, len(ORDER))

    def forward(self, images: Tensor) -> Tensor:
        """Images (B, 3, 224, 224), BGR less the mean, to features (B, 512)."""
        x = F.max_pool2d(F.relu(self.batch_norm1(self.conv_layer_s2_same(images))), 3, 2)
        for number in range(1, 5):
            x = getattr(self, f"layer{number}")(x)
        return F.relu(self.fc1(x.mean(dim=(2, 3))))


class Temporal(nn.Module):
    """Two LSTMs over windows of ten sampled frames."""

    def __init__(self) -> None:
        super().__init__()
        self.lstm1 = nn.LSTM(WIDTH, 512, batch_first=True)
        self.lstm2 = nn.LSTM(512, 256, batch_first=True)
        self.fc = nn.Linear(256, len(ORDER))

    def forward(self, windows: Tensor) -> Tensor:
        """Features (B, 10, 512) to probabilities (B, 7)."""
        x, _ = self.lstm1(windows)
        x, _ = self.lstm2(x)
        return self.fc(x[:, -1]).softmax(dim=1)


class _Block(nn.Module):
    def __init__(self, inputs: int, planes: int, stride: int) -> None:
        super().__init__()
        self.conv1, self.batch_norm1 = nn.Conv2d(inputs, planes, 1, stride, bias=False), _norm(planes)
        self.conv2, self.batch_norm2 = nn.Conv2d(planes, planes, 3, 1, "same", bias=False), _norm(planes)
        self.conv3, self.batch_norm3 = nn.Conv2d(planes, 4 * planes, 1, bias=False), _norm(4 * planes)
        self.i_downsample = None
        if inputs != 4 * planes or stride != 1:
            self.i_downsample = nn.Sequential(nn.Conv2d(inputs, 4 * planes, 1, stride, bias=False), _norm(4 * planes))

    def forward(self, x: Tensor) -> Tensor:
        y = F.relu(self.batch_norm1(self.conv1(x)))
        y = F.relu(self.batch_norm2(self.conv2(y)))
        y = self.batch_norm3(self.conv3(y))
        return F.relu(y + (x if self.i_downsample is None else self.i_downsample(x)))


class _SameConv2d(nn.Conv2d):
    """Keras's padding ``same`` with a stride: the odd pixel goes to the right and to the bottom."""

    def forward(self, x: Tensor) -> Tensor:
        missing = [
            max((-(-size // stride) - 1) * stride + kernel - size, 0)
            for size, stride, kernel in zip(x.shape[-2:], self.stride, self.kernel_size, strict=True)
        ]
        (top, bottom), (left, right) = ((m // 2, m - m // 2) for m in missing)
        return super().forward(F.pad(x, (left, right, top, bottom)))


def load(backbone: Path, temporal: Path) -> tuple[Backbone, Temporal]:
    """Both networks from their files; raises WeightsError."""
    return load_backbone(backbone), load_temporal(temporal)


def load_backbone(path: Path) -> Backbone:
    """The backbone from its file; raises WeightsError."""
    network = Backbone()
    fill(network, read_state(path), path)
    return network


def load_temporal(path: Path) -> Temporal:
    """The LSTMs from their file; raises WeightsError."""
    network = Temporal()
    fill(network, read_state(path), path)
    return network


def frame_feature(network: Backbone, face: NDArray[np.uint8]) -> NDArray[np.float32]:
    """Feature (512,) of an RGB crop of a face box of any size."""
    with torch.inference_mode():
        return frame_rows(network, torch.from_numpy(face_input(face)[None]))[0].numpy()


def face_input(face: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """An RGB crop of any size as the backbone sees it: (224, 224, 3) BGR."""
    return np.asarray(cv2.resize(face[..., ::-1], (SIDE, SIDE), interpolation=cv2.INTER_AREA), np.uint8)


def frame_rows(network: Backbone, faces: Tensor) -> Tensor:
    """Features (B, 512) of inputs (B, 224, 224, 3); on the CPU one at a time."""
    parts = faces.split(1 if faces.device.type == "cpu" else len(faces))
    return torch.cat([network(as_input_of(network, _less_mean(part).permute(0, 3, 1, 2))).float() for part in parts])


def _less_mean(faces: Tensor) -> Tensor:
    """BGR pictures (B, 224, 224, 3) less the mean of each channel."""
    return torch.stack([channel.float() - mean for channel, mean in zip(faces.unbind(-1), _MEAN_BGR, strict=True)], -1)


def window_probabilities(network: Temporal, features: NDArray[np.float32]) -> NDArray[np.float64]:
    """Probabilities (W, 7) of windows of ten features (n, 512), step five; the last window repeats its last frame."""
    starts = range(0, max(1, len(features) - WINDOW + WINDOW_STEP), WINDOW_STEP)
    rows = [np.minimum(np.arange(start, start + WINDOW), len(features) - 1) for start in starts]
    with torch.inference_mode():
        return network(as_input_of(network, torch.from_numpy(features[np.stack(rows)]))).double().numpy()


def _norm(channels: int) -> nn.BatchNorm2d:
    return nn.BatchNorm2d(channels, eps=0.001)
