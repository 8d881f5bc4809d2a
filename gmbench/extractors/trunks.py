"""Features of classification networks, layer by layer: LPIPS, and the emotion VGG of E-PPL."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torchvision.models import VGG, alexnet, vgg16

from gmbench.errors import WeightsError
from gmbench.extractors.loading import as_input_of, fill, read_state
from gmbench.metrics.perceptual import layer_distance, unit_normalised

EMOTIONS = 8
_ALEX_LAYERS = (1, 4, 7, 9, 11)
_VGG_LAYERS = (3, 8, 15, 22, 29)
_SHIFT, _SCALE = (-0.030, -0.088, -0.188), (0.458, 0.448, 0.450)
_MEAN, _DEVIATION = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)


class Trunk(nn.Module):
    """Convolutions of a network; gives unit-normalised features after some of them.

    Attributes:
        features: the convolutions.
        layers: numbers of the modules whose outputs count.
        shift, scale: what is taken off the images, and what they are divided by.
    """

    def __init__(
        self, features: nn.Sequential, layers: Sequence[int], shift: Sequence[float], scale: Sequence[float]
    ) -> None:
        super().__init__()
        self.features, self.layers = features[: layers[-1] + 1], tuple(layers)
        self.register_buffer("shift", torch.tensor(shift)[:, None, None], persistent=False)
        self.register_buffer("scale", torch.tensor(scale)[:, None, None], persistent=False)

    def forward(self, images: Tensor) -> list[Tensor]:
        """Images (B, 3, H, W) to one unit-normalised (B, C, H', W') per layer."""
        x, maps = as_input_of(self, (images - self.shift.float()) / self.scale.float()), []
        for number, module in enumerate(self.features):
            x = module(x)
            if number in self.layers:
                maps.append(unit_normalised(x.float()))
        return maps


class Lpips:
    """LPIPS 0.1 of two frames. The features of the last second frame are kept: methods are compared with one reference.

    Source: Zhang et al., CVPR 2018.
    """

    def __init__(self, trunk: Trunk, heads: Sequence[Tensor]) -> None:
        self._trunk, self._heads = trunk, heads
        self._last: tuple[NDArray[np.uint8], list[Tensor]] | None = None

    def __call__(self, first: NDArray[np.uint8], second: NDArray[np.uint8]) -> float:
        """Distance of two RGB frames (H, W, 3) of one size, 0 for identical ones."""
        if first is second:  # the ground truth beside itself
            return 0.0
        theirs = self.kept_layers(second)
        return self.distance(self.layers(first), theirs)

    def layers(self, frame: NDArray[np.uint8]) -> list[Tensor]:
        """Features of a frame (H, W, 3), one tensor a layer."""
        with torch.inference_mode():
            return self._trunk(_symmetric(frame))  # type: ignore[no-any-return]

    def kept_layers(self, frame: NDArray[np.uint8]) -> list[Tensor]:
        """:meth:`layers`, which the same frame shares when it comes again at once."""
        if self._last is None or self._last[0] is not frame:
            self._last = frame, self.layers(frame)
        return self._last[1]

    def distance(self, first: list[Tensor], second: list[Tensor]) -> float:
        """Distance of two frames by their :meth:`layers`, 0 for a frame and itself."""
        if first is second:
            return 0.0
        with torch.inference_mode():
            layers = zip(first, second, self._heads, strict=True)
            return sum(float(layer_distance(f, g, weights)) for f, g, weights in layers)


class LpipsPairs(nn.Module):
    """LPIPS 0.1 of many pairs of frames at once, for any device."""

    def __init__(self, trunk: Trunk, heads: Sequence[Tensor]) -> None:
        super().__init__()
        self.trunk, self.count = trunk, len(heads)
        for number, head in enumerate(heads):
            self.register_buffer(f"head{number}", head)

    def forward(self, pairs: Tensor) -> Tensor:
        """Distances (B,) of pairs of RGB frames (B, 2, H, W, 3)."""
        x = pairs.flatten(0, 1).permute(0, 3, 1, 2).float() / 255 * 2 - 1
        layers = zip(self.trunk(x), (getattr(self, f"head{n}").float() for n in range(self.count)), strict=True)
        return torch.stack([layer_distance(f[::2], f[1::2], weights) for f, weights in layers]).sum(0)


def lpips_rows(network: LpipsPairs, pairs: Tensor) -> Tensor:
    """As :meth:`LpipsPairs.forward`."""
    return network(pairs)


def load_lpips_pairs(kind: str, path: Path) -> LpipsPairs:
    """As :func:`load_lpips`."""
    return LpipsPairs(_lpips_trunk(kind, path), lpips_heads(kind)).eval().requires_grad_(False)


def load_lpips(kind: str, path: Path, precision: torch.dtype = torch.float32) -> Lpips:
    """LPIPS on torchvision's ``alexnet`` or ``vgg16`` file, with the lpips package's heads; raises WeightsError."""
    return Lpips(_lpips_trunk(kind, path).to(precision), lpips_heads(kind))


def _lpips_trunk(kind: str, path: Path) -> Trunk:
    network, layers = (alexnet(), _ALEX_LAYERS) if kind == "alex" else (vgg16(), _VGG_LAYERS)
    whole = fill(network, read_state(path), path)
    return _out_of_place(Trunk(whole.features, layers, _SHIFT, _SCALE)).eval()


def lpips_heads(kind: str) -> list[Tensor]:
    """The five learned weights (C,), one per layer, as the lpips package ships them."""
    import importlib.util

    package = importlib.util.find_spec("lpips")
    if package is None or package.origin is None:
        raise WeightsError("the package lpips, which ships the heads of LPIPS, is not installed")
    state = read_state(Path(package.origin).parent / "weights" / "v0.1" / f"{kind}.pth")
    return [state[f"lin{n}.model.1.weight"].flatten() for n in range(5)]


class EmotionTrunk:
    """Perceptual distance of an emotion network: mean over layers of the unit-normalised distance, in [0, 2]."""

    def __init__(self, trunk: Trunk, side: int, whole: nn.Module, device: str = "cpu") -> None:
        self._trunk, self.side, self._whole = trunk.to(device), side, whole.to(device)
        self._device = device

    def distances(self, images: NDArray[np.uint8]) -> NDArray[np.float64]:
        """Distances (N - 1,) of neighbours among RGB crops (N, S, S, 3)."""
        with torch.inference_mode():
            features = [self._trunk(_unit(image).to(self._device)) for image in images]
            pairs = zip(features[:-1], features[1:], strict=True)
            return np.array([_mean_distance(a, b) for a, b in pairs])

    def recognise(self, crop: NDArray[np.uint8]) -> int:
        """Index of the emotion, in the suite's order, that the whole network sees in an RGB crop."""
        with torch.inference_mode():
            image = _unit(crop).to(self._device)
            return int(self._whole((image - self._trunk.shift) / self._trunk.scale).argmax())

    def distance(self, first: NDArray[np.uint8], second: NDArray[np.uint8]) -> float:
        """Distance of two RGB crops."""
        return float(self.distances(np.stack([first, second]))[0])


