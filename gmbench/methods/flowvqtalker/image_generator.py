"""VQIG, the vector-quantised image generator: a source picture moved by coefficients. Source: FlowVQTalker, 3.3.

The encoder E_h, the codebook and the decoder D_h come trained and stay as they are.
"""

import copy
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from gmbench.methods.flowvqtalker.flows import EXPRESSION, POSE
from gmbench.methods.flowvqtalker.picture_code import PictureCode
from gmbench.methods.flowvqtalker.settings import LADDER_PARTS, Vqig
from gmbench.nn.adain import AdaIN
from gmbench.nn.autoencoder import ResidualBlock
from gmbench.nn.transformer import Attention
from gmbench.nn.warp import FlowHourglass, warp

MOTION = EXPRESSION + POSE
WINDOW = 27
"""Frames of coefficients that one picture is drawn from."""
SLOPE = 0.1
START_SHARPNESS = 8.0
"""Of codes that are picked by their distance: logits are minus the squared distance times this over d, at the start."""


class MotionDescriptor(nn.Module):
    """psi: windows (B, 27, 70) of expressions and poses to sigma (B, style), as PIRender's mapping network.

    Columns are multiplied by ``gains`` (70,) first, 1 until they are set.
    """

    gains: Tensor

    def __init__(self, style: int) -> None:
        super().__init__()
        self.register_buffer("gains", torch.ones(MOTION))
        self.first = nn.Conv1d(MOTION, style, 7)
        self.layers = nn.ModuleList([nn.Conv1d(style, style, 3, dilation=3) for _ in range(3)])

    @torch.no_grad()
    def start_at_middle(self) -> None:
        """Let the first layer read the middle one of its frames alone, as loudly as all of them."""
        weight = self.first.weight
        middle = weight.shape[-1] // 2
        read = weight[..., middle] * weight.shape[-1] ** 0.5
        weight.zero_()
        weight[..., middle] = read

    def forward(self, window: Tensor) -> Tensor:
        """(B, style)."""
        x = self.first((window * self.gains).transpose(1, 2))
        for layer in self.layers:
            x = x[..., 3:-3] + layer(F.leaky_relu(x, SLOPE))
        return x.mean(-1)


class CrossAttention(nn.Module):
    """MHCA: places of z_f attend to the source's codes z_c, added to z_f; the identity at the start."""

    def __init__(self, size: int, heads: int) -> None:
        super().__init__()
        self.norms = nn.ModuleList([nn.LayerNorm(size) for _ in range(2)])
        self.attention = Attention(size, heads)
        nn.init.zeros_(self.attention.out.weight)
        nn.init.zeros_(self.attention.out.bias)

    def forward(self, features: Tensor, codes: Tensor) -> Tensor:
        """Maps (B, d, s, s)."""
        x, memory = (norm(_tokens(m)) for norm, m in zip(self.norms, (features, codes), strict=True))
        attended = self.attention(x, *self.attention.keys(memory), None)
        return features + _maps(attended, features)


class _CodeLayer(nn.Module):
    """Pre-norm layer whose positions are added to queries and keys, not to values."""

    def __init__(self, width: int, heads: int) -> None:
        super().__init__()
        self.norms = nn.ModuleList([nn.LayerNorm(width) for _ in range(2)])
        self.query, self.key, self.value, self.out = (nn.Linear(width, width) for _ in range(4))
        self.feed = nn.Sequential(nn.Linear(width, 2 * width), nn.GELU(), nn.Linear(2 * width, width))
        self.heads = heads

    def forward(self, x: Tensor, places: Tensor) -> Tensor:
        y = self.norms[0](x)
        parts = (self.query(y + places), self.key(y + places), self.value(y))
        query, key, value = (p.unflatten(-1, (self.heads, -1)).transpose(1, 2) for p in parts)
        x = x + self.out(F.scaled_dot_product_attention(query, key, value).transpose(1, 2).flatten(2))
        return x + self.feed(self.norms[1](x))


class CodePredictor(nn.Module):
    """T: maps (B, d, s, s) to logits (B, s s, N) over codes, as CodeFormer's transformer.

    Args:
        size: d.
        codes: N.
        places: s s, learnt positions, zero at the start.
        settings: sizes.
    """

    def __init__(self, size: int, codes: int, places: int, settings: Vqig) -> None:
        super().__init__()
        width = settings.width
        self.inputs, self.places = nn.Linear(size, width), nn.Parameter(torch.zeros(places, width))
        self.layers = nn.ModuleList([_CodeLayer(width, settings.heads) for _ in range(settings.layers)])
        self.norm, self.logits = nn.LayerNorm(width), nn.Linear(width, codes, bias=False)

    def forward(self, features: Tensor) -> Tensor:
        """Logits (B, s s, N)."""
        x = self.inputs(_tokens(features))
        for layer in self.layers:
            x = layer(x, self.places)
        return self.logits(self.norm(x))


@dataclass(frozen=True)
class Drawn:
    """What one pass gives: pictures, z_f, warped source, logits and flow; None for parts that the variant lacks."""

    picture: Tensor
    features: Tensor
    warped: Tensor | None = None
    logits: Tensor | None = None
    flow: Tensor | None = None


