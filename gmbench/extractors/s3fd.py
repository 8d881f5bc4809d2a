"""S3FD, the face detector of the SyncNet pipeline. Names are those of ``sfd_face.pth``."""

from pathlib import Path

import cv2
import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import Tensor, nn
from torchvision.ops import nms

from gmbench.extractors.loading import fill, read_state

CONFIDENCE = 0.9
SCALE = 0.25
SMALL_FRAME = 256
"""Up to this side frames are searched at full size: a quarter of it would leave 64 pixels."""
_MEAN_RGB = (123.0, 117.0, 104.0)
_FEATURES = (64, 64, "M", 128, 128, "M", 256, 256, 256, "C", 512, 512, 512, "M", 512, 512, 512, "M")
_TAPS = (16, 23, 30)
_STEPS, _SIZES = (4, 8, 16, 32, 64, 128), (16, 32, 64, 128, 256, 512)
_VARIANCES = (0.1, 0.2)
_FIRST_NMS, _LAST_NMS, _LEAST, _MOST = 0.3, 0.1, 0.05, 5000


class S3FD(nn.Module):
    """Single shot scale-invariant face detector. Source: Zhang et al., ICCV 2017."""

    def __init__(self) -> None:
        super().__init__()
        self.vgg = nn.ModuleList(_vgg())
        self.L2Norm3_3, self.L2Norm4_3, self.L2Norm5_3 = _Norm(256, 10), _Norm(512, 8), _Norm(512, 5)
        self.extras = nn.ModuleList(
            [
                nn.Conv2d(1024, 256, 1),
                nn.Conv2d(256, 512, 3, 2, 1),
                nn.Conv2d(512, 128, 1),
                nn.Conv2d(128, 256, 3, 2, 1),
            ]
        )
        widths = (256, 512, 512, 1024, 512, 256)
        self.loc = nn.ModuleList([nn.Conv2d(width, 4, 3, 1, 1) for width in widths])
        self.conf = nn.ModuleList([nn.Conv2d(width, 4 if n == 0 else 2, 3, 1, 1) for n, width in enumerate(widths)])

    def forward(self, images: Tensor) -> list[tuple[Tensor, Tensor]]:
        """Images (1, 3, H, W) to (scores (1, 2, h, w), offsets (1, 4, h, w)) at six scales."""
        x, sources = images, []
        norms = dict(zip(_TAPS, (self.L2Norm3_3, self.L2Norm4_3, self.L2Norm5_3), strict=True))
        for number, layer in enumerate(self.vgg):
            if number in norms:
                sources.append(norms[number](x))
            x = layer(x)
        sources.append(x)
        for number, layer in enumerate(self.extras):
            x = F.relu(layer(x))
            if number % 2 == 1:
                sources.append(x)
        outputs = []
        for number, (source, score, place) in enumerate(zip(sources, self.conf, self.loc, strict=True)):
            scores = score(source)
            if number == 0:  # the smallest faces have three kinds of background, of which the strongest counts
                scores = torch.cat([scores[:, :3].amax(dim=1, keepdim=True), scores[:, 3:]], dim=1)
            outputs.append((scores, place(source)))
        return outputs


class _Norm(nn.Module):
    def __init__(self, channels: int, scale: float) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.full((channels,), float(scale)))

    def forward(self, x: Tensor) -> Tensor:
        return x / (x.pow(2).sum(dim=1, keepdim=True).sqrt() + 1e-10) * self.weight[:, None, None]


def load(path: Path) -> S3FD:
    """The official network from its file; raises WeightsError."""
    network = S3FD()
    fill(network, read_state(path), path)
    return network


def search_scale(height: int, width: int) -> float:
    """0.25 as published, 1 for frames up to 256 pixels."""
    return 1.0 if min(height, width) <= SMALL_FRAME else SCALE


