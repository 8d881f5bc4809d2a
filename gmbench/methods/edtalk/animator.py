"""The latent image animator: encoder E, generator G, spaces of motion, and the enhancement of expressions.

Sources: EDTalk, sections 3.1 and 3.2; Wang et al., "Latent Image Animator", ICLR 2022.
"""

from collections.abc import Iterable, Mapping, Sequence
from typing import Literal, NamedTuple

import torch
from torch import Tensor, nn

from gmbench.methods.edtalk.settings import Backbone
from gmbench.methods.edtalk.spaces import Bank, MotionSpaces
from gmbench.nn.adain import EPSILON
from gmbench.nn.stylegan import ConvLayer, EqualLinear, ResidualDown, StyledConv, double
from gmbench.nn.warp import WarpHead

GAIN = 2**0.5
SMALLEST = 8
"""Side of the smallest features that are warped."""
Enhancing = Literal["residual", "literal", "none"]


class Encoded(NamedTuple):
    """Latents (B, d) of pictures, and their features (B, C, s, s) from 8 pixels up to the pictures' side."""

    latents: Tensor
    features: tuple[Tensor, ...]

    def take(self, rows: Tensor) -> "Encoded":
        """Some of the pictures, also several times."""
        return Encoded(self.latents[rows], tuple(part[rows] for part in self.features))


class Drawn(NamedTuple):
    """Pictures (B, 3, S, S), about in [-1, 1], and the flow of each scale."""

    pictures: Tensor
    flows: tuple[Tensor, ...]


def sides(side: int) -> list[int]:
    """Sides of the maps from 4 up to ``side``."""
    return [4 << level for level in range(side.bit_length() - 2)]


