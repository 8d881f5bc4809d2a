"""Pre-norm transformer encoder and decoder: padding masks, periodic positions, aligned cross-attention, cache.

Sources: FaceFormer (Fan et al., CVPR 2022) for the periodic encoding, temporal bias and alignment mask of the decoder.
"""

import math
from dataclasses import dataclass, field

import torch
import torch.nn.functional as F
from torch import Tensor, nn


def sinusoid(length: int, width: int, device: torch.device | None = None) -> Tensor:
    """Sinusoidal positions (length, width). Source: Vaswani et al., 2017, section 3.5."""
    place = torch.arange(length, device=device)[:, None]
    rate = torch.exp(torch.arange(0, width, 2, device=device) * (-math.log(10_000.0) / width))
    table = torch.zeros(length, width, device=device)
    table[:, 0::2], table[:, 1::2] = torch.sin(place * rate), torch.cos(place * rate)[:, : width // 2]
    return table


def periodic(first: int, length: int, width: int, period: int, device: torch.device | None = None) -> Tensor:
    """Positions (length, width) from frame ``first`` on of a sinusoid that repeats. Source: FaceFormer, eq. 4."""
    return sinusoid(period, width, device)[torch.arange(first, first + length, device=device) % period]


def slopes(heads: int, device: torch.device | None = None) -> Tensor:
    """Steepness (H,) of the temporal bias, 2^(-8h/H)."""
    return 2.0 ** (-8.0 * torch.arange(1, heads + 1, device=device) / heads)


def causal_bias(queries: Tensor, keys: Tensor, heads: int, period: int, context: int) -> Tensor:
    """Bias (H, Q, K) for frames ``queries`` looking back at ``keys``: -m floor((i - j) / p), minus infinity elsewhere.

    A query sees itself and the ``context - 1`` frames before. Source: FaceFormer, eq. 5.
    """
    apart = queries[:, None] - keys
    bias = -slopes(heads, keys.device)[:, None, None] * torch.div(apart, period, rounding_mode="floor")
    return bias.masked_fill((apart < 0) | (apart >= context), -torch.inf)


def masked_mean(x: Tensor, valid: Tensor) -> Tensor:
    """Mean over time (B, d) of x (B, T, d) where valid (B, T)."""
    weight = valid[..., None].to(x.dtype)
    return (x * weight).sum(1) / weight.sum(1).clamp_min(1)


class Attention(nn.Module):
    """Multi-head attention of queries (B, Q, d) on keys (B, K, d)."""

    def __init__(self, width: int, heads: int, dropout: float = 0.0) -> None:
        super().__init__()
        if width % heads:
            raise ValueError(f"width {width} is no multiple of {heads} heads")
        self.heads, self.dropout = heads, dropout
        self.query = nn.Linear(width, width)
        self.key_value = nn.Linear(width, 2 * width)
        self.out = nn.Linear(width, width)

    def keys(self, memory: Tensor) -> tuple[Tensor, Tensor]:
        """Keys and values, each (B, H, K, d / H), of a memory (B, K, d)."""
        key, value = self.key_value(memory).chunk(2, dim=-1)
        return self._split(key), self._split(value)

    def forward(self, x: Tensor, key: Tensor, value: Tensor, bias: Tensor | None) -> Tensor:
        """(B, Q, d); ``bias`` broadcasts to (B, H, Q, K)."""
        attended = F.scaled_dot_product_attention(
            self._split(self.query(x)), key, value, bias, self.dropout if self.training else 0.0
        )
        return self.out(attended.transpose(1, 2).flatten(2))

    def _split(self, x: Tensor) -> Tensor:
        return x.unflatten(-1, (self.heads, -1)).transpose(1, 2)


class Feed(nn.Sequential):
    """Feed-forward part, twice as wide, GELU."""

    def __init__(self, width: int, dropout: float) -> None:
        super().__init__(nn.Linear(width, 2 * width), nn.GELU(), nn.Dropout(dropout), nn.Linear(2 * width, width))


class _EncoderLayer(nn.Module):
    def __init__(self, width: int, heads: int, dropout: float) -> None:
        super().__init__()
        self.norms = nn.ModuleList([nn.LayerNorm(width) for _ in range(2)])
        self.attention = Attention(width, heads, dropout)
        self.feed = Feed(width, dropout)
        self.drop = nn.Dropout(dropout)

    def forward(self, x: Tensor, bias: Tensor | None) -> Tensor:
        y = self.norms[0](x)
        x = x + self.drop(self.attention(y, *self.attention.keys(y), bias))
        return x + self.drop(self.feed(self.norms[1](x)))

    def first(self, x: Tensor, bias: Tensor | None) -> Tensor:
        """(B, 1, d): ``forward(x, bias)[:, :1]`` without the others' work."""
        y = self.norms[0](x)
        x = x[:, :1] + self.drop(self.attention(y[:, :1], *self.attention.keys(y), bias))
        return x + self.drop(self.feed(self.norms[1](x)))


class TransformerEncoder(nn.Module):
    """Transformer encoder over (B, T, d); no frame attends to frames that are not valid."""

    def __init__(self, width: int, heads: int, layers: int, dropout: float = 0.0) -> None:
        super().__init__()
        self.layers = nn.ModuleList([_EncoderLayer(width, heads, dropout) for _ in range(layers)])
        self.norm = nn.LayerNorm(width)

    def forward(self, x: Tensor, valid: Tensor | None = None) -> Tensor:
        """(B, T, d); ``valid`` (B, T) bool."""
        bias = self._bias(x, valid)
        for layer in self.layers:
            x = layer(x, bias)
        return self.norm(x)

    def first(self, x: Tensor, valid: Tensor | None = None) -> Tensor:
        """(B, d): ``forward(x, valid)[:, 0]``; the last layer works for that frame alone."""
        bias = self._bias(x, valid)
        for layer in self.layers[:-1]:
            x = layer(x, bias)
        return self.norm(self.layers[-1].first(x, bias))[:, 0]

    @staticmethod
    def _bias(x: Tensor, valid: Tensor | None) -> Tensor | None:
        if valid is None:
            return None
        return torch.zeros(valid.shape, device=valid.device).masked_fill(~valid, -torch.inf)[:, None, None].to(x)


@dataclass
class Cache:
    """What a decoder keeps between frames: keys and values per layer, and the number of frames so far."""

    frame: int = 0
    keys_values: list[tuple[Tensor, Tensor]] = field(default_factory=list)


class _DecoderLayer(nn.Module):
    def __init__(self, width: int, heads: int, dropout: float) -> None:
        super().__init__()
        self.norms = nn.ModuleList([nn.LayerNorm(width) for _ in range(3)])
        self.own = Attention(width, heads, dropout)  # self-attention; the name stands in checkpoints
        self.cross = Attention(width, heads, dropout)
        self.feed = Feed(width, dropout)
        self.drop = nn.Dropout(dropout)

    def forward(
        self, x: Tensor, keys_values: tuple[Tensor, Tensor], bias: Tensor, memory: Tensor, aligned: Tensor
    ) -> Tensor:
        x = x + self.drop(self.own(self.norms[0](x), *keys_values, bias))
        x = x + self.drop(self.cross(self.norms[1](x), *self.cross.keys(memory), aligned))
        return x + self.drop(self.feed(self.norms[2](x)))

    def self_keys(self, x: Tensor) -> tuple[Tensor, Tensor]:
        return self.own.keys(self.norms[0](x))


class TransformerDecoder(nn.Module):
    """Causal transformer decoder over (B, T, d) with a memory of one feature per frame.

    Args:
        width, heads, layers, dropout: sizes.
        period: frames after which positions repeat, and the step of the temporal bias.
        context: frames that a frame attends to, itself and those before it.
        halfwidth: frame t reads the memory's frames t - halfwidth to t + halfwidth, which a learnt bias per head tells
            apart, at the start -1 per frame of distance. With 0 there is nothing to choose from, and what chooses
            (queries and keys) learns nothing.
    """

    def __init__(
        self, width: int, heads: int, layers: int, dropout: float = 0.0, period: int = 25, context: int = 150,
        halfwidth: int = 0,
    ) -> None:  # fmt: skip
        super().__init__()
        self.width, self.heads, self.period, self.context, self.halfwidth = width, heads, period, context, halfwidth
        self.layers = nn.ModuleList([_DecoderLayer(width, heads, dropout) for _ in range(layers)])
        self.norm = nn.LayerNorm(width)
        distances = -torch.arange(-halfwidth, halfwidth + 1.0).abs()
        self.nearness = nn.Parameter(distances.repeat(heads, 1)) if halfwidth else None  # (H, 2 halfwidth + 1)

    def _aligned(self, queries: Tensor, keys: Tensor) -> Tensor:
        """Bias (H or 1, Q, K) of frames ``queries`` on the memory's frames ``keys``."""
        apart = keys - queries[:, None]
        near = apart.abs() <= self.halfwidth
        if self.nearness is None:
            return torch.zeros(1, *near.shape, device=near.device).masked_fill(~near, -torch.inf)
        bias = self.nearness[:, (apart + self.halfwidth).clamp(0, 2 * self.halfwidth)]
        return bias.masked_fill(~near, -torch.inf)

    def forward(self, x: Tensor, memory: Tensor, heard: Tensor | None = None) -> Tensor:
        """(B, T, d) of inputs (B, T, d) and memory (B, T, d), all frames at once.

        No frame reads the memory of other frames where ``heard`` (B, T) is False: what pads a batch.
        """
        places = torch.arange(x.shape[1], device=x.device)
        x = x + periodic(0, len(places), self.width, self.period, x.device).to(x)
        bias = causal_bias(places, places, self.heads, self.period, self.context).to(x)
        aligned = self._aligned(places, places).to(x)
        if heard is not None and self.halfwidth:
            silent = ~heard[:, None, None] & (places[:, None] != places)  # (B, 1, Q, K)
            aligned = aligned.masked_fill(silent, -torch.inf)
        for layer in self.layers:
            x = layer(x, layer.self_keys(x), bias, memory, aligned)
        return self.norm(x)

    def step(self, x: Tensor, memory: Tensor, cache: Cache) -> Tensor:
        """The next frame (B, d) of an input (B, d) and the whole memory (B, T, d); the cache moves on."""
        now = cache.frame
        x = (x + periodic(now, 1, self.width, self.period, x.device).to(x)[0])[:, None]
        first = max(0, now - self.halfwidth)
        near = memory[:, first : now + self.halfwidth + 1]
        heard = torch.arange(first, first + near.shape[1], device=x.device)
        aligned = self._aligned(torch.full((1,), now, device=x.device), heard).to(x)
        for number, layer in enumerate(self.layers):
            new = layer.self_keys(x)
            if number == len(cache.keys_values):
                cache.keys_values.append(new)
            else:
                old = cache.keys_values[number]
                cache.keys_values[number] = tuple(
                    torch.cat(pair, 2)[:, :, -self.context :] for pair in zip(old, new, strict=True)
                )  # type: ignore[assignment]
            count = cache.keys_values[number][0].shape[2]
            keys = torch.arange(now - count + 1, now + 1, device=x.device)
            bias = causal_bias(keys[-1:], keys, self.heads, self.period, self.context).to(x)
            x = layer(x, cache.keys_values[number], bias, near, aligned)
        cache.frame += 1
        return self.norm(x)[:, 0]