def detect(
    network: S3FD, frame: NDArray[np.uint8], scale: float, confidence: float = CONFIDENCE
) -> NDArray[np.float64]:
    """Boxes (n, 5) left, top, right, bottom in pixels of the RGB frame, and confidence, best first."""
    small = search_input(frame, scale)
    with torch.inference_mode():
        candidates = candidate_rows(network, torch.from_numpy(small[None]))[0].numpy()
    return best_boxes(candidates, frame.shape[0], frame.shape[1], confidence)


def search_input(frame: NDArray[np.uint8], scale: float) -> NDArray[np.uint8]:
    """An RGB frame at the size in which faces are looked for."""
    return np.asarray(cv2.resize(frame, (0, 0), fx=scale, fy=scale, interpolation=cv2.INTER_LINEAR), np.uint8)


def candidate_rows(network: S3FD, frames: Tensor) -> Tensor:
    """Boxes in shares of the frame and probabilities (B, n, 5) of RGB frames (B, h, w, 3), one at every place."""
    x = frames.permute(0, 3, 1, 2).float()
    return decode_rows(network(x - x.new_tensor(_MEAN_RGB)[:, None, None]), *x.shape[-2:])


def best_boxes(
    candidates: NDArray[np.float32], height: int, width: int, confidence: float = CONFIDENCE
) -> NDArray[np.float64]:
    """Boxes (n, 5) in pixels of a frame of this size, best first, of candidates (N, 5) in shares of it."""
    boxes, scores = torch.from_numpy(candidates).split([4, 1], dim=1)
    scores = scores[:, 0]
    keep = scores > _LEAST
    boxes, scores = boxes[keep], scores[keep]
    first = nms(boxes, scores, _FIRST_NMS)[:_MOST]
    boxes, scores = boxes[first], scores[first]
    sure = scores > confidence
    boxes = boxes[sure] * torch.tensor([width, height] * 2)
    scores = scores[sure]
    last = nms(boxes, scores, _LAST_NMS)
    return torch.cat([boxes[last], scores[last, None]], dim=1).numpy().astype(np.float64)


def decode(outputs: list[tuple[Tensor, Tensor]], height: int, width: int) -> tuple[Tensor, Tensor]:
    """Boxes (n, 4) in shares of the image and face probabilities (n,) from the network's output for one image."""
    boxes, scores = decode_rows(outputs, height, width)[0].split([4, 1], dim=1)
    return boxes, scores[:, 0]


def decode_rows(outputs: list[tuple[Tensor, Tensor]], height: int, width: int) -> Tensor:
    """Boxes in shares of the image beside face probabilities (B, n, 5) from the network's output."""
    found = []
    for (score, offset), step, size in zip(outputs, _STEPS, _SIZES, strict=True):
        places = (torch.arange(side, device=score.device) for side in score.shape[2:])
        rows, columns = torch.meshgrid(*places, indexing="ij")
        share = torch.tensor([width, height], dtype=torch.float32, device=score.device)
        centre = (torch.stack([columns, rows], -1).flatten(0, 1) + 0.5) * step / share
        extent = torch.full_like(centre, float(size)) / share
        shift = offset.flatten(2).transpose(1, 2)  # (B, n, 4)
        centre = centre + shift[..., :2] * _VARIANCES[0] * extent
        extent = extent * torch.exp(shift[..., 2:] * _VARIANCES[1])
        probability = score.flatten(2).softmax(dim=1)[:, 1, :, None]
        found.append(torch.cat([centre - extent / 2, centre + extent / 2, probability], dim=2))
    return torch.cat(found, dim=1)


def _vgg() -> list[nn.Module]:
    layers: list[nn.Module] = []
    channels = 3
    for width in _FEATURES:
        if isinstance(width, str):
            layers.append(nn.MaxPool2d(2, 2, ceil_mode=width == "C"))
        else:
            layers += [nn.Conv2d(channels, width, 3, 1, 1), nn.ReLU()]
            channels = width
    return [*layers, nn.Conv2d(512, 1024, 3, 1, 6, dilation=6), nn.ReLU(), nn.Conv2d(1024, 1024, 1), nn.ReLU()]
