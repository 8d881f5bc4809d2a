"""Residual convolutional encoder and decoder of pictures, as in VQGAN, with an optional Haar transform before them.

Both may refine a linear code of patches, which they then start from. Source: Esser et al., "Taming Transformers for
High-Resolution Image Synthesis", CVPR 2021, table 7; the linear start is our own.
"""

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from gmbench.nn.haar import haar, inverse_haar

GROUPS = 16


class ResidualBlock(nn.Module):
    """Group norm, swish, convolution, twice, added to the input."""

    def __init__(self, inputs: int, outputs: int) -> None:
        super().__init__()
        self.norms = nn.ModuleList([_norm(inputs), _norm(outputs)])
        self.convs = nn.ModuleList(
            [nn.Conv2d(inputs, outputs, 3, padding=1), nn.Conv2d(outputs, outputs, 3, padding=1)]
        )
        self.skip = nn.Conv2d(inputs, outputs, 1) if inputs != outputs else nn.Identity()

    def forward(self, x: Tensor) -> Tensor:
        """(B, outputs, H, W)."""
        y = self.convs[0](F.silu(self.norms[0](x)))
        return self.skip(x) + self.convs[1](F.silu(self.norms[1](y)))


class SelfAttention(nn.Module):
    """Every place of a map attends to all places, added to the input; one head."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.norm = _norm(channels)
        self.parts, self.out = nn.Conv2d(channels, 3 * channels, 1), nn.Conv2d(channels, channels, 1)

    def forward(self, x: Tensor) -> Tensor:
        """(B, C, H, W)."""
        query, key, value = (part.flatten(2).transpose(1, 2) for part in self.parts(self.norm(x)).chunk(3, 1))
        attended = F.scaled_dot_product_attention(query, key, value)
        return x + self.out(attended.transpose(1, 2).view(x.shape))


class PatchCode(nn.Module):
    """The linear code of square patches that loses least: their first ``size`` principal components. It is not trained.

    Components are orthogonal and of one length, so that distances between codes are proportional to those between
    patches; where a patch has fewer numbers than the code, the rest is zero.

    Args:
        side: of a patch in pixels.
        size: d.
    """

    def __init__(self, side: int, size: int) -> None:
        super().__init__()
        self.side = side
        self.register_buffer("mean", torch.zeros(3 * side**2))
        self.register_buffer("components", torch.zeros(size, 3 * side**2))
        self.register_buffer("gain", torch.ones(()))

    @torch.no_grad()
    def fit(self, pictures: Tensor) -> None:
        """Take mean and components from pictures (B, 3, S, S)."""
        rows = F.pixel_unshuffle(pictures, self.side).movedim(1, -1).flatten(0, 2).double()
        mean = rows.mean(0)
        apart = rows - mean
        vectors = torch.linalg.eigh(apart.T @ apart)[1].flip(1).T  # the leading one first
        kept = vectors[: len(self.components)]
        self.mean.copy_(mean)
        self.components.zero_()
        self.components[: len(kept)] = kept.to(self.components)

    def encode(self, pictures: Tensor) -> Tensor:
        """Maps (B, d, s, s) of pictures (B, 3, S, S)."""
        rows = F.pixel_unshuffle(pictures, self.side) - self.mean[:, None, None]
        return self.gain * F.conv2d(rows, self.components[..., None, None])

    def decode(self, maps: Tensor) -> Tensor:
        """Pictures (B, 3, S, S) of maps (B, d, s, s)."""
        rows = F.conv2d(maps / self.gain, self.components.T[..., None, None]) + self.mean[:, None, None]
        return F.pixel_shuffle(rows, self.side)


class Encoder(nn.Module):
    """Pictures (B, 3, S, S) to maps (B, d, s, s); each width after the first halves the sides, Haar does so before.

    Args:
        widths: channels of the levels, the finest first.
        size: d.
        blocks: residual blocks a level.
        wavelets: whether the Haar transform comes first.
        patches: whether what the layers give, zero at the start, is added to a :class:`PatchCode`.
    """

    def __init__(
        self, widths: tuple[int, ...], size: int, blocks: int = 2, wavelets: bool = False, patches: bool = False
    ) -> None:
        super().__init__()
        self.wavelets = wavelets
        layers: list[nn.Module] = [nn.Conv2d(12 if wavelets else 3, widths[0], 3, padding=1)]
        for level, width in enumerate(widths):
            before = widths[max(0, level - 1)]
            if level:
                layers.append(nn.Conv2d(before, before, 3, stride=2, padding=1))
            layers += [ResidualBlock(before if k == 0 else width, width) for k in range(blocks)]
        last = widths[-1]
        layers += [SelfAttention(last), ResidualBlock(last, last), _norm(last), nn.SiLU()]
        self.layers = nn.Sequential(*layers, nn.Conv2d(last, size, 3, padding=1))
        self.patches = _patch_code(widths, size, wavelets, self.layers[-1]) if patches else None

    def forward(self, pictures: Tensor) -> Tensor:
        """Maps (B, d, s, s)."""
        maps = self.layers(haar(pictures) if self.wavelets else pictures)
        return maps if self.patches is None else maps + self.patches.encode(pictures)


class Decoder(nn.Module):
    """Maps (B, d, s, s) to pictures (B, 3, S, S): the encoder's mirror image, with the same arguments."""

    def __init__(
        self, widths: tuple[int, ...], size: int, blocks: int = 2, wavelets: bool = False, patches: bool = False
    ) -> None:
        super().__init__()
        self.wavelets = wavelets
        last = widths[-1]
        layers: list[nn.Module] = [nn.Conv2d(size, last, 3, padding=1), SelfAttention(last), ResidualBlock(last, last)]
        for level in reversed(range(len(widths))):
            width, above = widths[level], widths[min(len(widths) - 1, level + 1)]
            if level < len(widths) - 1:
                layers += [nn.Upsample(scale_factor=2), nn.Conv2d(above, above, 3, padding=1)]
            layers += [ResidualBlock(above if k == 0 else width, width) for k in range(blocks)]
        layers += [_norm(widths[0]), nn.SiLU()]
        self.layers = nn.Sequential(*layers)
        self.last = nn.Conv2d(widths[0], 12 if wavelets else 3, 3, padding=1)
        self.patches = _patch_code(widths, size, wavelets, self.last) if patches else None

    def forward(self, maps: Tensor) -> Tensor:
        """Pictures (B, 3, S, S)."""
        x = self.last(self.layers(maps))
        pictures = inverse_haar(x) if self.wavelets else x
        return pictures if self.patches is None else pictures + self.patches.decode(maps)


def patch_codes(encoder: Encoder, decoder: Decoder) -> tuple[PatchCode, PatchCode]:
    """The linear codes that both refine; raises ValueError where either has none."""
    if encoder.patches is None or decoder.patches is None:
        raise ValueError("expected an encoder and a decoder that refine a code of patches")
    return encoder.patches, decoder.patches


def _patch_code(widths: tuple[int, ...], size: int, wavelets: bool, last: nn.Module) -> PatchCode:
    """The code that an encoder or a decoder refines, whose last convolution then starts as zero."""
    for parameter in last.parameters():
        nn.init.zeros_(parameter)
    return PatchCode(2 ** (len(widths) - 1 + wavelets), size)


def _norm(channels: int) -> nn.GroupNorm:
    return nn.GroupNorm(next(g for g in range(min(GROUPS, channels), 0, -1) if channels % g == 0), channels)
