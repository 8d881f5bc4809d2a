"""Warping of pictures by a flow field, and networks that predict one from a picture and a style.

One convention everywhere: -1 and 1 are the centres of the corner pixels (``align_corners=True``). A flow (B, 2, H, W),
x before y, says in these units how far from a pixel its colour comes from.
"""

from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from gmbench.nn.adain import AdaIN
from gmbench.nn.stylegan import ConvLayer, ModulatedConv, double

SLOPE = 0.1


def identity_grid(height: int, width: int, like: Tensor) -> Tensor:
    """Places (1, 2, H, W) of the pixels."""
    y, x = (torch.linspace(-1, 1, side, dtype=like.dtype, device=like.device) for side in (height, width))
    return torch.stack([x.expand(height, width), y[:, None].expand(height, width)])[None]


def warp(pictures: Tensor, flow: Tensor) -> Tensor:
    """Pictures (B, C, H, W) whose pixels come from where the flow (B, 2, h, w) says; the border goes on outside.

    A flow of another side is enlarged or shrunk.
    """
    height, width = pictures.shape[-2:]
    if flow.shape[-2:] != (height, width):
        flow = F.interpolate(flow, (height, width), mode="bilinear", align_corners=True)
    places = identity_grid(height, width, flow) + flow
    return F.grid_sample(pictures, places.movedim(1, -1), mode="bilinear", padding_mode="border", align_corners=True)


def flow_at(flow: Tensor, places: Tensor) -> Tensor:
    """Values (B, L, 2) of a flow (B, 2, H, W) at places (B, L, 2), in the same units."""
    found = F.grid_sample(flow, places[:, :, None], mode="bilinear", padding_mode="border", align_corners=True)
    return found[..., 0].transpose(1, 2)


class _Block(nn.Module):
    """AdaIN, rectifier, convolution: ``down`` halves the sides, ``up`` doubles them."""

    def __init__(self, inputs: int, outputs: int, style: int, down: bool = False, up: bool = False) -> None:
        super().__init__()
        self.norm, self.up = AdaIN(inputs, style), up
        self.conv = nn.Conv2d(inputs, outputs, 4 if down else 3, 2 if down else 1, 1)

    def forward(self, x: Tensor, style: Tensor) -> Tensor:
        x = F.leaky_relu(self.norm(x, style), SLOPE)
        return self.conv(F.interpolate(x, scale_factor=2.0, mode="nearest") if self.up else x)


class FlowHourglass(nn.Module):
    """A picture (B, 3, S, S) and a style to a flow (B, 2, S/4, S/4), zero at the start.

    Five halvings and three doublings, each under AdaIN, with the encoder's features added on the way up; the last layer
    counts in pixels of the flow. Source: PIRender's warping network, which FlowVQTalker takes.

    Args:
        style: width of the style.
        base: channels at the first level; they double with each halving up to ``most``.
    """

    DOWN, UP = 5, 3

    def __init__(self, style: int, base: int, most: int) -> None:
        super().__init__()
        widths = [min(most, base * 2**level) for level in range(self.DOWN + 1)]
        self.first = nn.Conv2d(3, base, 7, padding=3)
        self.down = nn.ModuleList([_Block(widths[k], widths[k + 1], style, down=True) for k in range(self.DOWN)])
        ups = [(widths[self.DOWN - k], widths[self.DOWN - k - 1]) for k in range(self.UP)]
        self.up = nn.ModuleList([_Block(a, b, style, up=True) for a, b in ups])
        self.last = nn.Conv2d(ups[-1][1], 2, 3, padding=1)
        nn.init.zeros_(self.last.weight)
        nn.init.zeros_(self.last.bias)

    def forward(self, picture: Tensor, style: Tensor) -> Tensor:
        """Flow (B, 2, S/4, S/4); raises ValueError for a side that five halvings do not divide."""
        if picture.shape[-1] % 2**self.DOWN or picture.shape[-2] % 2**self.DOWN:
            raise ValueError(f"expected sides that are multiples of 32, got {tuple(picture.shape[-2:])}")
        x = self.first(picture)
        features = []
        for block in self.down:
            features.append(x)
            x = block(x, style)
        for level, block in enumerate(self.up):
            x = block(x, style) + features[self.DOWN - 1 - level]
        return self.last(F.leaky_relu(x, SLOPE)) * (2 / (x.shape[-1] - 1))


class Warped(NamedTuple):
    """What a :class:`WarpHead` gives.

    Attributes:
        hidden: (B, C, H, W) warped features, and the old ones where those are masked.
        colours: (B, 3, H, W) colours of the warped features.
        maps: (B, 3, H, W) raw maps, which the next scale adds its own to.
        flow: (B, 2, H, W).
    """

    hidden: Tensor
    colours: Tensor
    maps: Tensor
    flow: Tensor


class WarpHead(nn.Module):
    """One scale of a latent image animator: a flow and a mask by a style, and features of the source that they move.

    Two of three maps give the flow by tanh, the third a mask by sigmoid; maps of the scale below are doubled and added.
    Colours are a plain convolution of the warped features alone. Source: Latent Image Animator, section 3.3.

    Args:
        channels: C of hidden and source features.
        style: width of the style.
    """

    def __init__(self, channels: int, style: int) -> None:
        super().__init__()
        self.maps = ModulatedConv(channels, 3, 1, style, demodulate=False)
        self.bias = nn.Parameter(torch.zeros(1, 3, 1, 1))
        self.colours = ConvLayer(channels, 3, 1, gain=2**0.5)

    def forward(self, hidden: Tensor, style: Tensor, features: Tensor, below: Tensor | None) -> Warped:
        """Hidden and source features (B, C, H, W), style (B, s), raw maps (B, 3, H/2, W/2) of the scale below."""
        maps = self.maps(hidden, style) + self.bias
        if below is not None:
            maps = maps + double(below)
        flow, mask = torch.tanh(maps[:, :2]), torch.sigmoid(maps[:, 2:])
        warped = warp(features, flow) * mask
        return Warped(warped + (1 - mask) * hidden, self.colours(warped), maps, flow)
