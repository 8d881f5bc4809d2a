"""The emotion-guided head generator: StyleUNet in the Haar domain, emotion mapping network, discriminator.

Sources: GMTalker, section III-D; StyleAvatar (Wang et al., SIGGRAPH 2023) for StyleUNet; StyleGAN2.
"""

import math

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from gmbench.methods.gmtalker.settings import Head
from gmbench.nn.haar import haar, inverse_haar
from gmbench.nn.stylegan import (
    ConvLayer,
    EqualConv,
    EqualLinear,
    ModulatedConv,
    StyledConv,
    double,
    halve,
    minibatch_deviation,
    pixel_norm,
)

GENERATOR_INPUT = 4
"""Channels of the generator's input: rendering and shoulder mask."""
DISCRIMINATOR_INPUT = 6
"""Channels of the discriminator's input: picture and rendering."""
_COARSEST = 3  # log2 of the side where the encoder ends


class EmotionMapping(nn.Module):
    """z_style to s_style: two shared layers, then two per emotion; a soft label blends styles.

    Without emotions (``emotions`` 0) it is the plain mapping network of four layers.
    """

    def __init__(self, width: int, emotions: int, spread: float = 1.0, apart: float = 0.0) -> None:
        super().__init__()
        self.shared = nn.Sequential(_mapping_layer(width), _mapping_layer(width))
        self.branches = nn.ModuleList(
            [nn.Sequential(_mapping_layer(width), EqualLinear(width, width)) for _ in range(max(1, emotions))]
        )
        for branch in self.branches:
            nn.init.normal_(branch[1].weight, std=spread)
            nn.init.normal_(branch[1].bias, std=apart if emotions else 0.0)

    def forward(self, z: Tensor, weights: Tensor) -> Tensor:
        """Styles (B, s) of codes (B, s) and emotion weights (B, K)."""
        shared = self.shared(pixel_norm(z))
        if len(self.branches) == 1:
            return self.branches[0](shared)
        styles = torch.stack([branch(shared) for branch in self.branches], 1)  # (B, K, s)
        return (weights[..., None] * styles).sum(1)


class HeadGenerator(nn.Module):
    """Rendering and shoulder mask (B, 4, S_in, S_in) in [-1, 1] to a picture (B, 3, S_out, S_out), about [-1, 1]."""

    def __init__(self, settings: Head, emotions: int) -> None:
        super().__init__()
        self.settings = settings
        ch, style, gain = settings.channels, settings.style, settings.gain
        n_in, self.last = _log2(settings.size_in), _log2(settings.size_out) - 1
        self.first = n_in - 2 if settings.detail else n_in - 3
        self.mapping = EmotionMapping(
            style, emotions if settings.emotion else 0, settings.style_spread, settings.emotions_apart
        )
        self.from_image, self.blocks = nn.ModuleDict(), nn.ModuleDict()
        for i in range(self.first, _COARSEST - 1, -1):
            wide = ch[2 ** (i + 1)]
            self.from_image[str(i)] = ConvLayer(4 * GENERATOR_INPUT, wide, 1, gain=gain)
            self.blocks[str(i)] = nn.Sequential(
                ConvLayer(wide, wide, 3, gain=gain), ConvLayer(wide, ch[2**i], 3, down=True, gain=gain)
            )
        self.bottom = EqualConv(ch[2**_COARSEST], ch[2**_COARSEST], 3)
        self.skips, self.up, self.same, self.to_image = (nn.ModuleDict() for _ in range(4))
        for i in range(_COARSEST + 1, self.last + 1):
            before, wide = ch[2 ** (i - 1)], ch[2**i]
            if self._skips(i - 1):
                self.skips[str(i)] = EqualConv(2 * before, before, 3)
        if settings.detail and settings.size_in == settings.size_out:
            self.skips["detail"] = EqualConv(2 * ch[2**self.last], ch[2**self.last], 3)
        for i in range(_COARSEST + 1, self.last + 1):
            before, wide = ch[2 ** (i - 1)], ch[2**i]
            self.up[str(i)] = StyledConv(before, wide, style, up=True, gain=gain)
            self.same[str(i)] = StyledConv(wide, wide, style, gain=gain)
            self.to_image[str(i)] = ModulatedConv(wide, 12, 1, style, demodulate=False)
        self.image_bias = nn.Parameter(torch.zeros(len(self.to_image), 12, 1, 1))

    def forward(self, condition: Tensor, style: Tensor, noise: dict[str, Tensor] | None = None) -> Tensor:
        """Pictures; ``style`` (B, s) is the mapping network's, ``noise`` that of :meth:`draw_noise`."""
        features: dict[int, Tensor] = {}
        image = condition
        x: Tensor | None = None
        fine: Tensor | None = None
        for i in range(self.first, _COARSEST - 1, -1):
            image = image if self.settings.detail and i == self.first else halve(image)
            from_picture = self.from_image[str(i)](haar(image))
            fine = from_picture if fine is None else fine
            x = features[i] = self.blocks[str(i)](from_picture if x is None else x + from_picture)
        x = self.bottom(features[_COARSEST])
        out: Tensor | None = None
        for number, i in enumerate(range(_COARSEST + 1, self.last + 1)):
            if str(i) in self.skips:
                x = self.skips[str(i)](torch.cat([x, features[i - 1]], 1))
            fixed = (None, None) if noise is None else (noise[f"{i}a"], noise[f"{i}b"])
            x = self.up[str(i)](x, style, fixed[0])
            if i == self.last and "detail" in self.skips:
                x = self.skips["detail"](torch.cat([x, fine], 1))  # type: ignore[list-item]
            x = self.same[str(i)](x, style, fixed[1])
            new = self.to_image[str(i)](x, style) + self.image_bias[number]
            out = new if out is None else haar(double(inverse_haar(out))) + new
        return inverse_haar(out)

    def draw_noise(self, generator: torch.Generator) -> dict[str, Tensor]:
        """One set of noise pictures, to be kept for a whole video."""
        sides = [(f"{i}{n}", 2**i) for i in range(_COARSEST + 1, self.last + 1) for n in "ab"]
        return {name: torch.randn(1, 1, side, side, generator=generator) for name, side in sides}

    def _skips(self, i: int) -> bool:
        return _COARSEST < i <= self.first