class ImageGenerator(nn.Module):
    """Pictures (B, 3, S, S) from a source picture and windows of coefficients.

    Args:
        code: E_h, codebook and D_h, which are frozen here.
        settings: sizes, and which parts there are.
    """

    def __init__(self, code: PictureCode, settings: Vqig) -> None:
        super().__init__()
        s, size = settings, code.settings.size
        self.settings = s
        self.code = code.requires_grad_(False)
        parts = LADDER_PARTS[s.parts]
        self.mapping = MotionDescriptor(s.style)
        self.encoder = copy.deepcopy(code.encoder).requires_grad_(True)
        self.warping = FlowHourglass(s.style, s.flow_base, s.flow_most) if "warp" in parts else None
        self.fuse = nn.Sequential(ResidualBlock(2 * size, size), ResidualBlock(size, size)) if "fuse" in parts else None
        self.attention = CrossAttention(size, s.heads) if "attention" in parts else None
        places = self.cells**2
        self.predictor = CodePredictor(size, code.settings.codes, places, s) if "codes" in parts else None
        self.of_features, self.of_image = (AdaIN(size, s.style, relative=True) for _ in range(2))
        nearest = s.start == "nearest" and self.predictor is not None
        self.log_sharpness = nn.Parameter(torch.tensor(START_SHARPNESS / size).log()) if nearest else None
        if s.start == "nearest":
            self._start_nearest(size)

    @torch.no_grad()
    def _start_nearest(self, size: int) -> None:
        """Let psi read the middle frame, phi give z_w as it comes, and T nothing beside the distances to the codes."""
        self.mapping.start_at_middle()
        if self.fuse is not None:
            for block in self.fuse:
                for parameter in block.convs[1].parameters():
                    parameter.zero_()
            self.fuse[0].skip.weight.copy_(torch.eye(size, 2 * size)[..., None, None])
            self.fuse[0].skip.bias.zero_()
        if self.predictor is not None:
            self.predictor.logits.weight.zero_()

    def train(self, mode: bool = True) -> "ImageGenerator":
        """Training mode of everything but the frozen parts."""
        super().train(mode)
        self.code.eval()
        return self

    def source_codes(self, source: Tensor) -> Tensor:
        """z_c (B, d, s, s) of source pictures."""
        with torch.no_grad():
            return self.code.quantise(source).values

    def forward(self, source: Tensor, window: Tensor, codes: Tensor | None = None, draw: bool = True) -> Drawn:
        """Draw.

        Args:
            source: (B, 3, S, S) in [-1, 1].
            window: (B, 27, 70).
            codes: z_c of the source, where it is known already.
            draw: False leaves the picture out (a tensor without elements), for training on codes alone.
        """
        style = self.mapping(window)
        flow, warped = (None, None) if self.warping is None else self.warped(source, style)
        features = self.encoder(source if warped is None else warped)  # z_w
        features = self.of_features(self._repaired(features, source, codes), style)  # z_f
        if self.predictor is None:
            return Drawn(self.code.decoder(self.of_image(features, style)), features, warped, None, flow)
        logits = self.predictor(features) + self._closeness(features)
        picture = self.code.decoder(self.of_image(self.query(logits, features), style)) if draw else features[:, :0]
        return Drawn(picture, features, warped, logits, flow)

    def warped(self, source: Tensor, style: Tensor) -> tuple[Tensor, Tensor]:
        """Flow (B, 2, S/4, S/4) and source pictures moved by it; raises ValueError in variants without a warp."""
        if self.warping is None:
            raise ValueError(f"the variant {self.settings.parts} has no warp")
        flow = self.warping(source, style)
        return flow, warp(source, flow)

    def _repaired(self, features: Tensor, source: Tensor, codes: Tensor | None) -> Tensor:
        """Features that have their person's looks back from the source's codes; unchanged without such parts."""
        if self.fuse is None and self.attention is None:
            return features
        known = self.source_codes(source) if codes is None else codes
        if self.fuse is not None:
            features = self.fuse(torch.cat([features, known], 1))
        return features if self.attention is None else self.attention(features, known)

    def query(self, logits: Tensor, like: Tensor) -> Tensor:
        """Code query (B, d, s, s): the likeliest codes; in training gradients go through softmax times codebook."""
        codes = self.code.table.codes
        hard = codes[logits.argmax(-1)]
        if self.training:
            soft = logits.softmax(-1) @ codes
            hard = soft + (hard - soft).detach()
        return _maps(hard, like)

    def _closeness(self, features: Tensor) -> Tensor:
        """Logits (B, s s, N) by the squared distances of z_f to the codes, up to a number per place; 0 without them."""
        if self.log_sharpness is None:
            return features.new_zeros(())
        codes = self.code.table.codes
        return self.log_sharpness.exp() * (2 * _tokens(features) @ codes.T - codes.square().sum(1))

    @property
    def cells(self) -> int:
        """s, places on a side."""
        return int(self.code.settings.cells)


def motion_windows(motion: Tensor, first: int, stop: int) -> Tensor:
    """(stop - first, 27, 70): coefficients around frames of a track (T, 70), the ends repeated."""
    half = WINDOW // 2
    places = torch.arange(first, stop)[:, None] + torch.arange(-half, half + 1)
    return motion[places.clamp(0, len(motion) - 1)]


def _tokens(maps: Tensor) -> Tensor:
    return maps.flatten(2).transpose(1, 2)


def _maps(tokens: Tensor, like: Tensor) -> Tensor:
    return tokens.transpose(1, 2).reshape(len(tokens), tokens.shape[2], *like.shape[2:])
