"""Landmark network of the synthetic corpus: heatmaps and their soft maximum.

MediaPipe may find no face in drawn frames and its weights are a download, so the pipeline trains this network on corpus
frames with known landmarks. It sees whole square frames with one face and gives a subset of the 478 FaceMesh points.
"""

import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
import torch
from numpy.typing import NDArray
from safetensors import SafetensorError, safe_open
from safetensors.torch import save
from torch import Tensor, nn

from gmbench.errors import WeightsError
from gmbench.store import write_atomically

INPUT = 96
"""Side of the network's input in pixels."""
LANDMARKER_FILE_VERSION = 2
HEAT = 20.0
"""Weight of the heatmaps' cross-entropy beside the distance in percent of the side."""
SPREAD = 0.5
"""Standard deviation of the heatmaps' targets in their own pixels."""


class Landmarker(nn.Module):
    """Images (B, 3, 96, 96) in [0, 1] to points (B, P, 2) in shares of the side.

    A small encoder and decoder with skips gives one 24 x 24 heatmap per point; a point is the mean place under the
    heatmap's softmax.
    """

    def __init__(self, points: int, width: int = 16) -> None:
        super().__init__()
        w = width
        self.points = points
        self.stem = _block(3, w, 2)  # 48
        self.down1 = _block(w, 2 * w, 2)  # 24
        self.down2 = _block(2 * w, 4 * w, 2)  # 12
        self.down3 = _block(4 * w, 6 * w, 2)  # 6
        self.deep = _block(6 * w, 6 * w, 1)
        self.narrow2 = _block(6 * w, 4 * w, 1)
        self.up2 = _block(8 * w, 4 * w, 1)
        self.narrow1 = nn.Conv2d(4 * w, 2 * w, 1)
        self.up1 = _block(4 * w, 4 * w, 1)
        self.head = nn.Conv2d(4 * w, points, 1)

    def heatmaps(self, images: Tensor) -> Tensor:
        """Logarithms of heatmaps (B, P, 24, 24), up to a constant each."""
        a = self.down1(self.stem(images - 0.5))
        b = self.down2(a)
        c = self.deep(self.down3(b))
        b = self.up2(torch.cat([_double(self.narrow2(c)), b], dim=1))
        a = self.up1(torch.cat([_double(self.narrow1(b)), a], dim=1))
        return self.head(a)

    def forward(self, images: Tensor) -> Tensor:
        """Points (B, P, 2): x, y in [0, 1]."""
        return _mean_places(self.heatmaps(images))


@dataclass(frozen=True)
class LandmarkerSettings:
    """How long and how fast to train the landmarker."""

    steps: int = 400
    batch: int = 16
    rate: float = 4e-3
    seed: int = 0


def train(
    frames: NDArray[np.uint8], points: NDArray[np.floating], settings: LandmarkerSettings,
    report: Callable[[int, int], None] | None = None,
) -> Landmarker:  # fmt: skip
    """Train on frames (N, S, S, 3) with points (N, P, 2) in pixels, shifted, scaled and blurred at random.

    The loss is the cross-entropy of the heatmaps with a Gaussian about the true place, and the L1 distance of the
    points: with the distance alone the error is half as large again after the same number of steps.
    ``report`` is called with (step, steps).
    """
    torch.manual_seed(settings.seed)
    generator = np.random.default_rng([settings.seed, 31])
    network = Landmarker(points.shape[1])
    optimiser = torch.optim.AdamW(network.parameters(), lr=settings.rate, weight_decay=1e-4)
    steps = max(settings.steps, 6)  # the schedule divides by zero at five
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimiser, settings.rate, total_steps=steps, pct_start=0.2)
    network.train().to(memory_format=torch.channels_last)
    for step in range(settings.steps):
        chosen = generator.integers(len(frames), size=settings.batch)
        images, targets = _augment(frames[chosen], points[chosen], generator)
        heat = network.heatmaps(images)
        loss = 100 * (_mean_places(heat) - targets).abs().mean() + HEAT * _cross_entropy(heat, targets)
        optimiser.zero_grad()
        loss.backward()
        nn.utils.clip_grad_norm_(network.parameters(), 1.0)
        optimiser.step()
        schedule.step()
        if report is not None:
            report(step + 1, settings.steps)
    return network.eval()


def predict(network: Landmarker, frames: NDArray[np.uint8]) -> NDArray[np.float64]:
    """Points (N, P, 2) in pixels of frames (N, H, W, 3), in batches of 32."""
    parts = []
    with torch.inference_mode():
        for start in range(0, len(frames), 32):
            small = np.stack([shrunk(frame) for frame in frames[start : start + 32]])
            parts.append(point_rows(network, torch.from_numpy(small)).numpy())
    return in_pixels(np.concatenate(parts), frames.shape[1], frames.shape[2])


