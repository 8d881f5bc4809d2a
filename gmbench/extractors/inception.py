"""Inception networks of FID: the 2015-12-05 network of the official FID, and torchvision's of the EAT evaluation."""

from pathlib import Path

import cv2
import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import Tensor, nn
from torchvision.models import inception as parts

from gmbench.extractors.loading import as_input_of, fill, read_state

SIDE = 299
WIDTH = 2048
EAT_FRAMES = 5
_LAYERS = (
    "Conv2d_1a_3x3", "Conv2d_2a_3x3", "Conv2d_2b_3x3", "pool", "Conv2d_3b_1x1", "Conv2d_4a_3x3", "pool",
    "Mixed_5b", "Mixed_5c", "Mixed_5d", "Mixed_6a", "Mixed_6b", "Mixed_6c", "Mixed_6d", "Mixed_6e",
    "Mixed_7a", "Mixed_7b", "Mixed_7c",
)  # fmt: skip


class FidInception(parts.Inception3):
    """Inception-v3 as TensorFlow's 2015-12-05 graph has it: borders do not count in average pools, and the last block
    pools by maximum. Names are those of ``pt_inception-2015-12-05-6726825d.pth``.
    """

    def __init__(self) -> None:
        super().__init__(num_classes=1008, aux_logits=False, init_weights=False)
        self.Mixed_5b, self.Mixed_5c, self.Mixed_5d = _A(192, 32), _A(256, 64), _A(288, 64)
        self.Mixed_6b, self.Mixed_6c = _C(768, 128), _C(768, 160)
        self.Mixed_6d, self.Mixed_6e = _C(768, 160), _C(768, 192)
        self.Mixed_7b, self.Mixed_7c = _E(1280), _LastE(2048)

    def forward(self, images: Tensor) -> Tensor:  # type: ignore[override]
        """Images (B, 3, 299, 299) in [-1, 1] to pool3 features (B, 2048)."""
        x = images
        for name in _LAYERS:
            x = F.max_pool2d(x, 3, 2) if name == "pool" else getattr(self, name)(x)
        return x.mean(dim=(2, 3))


class _A(parts.InceptionA):
    def _forward(self, x: Tensor) -> list[Tensor]:
        double = self.branch3x3dbl_3(self.branch3x3dbl_2(self.branch3x3dbl_1(x)))
        pooled = self.branch_pool(_inner_average(x))
        return [self.branch1x1(x), self.branch5x5_2(self.branch5x5_1(x)), double, pooled]


class _C(parts.InceptionC):
    def _forward(self, x: Tensor) -> list[Tensor]:
        seven, double = x, x
        for n in (1, 2, 3):
            seven = getattr(self, f"branch7x7_{n}")(seven)
        for n in (1, 2, 3, 4, 5):
            double = getattr(self, f"branch7x7dbl_{n}")(double)
        return [self.branch1x1(x), seven, double, self.branch_pool(_inner_average(x))]


class _E(parts.InceptionE):
    def _forward(self, x: Tensor) -> list[Tensor]:
        three = self.branch3x3_1(x)
        double = self.branch3x3dbl_2(self.branch3x3dbl_1(x))
        return [
            self.branch1x1(x),
            torch.cat([self.branch3x3_2a(three), self.branch3x3_2b(three)], 1),
            torch.cat([self.branch3x3dbl_3a(double), self.branch3x3dbl_3b(double)], 1),
            self.branch_pool(self._pool(x)),
        ]

    def _pool(self, x: Tensor) -> Tensor:
        return _inner_average(x)


class _LastE(_E):
    def _pool(self, x: Tensor) -> Tensor:
        return F.max_pool2d(x, 3, 1, 1)


def _inner_average(x: Tensor) -> Tensor:
    return F.avg_pool2d(x, 3, 1, 1, count_include_pad=False)


def load_fid(path: Path) -> nn.Module:
    """The official network from its file; raises WeightsError."""
    return fill(FidInception(), read_state(path), path).to(memory_format=torch.channels_last)


def fid_features(network: nn.Module, frames: NDArray[np.uint8]) -> NDArray[np.float32]:
    """:func:`fid_rows` of arrays."""
    with torch.inference_mode():
        return fid_rows(network, torch.from_numpy(np.ascontiguousarray(frames))).numpy()


def fid_rows(network: nn.Module, frames: Tensor) -> Tensor:
    """pool3 features (B, 2048) of RGB frames (B, H, W, 3): bilinear to 299 without antialias, then [-1, 1]."""
    x = frames.permute(0, 3, 1, 2).float() / 255
    x = F.interpolate(x, size=(SIDE, SIDE), mode="bilinear", align_corners=False)
    return network((2 * x - 1).contiguous(memory_format=torch.channels_last))


def load_eat(path: Path) -> nn.Module:
    """torchvision's ImageNet network without its last layer; raises WeightsError."""
    network = parts.Inception3(transform_input=True, init_weights=False)
    fill(network, read_state(path), path)
    network.fc = nn.Identity()
    return network.to(memory_format=torch.channels_last)


def eat_features(network: nn.Module, crops: NDArray[np.uint8]) -> NDArray[np.float32]:
    """:func:`eat_rows` of RGB crops (B, H, W, 3)."""
    with torch.inference_mode():
        return eat_rows(network, torch.from_numpy(np.stack([eat_input(crop) for crop in crops]))).numpy()


def eat_input(crop: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """An RGB crop as EAT's Inception sees it: (299, 299, 3) BGR, OpenCV bilinear."""
    return np.asarray(cv2.resize(crop[..., ::-1], (SIDE, SIDE), interpolation=cv2.INTER_LINEAR), np.uint8)


def eat_rows(network: nn.Module, crops: Tensor) -> Tensor:
    """Mixed_7c averages (B, 2048) of inputs (B, 299, 299, 3), normalised twice as EAT computes them."""
    x = crops.permute(0, 3, 1, 2).float() / 255
    return network(as_input_of(network, 2 * x - 1).contiguous(memory_format=torch.channels_last)).float()


def eat_frames(count: int) -> NDArray[np.int64]:
    """Five frames at non-inclusive uniform spacing of a clip of ``count`` frames."""
    return np.unique(np.arange(EAT_FRAMES) * count // EAT_FRAMES)