class Discriminator(nn.Module):
    """Pictures beside their renderings (B, 6, S, S) to logits (B,): StyleGAN2's, in the Haar domain."""

    def __init__(self, settings: Head) -> None:
        super().__init__()
        ch, top = settings.channels, _log2(settings.size_out) - 1
        self.top = top
        self.from_image, self.blocks = nn.ModuleDict(), nn.ModuleDict()
        for i in range(top, 2, -1):
            self.from_image[str(i)] = ConvLayer(4 * DISCRIMINATOR_INPUT, ch[2**i], 1)
            self.blocks[str(i)] = nn.Sequential(
                ConvLayer(ch[2**i], ch[2**i], 3), ConvLayer(ch[2**i], ch[2 ** (i - 1)], 3, down=True)
            )
        self.last = ConvLayer(ch[4] + 1, ch[4], 3)
        self.hidden, self.logit = EqualLinear(16 * ch[4], ch[4]), EqualLinear(ch[4], 1)

    def forward(self, picture: Tensor, rendering: Tensor) -> Tensor:
        """Logits (B,) of pictures (B, 3, S, S) and renderings (B, 3, any, any)."""
        side = picture.shape[-1]
        if rendering.shape[-1] != side:
            rendering = F.interpolate(rendering, (side, side), mode="bilinear", align_corners=False)
        image, x = torch.cat([picture, rendering], 1), None
        for i in range(self.top, 2, -1):
            from_picture = self.from_image[str(i)](haar(image))
            x = self.blocks[str(i)](from_picture if x is None else x + from_picture)
            image = halve(image) if i > 3 else image
        x = self.last(minibatch_deviation(x))
        hidden = F.leaky_relu(self.hidden(x.flatten(1)), 0.2) * math.sqrt(2)
        return self.logit(hidden)[:, 0]


def r1_penalty(discriminator: Discriminator, picture: Tensor, rendering: Tensor) -> Tensor:
    """Mean squared norm of the logits' gradient with respect to real pictures, not to their renderings."""
    picture = picture.detach().requires_grad_()
    logits = discriminator(picture, rendering)
    (gradient,) = torch.autograd.grad(logits.sum(), picture, create_graph=True)
    return gradient.pow(2).sum((1, 2, 3)).mean()


def _mapping_layer(width: int) -> nn.Module:
    return nn.Sequential(EqualLinear(width, width), nn.LeakyReLU(0.1))


def _log2(side: int) -> int:
    power = side.bit_length() - 1
    if side != 2**power or power < 5:
        raise ValueError(f"expected a side that is a power of two and at least 32, got {side}")
    return power