def shrunk(frame: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """A frame as the network sees it, (96, 96, 3)."""
    return np.asarray(cv2.resize(frame, (INPUT, INPUT), interpolation=cv2.INTER_AREA), np.uint8)


def point_rows(network: Landmarker, frames: Tensor) -> Tensor:
    """Points (N, P, 2) in shares of the side of shrunk frames (N, 96, 96, 3)."""
    return network(frames.permute(0, 3, 1, 2).float() / 255)


def in_pixels(points: NDArray[np.float32], height: int, width: int) -> NDArray[np.float64]:
    """Points (..., 2) in pixels of frames of a size, of shares of it."""
    return points.astype(np.float64) * np.array([width, height], np.float64)


def write(path: Path, network: Landmarker, landmarks: NDArray[np.integer]) -> None:
    """Save the network with the numbers (P,) of its landmarks among the 478."""
    description = {"landmarks": [int(n) for n in landmarks], "version": LANDMARKER_FILE_VERSION}
    state = {name: value.contiguous() for name, value in network.state_dict().items()}
    write_atomically(path, save(state, metadata={"facts": json.dumps(description)}))


def read(path: Path) -> tuple[Landmarker, NDArray[np.int64]]:
    """The network and the numbers (P,) of its landmarks; raises WeightsError for another file."""
    try:
        with safe_open(path, framework="pt") as file:
            description = json.loads((file.metadata() or {})["facts"])
            state = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
        landmarks = np.array(description["landmarks"], np.int64)
        network = Landmarker(len(landmarks))
        network.load_state_dict(state)
    except (OSError, SafetensorError, KeyError, ValueError, RuntimeError) as error:
        raise WeightsError(f"{path}: not a landmark network ({error}); run the stage train_extractors again") from error
    return network.eval(), landmarks


def read_network(path: Path) -> Landmarker:
    """The network of a file; raises WeightsError as :func:`read`."""
    return read(path)[0]


def _block(inputs: int, outputs: int, stride: int) -> nn.Sequential:
    return nn.Sequential(
        nn.Conv2d(inputs, outputs, 3, stride, 1, bias=False), nn.BatchNorm2d(outputs), nn.ReLU(),
    )  # fmt: skip


def _mean_places(heat: Tensor) -> Tensor:
    """Mean places (B, P, 2) in shares of the side under the softmax of maps (B, P, n, n)."""
    places = _cell_centres(heat)
    side = len(places)
    grid = torch.stack([places.repeat(side), places.repeat_interleave(side)], dim=-1)
    return heat.flatten(2).softmax(dim=-1) @ grid


def _cross_entropy(heat: Tensor, targets: Tensor) -> Tensor:
    """Mean cross-entropy of maps (B, P, n, n) with Gaussians about places (B, P, 2)."""
    places = _cell_centres(heat)
    distance = (places - targets[..., None]) * len(places) / SPREAD  # (B, P, 2, n)
    along_x, along_y = (-0.5 * distance**2).softmax(dim=-1).unbind(2)
    logs = heat.flatten(2).log_softmax(dim=-1).view_as(heat)
    return -torch.einsum("bpi,bpij,bpj->bp", along_y, logs, along_x).mean()


def _cell_centres(heat: Tensor) -> Tensor:
    """(n,) centres of a map's cells in shares of its side."""
    side = heat.shape[-1]
    return (torch.arange(side, device=heat.device, dtype=heat.dtype) + 0.5) / side


def _double(features: Tensor) -> Tensor:
    return nn.functional.interpolate(features, scale_factor=2, mode="nearest")


def _augment(
    frames: NDArray[np.uint8], points: NDArray[np.floating], generator: np.random.Generator
) -> tuple[Tensor, Tensor]:
    """Shift, scale, turn, tint and, every fourth, blur at random; targets in shares of the side."""
    side = frames.shape[1]
    images, targets = np.empty((len(frames), INPUT, INPUT, 3), np.uint8), np.empty(points.shape)
    for n, (frame, in_frame) in enumerate(zip(frames, points, strict=True)):
        scale = INPUT / side * generator.uniform(0.9, 1.15)
        angle = generator.uniform(-0.15, 0.15)
        turn = scale * np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
        shift = INPUT / 2 + generator.uniform(-5, 5, 2) - turn @ [side / 2, side / 2]
        images[n] = cv2.warpAffine(frame, np.c_[turn, shift], (INPUT, INPUT), borderMode=cv2.BORDER_REPLICATE)
        if generator.random() < 0.25:
            images[n] = cv2.GaussianBlur(images[n], (0, 0), generator.uniform(0.4, 1.2))
        targets[n] = (in_frame @ turn.T + shift) / INPUT
    colours = torch.from_numpy(images).permute(0, 3, 1, 2).float() / 255
    tint = torch.from_numpy(generator.uniform(0.75, 1.25, (len(frames), 3, 1, 1))).float()
    return (colours * tint).clamp(0, 1), torch.from_numpy(targets).float()
