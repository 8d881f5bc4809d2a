"""SyncNet v2: embeddings of lips and of sound, over a whole clip.

Names are those of ``syncnet_v2.model``. The lip branch sees windows of five frames, and only its first layer looks
along time, over the whole window: so it all runs in two dimensions, the five frames as fifteen channels, with the
channels of a pixel side by side in memory.
"""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from gmbench.extractors.loading import as_input_of, fill, read_state

WINDOW = 5
SIDE = 224
MFCC_COLUMNS = 20
MFCC_STEP = 4
WIDTH = 1024
_BATCH = 4


class SyncNet(nn.Module):
    """Two towers. Source: Chung and Zisserman, Out of time, ACCV workshops 2016."""

    def __init__(self) -> None:
        super().__init__()
        self.netcnnaud = nn.Sequential(
            *_flat(1, 64, 3, padding=1), nn.MaxPool2d((1, 1), (1, 1)),
            *_flat(64, 192, 3, padding=1), nn.MaxPool2d((3, 3), (1, 2)),
            *_flat(192, 384, 3, padding=1), *_flat(384, 256, 3, padding=1), *_flat(256, 256, 3, padding=1),
            nn.MaxPool2d((3, 3), (2, 2)),
            *_flat(256, 512, (5, 4)),
        )  # fmt: skip
        self.netfcaud = _head()
        self.netcnnlip = nn.Sequential(
            *_deep(3, 96, (5, 7, 7), (1, 2, 2)), nn.MaxPool3d((1, 3, 3), (1, 2, 2)),
            *_deep(96, 256, (1, 5, 5), (1, 2, 2), (0, 1, 1)), nn.MaxPool3d((1, 3, 3), (1, 2, 2), (0, 1, 1)),
            *_deep(256, 256, (1, 3, 3), 1, (0, 1, 1)), *_deep(256, 256, (1, 3, 3), 1, (0, 1, 1)),
            *_deep(256, 256, (1, 3, 3), 1, (0, 1, 1)), nn.MaxPool3d((1, 3, 3), (1, 2, 2)),
            *_deep(256, 512, (1, 6, 6), 1),
        )  # fmt: skip
        self.netfclip = _head()

    def sound(self, windows: Tensor) -> Tensor:
        """MFCC windows (B, 1, 13, 20) to embeddings (B, 1024)."""
        return self.netfcaud(self.netcnnaud(windows).flatten(1))

    def lips(self, windows: Tensor) -> Tensor:
        """Windows of frames (B, 3, 5, 224, 224), BGR 0-255, to embeddings (B, 1024)."""
        return self.netfclip(self.netcnnlip(windows).flatten(1))


class LipStream:
    """Embeddings of all windows of a clip whose crops arrive one after another."""

    def __init__(self, network: SyncNet) -> None:
        self._layers = flat_lip_layers(network)
        self._head, self._kind = network.netfclip, network.netcnnlip[0].weight.dtype
        self._frames: list[Tensor] = []
        self._waiting: list[Tensor] = []
        self._found: list[Tensor] = []

    def add(self, crop: NDArray[np.uint8]) -> None:
        """The next RGB crop (224, 224, 3)."""
        frame = torch.from_numpy(np.ascontiguousarray(crop[..., ::-1])).permute(2, 0, 1).to(self._kind)
        self._frames = [*self._frames[-(WINDOW - 1) :], frame]
        if len(self._frames) == WINDOW:
            self._waiting.append(torch.cat(self._frames))  # (15, 224, 224)
        if len(self._waiting) == _BATCH:
            self._flush()

    def embeddings(self) -> NDArray[np.float32]:
        """(T - 4, 1024) of the crops so far; fewer than five give none."""
        self._flush()
        return torch.cat(self._found).float().numpy() if self._found else np.empty((0, WIDTH), np.float32)

    def _flush(self) -> None:
        if self._waiting:
            with torch.inference_mode():
                x = torch.stack(self._waiting).contiguous(memory_format=torch.channels_last)
                self._found.append(self._head(self._layers(x).flatten(1)))
            self._waiting = []


def flat_lip_layers(network: SyncNet) -> nn.Sequential:
    """The lip tower's convolutions over five frames as ones over fifteen channels."""
    first = network.netcnnlip[0]
    layer = nn.Conv2d(3 * WINDOW, first.out_channels, first.kernel_size[1:], first.stride[1:])
    layer.load_state_dict({"weight": first.weight.transpose(1, 2).flatten(1, 2), "bias": first.bias})
    layers = nn.Sequential(layer.to(first.weight.dtype), *_flattened(network.netcnnlip[1:]))
    return layers.requires_grad_(False).to(memory_format=torch.channels_last)