def load_emotion_vgg(path: Path, device: str = "cpu") -> EmotionTrunk:
    """A VGG-16 trained on emotions, outputs in the suite's order, in torchvision's names; raises WeightsError.

    Its classifier may be narrower than the published one.
    """
    state = read_state(path)
    hidden = len(state["classifier.0.bias"]) if "classifier.0.bias" in state else 0
    whole = fill(with_hidden(vgg16(num_classes=EMOTIONS, init_weights=False), hidden), state, path)
    trunk = _out_of_place(Trunk(whole.features, _VGG_LAYERS, _MEAN, _DEVIATION)).eval()
    return EmotionTrunk(trunk, 224, whole, device)


def with_hidden(network: VGG, hidden: int) -> VGG:
    """A VGG-16 whose classifier's inner layers have another width; unchanged where they have it, or for 0."""
    first, last = network.classifier[0], network.classifier[6]
    if hidden not in (0, first.out_features):
        network.classifier[0] = nn.Linear(first.in_features, hidden)
        network.classifier[3] = nn.Linear(hidden, hidden)
        network.classifier[6] = nn.Linear(hidden, last.out_features)
    return network


def imagenet_scaled(images: Tensor) -> Tensor:
    """Images (B, 3, H, W) in [0, 1] as torchvision's networks expect them."""
    mean, deviation = (images.new_tensor(values)[:, None, None] for values in (_MEAN, _DEVIATION))
    return (images - mean) / deviation


def _mean_distance(first: list[Tensor], second: list[Tensor]) -> float:
    return float(np.mean([float(layer_distance(f, g)) for f, g in zip(first, second, strict=True)]))


def _out_of_place(trunk: Trunk) -> Trunk:
    """torchvision's rectifiers write into their input, which is a feature that is still needed."""
    for module in trunk.modules():
        if isinstance(module, nn.ReLU):
            module.inplace = False
    return trunk


def _unit(frame: NDArray[np.uint8]) -> Tensor:
    """(1, 3, H, W) in [0, 1]."""
    return torch.from_numpy(np.ascontiguousarray(frame)).permute(2, 0, 1)[None].float() / 255


def _symmetric(frame: NDArray[np.uint8]) -> Tensor:
    """(1, 3, H, W) in [-1, 1]."""
    return _unit(frame) * 2 - 1
