"""Perceptual losses: VGG-19 from a file, or fixed random convolutions where there is none."""

from pathlib import Path

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from gmbench.errors import WeightsError

VGG_LAYERS = (2, 7, 12, 21, 30)
"""Outputs of VGG-19's feature stack that are compared. Source: StyleAvatar, which GMTalker builds on."""
VGG_SIDE = 512
IMAGENET = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)
"""Mean and deviation of colours in [0, 1]."""


def _distance(generated: Tensor, target: Tensor, squared: bool) -> Tensor:
    difference = generated - target
    return difference.square().mean() if squared else difference.abs().mean()


class RandomPyramid(nn.Module):
    """Mean absolute or squared distance of features of five random convolutions, strided; the seed is fixed."""

    def __init__(self, seed: int = 7, squared: bool = False) -> None:
        super().__init__()
        self.squared = squared
        generator = torch.Generator().manual_seed(seed)
        widths = (3, 16, 32, 32, 32, 32)
        for number, (a, b) in enumerate(zip(widths, widths[1:], strict=False)):
            weight = torch.randn(b, a, 3, 3, generator=generator) * (2 / (9 * a)) ** 0.5
            self.register_buffer(f"weight{number}", weight)

    def forward(self, generated: Tensor, target: Tensor) -> Tensor:
        """Scalar for pictures (B, 3, H, W) in [-1, 1]."""
        x, total = torch.cat([generated, target]), generated.new_zeros(())
        for weight in self.buffers():
            x = F.leaky_relu(F.conv2d(x, weight, stride=2, padding=1), 0.2)
            total = total + _distance(x[: len(generated)], x[len(generated) :], self.squared)
        return total


class Vgg19(nn.Module):
    """Sum of distances at :data:`VGG_LAYERS`, pictures resized to 512, in [-1, 1] without ImageNet's normalisation.

    Args:
        path: torchvision's VGG-19 state dict, brought by the user.
        squared: whether differences are squared, as FlowVQTalker's eq. 14, or their magnitudes taken.
        imagenet: pictures are normalised as ImageNet's and keep their size.

    Raises:
        WeightsError: no such file, or another network's.
    """

    def __init__(self, path: Path, squared: bool = False, imagenet: bool = False) -> None:
        super().__init__()
        self.squared, self.imagenet = squared, imagenet
        from torchvision.models import vgg19

        if not path.exists():
            raise WeightsError(f"{path}: no VGG-19 here; put torchvision's vgg19 file there, or choose 'randconv'")
        network = vgg19()
        try:
            network.load_state_dict(torch.load(path, weights_only=True, map_location="cpu"))
        except (RuntimeError, KeyError, OSError, ValueError) as error:
            raise WeightsError(f"{path}: not torchvision's VGG-19 ({error})") from error
        self.layers = network.features[: VGG_LAYERS[-1]].eval().requires_grad_(False)

    def forward(self, generated: Tensor, target: Tensor) -> Tensor:
        """Scalar for pictures (B, 3, H, W) in [-1, 1]."""
        x = torch.cat([generated, target])
        if self.imagenet:
            mean, deviation = (x.new_tensor(values)[:, None, None] for values in IMAGENET)
            x = ((x + 1) / 2 - mean) / deviation
        else:
            x = F.interpolate(x, (VGG_SIDE, VGG_SIDE), mode="bilinear", align_corners=False)
        total = generated.new_zeros(())
        for number, layer in enumerate(self.layers, 1):
            x = layer(x)
            if number in VGG_LAYERS:
                total = total + _distance(x[: len(generated)], x[len(generated) :], self.squared)
        return total


def perceptual(kind: str, squared: bool = False) -> nn.Module | None:
    """``none``, ``randconv``, or the path of VGG-19's weights."""
    if kind == "none":
        return None
    return RandomPyramid(squared=squared) if kind == "randconv" else Vgg19(Path(kind), squared)


class PyramidLoss(nn.Module):
    """Sum of a perceptual loss over pictures of halved sides. Source: Siarohin et al., 2019, as EDTalk takes it.

    Args:
        loss: of pictures (B, 3, H, W) in [-1, 1].
        scales: number of sizes, the whole one included.
    """

    def __init__(self, loss: nn.Module, scales: int) -> None:
        super().__init__()
        self.loss, self.scales = loss, scales

    def forward(self, generated: Tensor, target: Tensor) -> Tensor:
        """Scalar for pictures (B, 3, H, W) in [-1, 1]."""
        total = self.loss(generated, target)
        for _ in range(self.scales - 1):
            generated, target = (F.avg_pool2d(pictures, 2) for pictures in (generated, target))
            total = total + self.loss(generated, target)
        return total


def pyramid(kind: str, scales: int) -> nn.Module | None:
    """A perceptual loss over several sizes: ``none``, ``randconv``, or the path of VGG-19's weights."""
    if kind == "none":
        return None
    loss = RandomPyramid() if kind == "randconv" else Vgg19(Path(kind), imagenet=True)
    return PyramidLoss(loss, scales)