def load(path: Path) -> SyncNet:
    """The official network from its file; raises WeightsError."""
    network = SyncNet()
    fill(network, read_state(path), path)
    return network


def sound_embeddings(network: SyncNet, mfcc: NDArray[np.float64], count: int) -> NDArray[np.float32]:
    """(count, 1024) of MFCC (columns, 13): window i has the columns 4 i to 4 i + 19."""
    if count == 0:
        return np.empty((0, WIDTH), np.float32)
    windows = as_input_of(network, torch.from_numpy(mfcc_windows(mfcc, count)))
    with torch.inference_mode():
        return torch.cat([network.sound(part).float() for part in windows.split(64)]).numpy()


def sound_rows(network: SyncNet, windows: Tensor) -> Tensor:
    """(B, 1024) of windows of MFCC (B, 1, 13, 20)."""
    return network.sound(as_input_of(network, windows)).float()


def lip_rows(network: "FlatLips", frames: Tensor) -> Tensor:
    """(B, L - 4, 1024), one for each window of five, of runs of RGB crops (B, L, 224, 224, 3)."""
    return network(frames)


class FlatLips(nn.Module):
    """The lip tower as layers of two dimensions, for runs of crops on any device."""

    def __init__(self, network: SyncNet) -> None:
        super().__init__()
        self.layers, self.head = flat_lip_layers(network), network.netfclip

    def forward(self, frames: Tensor) -> Tensor:
        """As :func:`lip_rows`."""
        kind = next(self.parameters()).dtype
        bgr = frames.flip(-1).permute(0, 1, 4, 2, 3).to(kind)  # (B, L, 3, 224, 224)
        windows = bgr.unfold(1, WINDOW, 1).movedim(-1, 2)  # (B, L - 4, 5, 3, 224, 224)
        x = windows.flatten(2, 3).flatten(0, 1).contiguous(memory_format=torch.channels_last)
        return self.head(self.layers(x).flatten(1)).float().unflatten(0, windows.shape[:2])


def load_flat(path: Path) -> FlatLips:
    """The lip tower of the official file; raises WeightsError."""
    return FlatLips(load(path)).eval().requires_grad_(False)


def mfcc_windows(mfcc: NDArray[np.floating], count: int) -> NDArray[np.float32]:
    """(count, 1, C, 20) windows of coefficients (columns, C), four columns per frame."""
    starts = MFCC_STEP * np.arange(count)
    columns = starts[:, None] + np.arange(MFCC_COLUMNS)
    return np.asarray(mfcc[columns].transpose(0, 2, 1)[:, None], np.float32)


def _flattened(layers: nn.Sequential) -> nn.Sequential:
    """Layers of one frame's thickness as layers of two dimensions."""
    return nn.Sequential(*(_two_dimensional(layer) for layer in layers)).eval()


def _two_dimensional(layer: nn.Module) -> nn.Module:
    if isinstance(layer, nn.Conv3d):
        flat: nn.Module = nn.Conv2d(
            layer.in_channels, layer.out_channels, layer.kernel_size[1:], layer.stride[1:], layer.padding[1:]
        )
        state = {"weight": layer.weight[:, :, 0], "bias": layer.bias}
    elif isinstance(layer, nn.BatchNorm3d):
        flat, state = nn.BatchNorm2d(layer.num_features), dict(layer.state_dict())
    elif isinstance(layer, nn.MaxPool3d):
        size, stride, padding = (value if isinstance(value, Sequence) else (value,) * 3 for value in
                                 (layer.kernel_size, layer.stride, layer.padding))  # fmt: skip
        return nn.MaxPool2d(size[1:], stride[1:], padding[1:])
    else:
        return layer
    flat.load_state_dict(state)
    flat = flat.to(layer.weight.dtype)
    return flat.requires_grad_(False)


def _flat(inputs: int, outputs: int, kernel: int | tuple[int, int], padding: int = 0) -> list[nn.Module]:
    convolution = nn.Conv2d(inputs, outputs, kernel, 1, padding)
    return [convolution, nn.BatchNorm2d(outputs), nn.ReLU()]


def _deep(
    inputs: int, outputs: int, kernel: tuple[int, int, int], stride: int | tuple[int, int, int],
    padding: int | tuple[int, int, int] = 0,
) -> list[nn.Module]:  # fmt: skip
    return [nn.Conv3d(inputs, outputs, kernel, stride, padding), nn.BatchNorm3d(outputs), nn.ReLU()]


def _head() -> nn.Sequential:
    return nn.Sequential(nn.Linear(512, 512), nn.BatchNorm1d(512), nn.ReLU(), nn.Linear(512, WIDTH))