class Encoder(nn.Module):
    """E: pictures (B, 3, S, S) to latents and features."""

    def __init__(self, side: int, channels: Mapping[int, int], latent: int) -> None:
        super().__init__()
        self.first = ConvLayer(3, channels[side], 1, gain=GAIN)
        down = sides(side)[:0:-1]
        self.blocks = nn.ModuleList([ResidualDown(channels[s], channels[s // 2]) for s in down])
        self.last = EqualLinear(16 * channels[4], latent, bias=None)

    def forward(self, pictures: Tensor) -> Encoded:
        """Latents (B, d), and features of all sides but the smallest."""
        x = self.first(pictures)
        features = []
        for block in self.blocks:
            features.append(x)
            x = block(x)
        return Encoded(self.last(x.flatten(1)), tuple(features[::-1]))


class Enhancement(nn.Module):
    """EEM of one scale: the source's features under an expression; eq. 8.

    ``residual``: x + factor · AdaIN(conv(x)), where factor, gamma and beta are zero at the start, so that it begins as
    the identity. ``literal``: gamma (x - mean) / deviation + beta, where the text calls the deviation a variance.
    """

    def __init__(self, channels: int, latent: int, kind: Enhancing) -> None:
        super().__init__()
        hidden = max(1, latent // 4)
        self.kind = kind
        self.style = nn.Sequential(nn.Linear(latent, hidden), nn.ReLU(), nn.Linear(hidden, 2 * channels))
        if kind == "residual":
            self.conv = nn.Conv2d(channels, channels, 3, padding=1)
            self.factor = nn.Parameter(torch.zeros(1))
            nn.init.zeros_(self.style[-1].weight)
            nn.init.zeros_(self.style[-1].bias)

    def forward(self, x: Tensor, expression: Tensor) -> Tensor:
        """(B, C, H, W) under what the expression adds to the latent (B, d)."""
        gamma, beta = self.style(expression)[..., None, None].chunk(2, 1)
        if self.kind == "literal":
            return gamma * _normal(x) + beta
        return x + self.factor * ((1 + gamma) * _normal(self.conv(x)) + beta)


def _normal(x: Tensor) -> Tensor:
    mean = x.mean((2, 3), keepdim=True)
    return (x - mean) / (torch.sqrt(x.var((2, 3), unbiased=False, keepdim=True)) + EPSILON)


class Generator(nn.Module):
    """G: a latent and a source's features to a picture; eq. 2. No noise is injected."""

    def __init__(self, side: int, channels: Mapping[int, int], latent: int) -> None:
        super().__init__()
        self.start = nn.Parameter(torch.randn(1, channels[4], 4, 4))
        self.first = StyledConv(channels[4], channels[4], latent, gain=GAIN, noisy=False)
        up = sides(side)[1:]
        pairs = [(channels[s // 2], channels[s]) for s in up]
        self.up = nn.ModuleList([StyledConv(a, b, latent, up=True, gain=GAIN, noisy=False) for a, b in pairs])
        self.same = nn.ModuleList([StyledConv(b, b, latent, gain=GAIN, noisy=False) for _, b in pairs])
        self.warps = nn.ModuleList([WarpHead(b, latent) for _, b in pairs])

    def forward(self, latents: Tensor, features: Sequence[Tensor]) -> Drawn:
        """Pictures of latents (B, d) whose motion is applied to features (B, C, s, s) of each side from 8 on."""
        x = self.first(self.start.expand(len(latents), -1, -1, -1), latents)
        maps, colours, flows = None, None, []
        for up, same, head, source in zip(self.up, self.same, self.warps, features, strict=True):
            warped = head(same(up(x, latents), latents), latents, source, maps)
            x, maps = warped.hidden, warped.maps
            colours = warped.colours if colours is None else warped.colours + double(colours)
            flows.append(warped.flow)
        if colours is None:
            raise ValueError("expected features of at least one side")
        return Drawn(colours, tuple(flows))


class Animator(nn.Module):
    """Encoder, spaces of motion and generator, and the enhancement where there is one.

    Args:
        settings: sizes.
        counts: bases of the spaces by name.
        bank: how bases are made.
        enhancing: the kind of EEM; it acts where an expression is given.
        sight: of pictures (B, 3, S, S) what the expression's head is told beside the latents (B, d), if anything.
    """

    def __init__(
        self, settings: Backbone, counts: Mapping[str, int], bank: Bank = "orthonormal", enhancing: Enhancing = "none",
        sight: nn.Module | None = None,
    ) -> None:  # fmt: skip
        super().__init__()
        s = settings
        self.settings = s
        self.encoder = Encoder(s.side, s.channels, s.latent)
        self.spaces = MotionSpaces(s.latent, counts, bank, s.trunk_layers, s.trunk_act)
        self.generator = Generator(s.side, s.channels, s.latent)
        kinds = [] if enhancing == "none" else sides(s.side)[1:]
        self.enhancement = nn.ModuleList([Enhancement(s.channels[side], s.latent, enhancing) for side in kinds])
        self.sight = sight

    def weights(self, pictures: Tensor, names: Iterable[str] | None = None) -> dict[str, Tensor]:
        """Weights (B, n) of pictures (B, 3, S, S) in some spaces, all by default."""
        chosen = list(self.spaces.sizes if names is None else names)
        latents = self.encoder(pictures).latents
        found = self.spaces.weights(latents, chosen)
        if self.sight is not None and "expression" in chosen:
            found |= self.spaces.weights(latents + self.sight(pictures), ("expression",))
        return found

    def draw(self, source: Encoded, weights: Mapping[str, Tensor]) -> Drawn:
        """Sources moved by weights (B, n) of some spaces."""
        return self.draw_features(source, self.spaces.features(weights))

    def draw_features(self, source: Encoded, moved: Mapping[str, Tensor]) -> Drawn:
        """Sources moved by what spaces add to their latents (B, d)."""
        maps = source.features
        if self.enhancement and (expression := moved.get("expression")) is not None:
            maps = tuple(block(x, expression) for block, x in zip(self.enhancement, maps, strict=True))
        return self.generator(source.latents + torch.stack(list(moved.values())).sum(0), maps)
