"""StyleGAN2's layers in plain PyTorch: equalised learning rate, modulated convolution, blurred resampling, noise.

Source: Karras et al., "Analyzing and Improving the Image Quality of StyleGAN", CVPR 2020, section 2 and appendix B.
"""

import functools
import math
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

SLOPE = 0.2
_KERNEL = torch.tensor([1.0, 3.0, 3.0, 1.0])
_TAPS = len(_KERNEL)


def blur(x: Tensor, gain: float = 1.0, padding: int = 1, stride: int = 1) -> Tensor:
    """Convolve each channel with the filter 1-3-3-1 by 1-3-3-1, normalised to sum ``gain``; zeros lie around."""
    if x.device.type != "cpu":
        return filtered(x, gain, down=stride, before=padding, after=padding)
    return F.conv2d(x, _filter(x, gain), padding=padding, stride=stride, groups=x.shape[1])


def halve(x: Tensor) -> Tensor:
    """Blurred pictures (B, C, H/2, W/2)."""
    return blur(x, stride=2)


def double(x: Tensor) -> Tensor:
    """Pictures (B, C, 2H, 2W): zeros between the pixels, blurred."""
    if x.device.type != "cpu":
        return filtered(x, 4.0, up=2, before=2, after=1)
    return F.conv_transpose2d(x, _filter(x, 4.0), stride=2, padding=1, groups=x.shape[1])


def filtered(x: Tensor, gain: float, up: int = 1, down: int = 1, before: int = 0, after: int = 0) -> Tensor:
    """Zeros between the pixels, zeros around, the blur, and every ``down``-th pixel of it.

    What :func:`blur` and :func:`double` compute, with derivatives that are this function again: those of a grouped
    convolution's derivative, which a gradient penalty needs, run group by group on a GPU.

    Args:
        x: (B, C, H, W).
        gain: sum of the filter.
        up: a pixel is followed by ``up - 1`` zeros, to the right and below.
        down: step between the pixels that are kept.
        before, after: zeros around the result; negative numbers cut.
    """
    return _Filtered.apply(x, gain, up, down, before, after)


class _Filtered(torch.autograd.Function):
    """See :func:`filtered`."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, gain: float, up: int, down: int, before: int, after: int) -> Tensor:
        """The filter, by a convolution whose groups no derivative sees."""
        ctx.given = (tuple(x.shape[2:]), gain, up, down, before, after)
        if up > 1:
            spread = x.new_zeros(*x.shape[:2], x.shape[2] * up, x.shape[3] * up)
            spread[..., ::up, ::up] = x
            x = spread
        if before == after and before >= 0:
            return F.conv2d(x, _cached_filter(x, gain), padding=before, stride=down, groups=x.shape[1])
        x = F.pad(x, (before, after, before, after))
        return F.conv2d(x, _cached_filter(x, gain), stride=down, groups=x.shape[1])

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor | None, ...]:
        """The transposed filter: steps become zeros between the pixels, and the reverse."""
        (height, width), gain, up, down, before, _ = ctx.given
        (gradient,) = gradients
        # Pixel i of the gradient has seen pixels i * down - before + (0 .. 3) of x with its zeros.
        start = _TAPS - 1 - before
        ends = [size * up + _TAPS - 1 - start - count * down for size, count in
                zip((height, width), gradient.shape[2:], strict=True)]  # fmt: skip
        if ends[0] != ends[1]:
            raise ValueError(f"expected sides that are odd or even together, got {height} x {width}")
        return filtered(gradient, gain, down, up, start, ends[0]), None, None, None, None, None


def _cached_filter(x: Tensor, gain: float) -> Tensor:
    return kernel_on(x.device, x.dtype, gain).expand(x.shape[1], 1, _TAPS, _TAPS)


@functools.lru_cache(maxsize=32)
def kernel_on(device: torch.device, dtype: torch.dtype, gain: float) -> Tensor:
    """The filter (4, 4) of a sum on a device; copying it there at each use would wait for all that runs."""
    return (torch.outer(_KERNEL, _KERNEL) * (gain / 64)).to(device, dtype)


def _filter(x: Tensor, gain: float) -> Tensor:
    return (torch.outer(_KERNEL, _KERNEL) * (gain / 64)).to(x).expand(x.shape[1], 1, 4, 4)


class EqualLinear(nn.Module):
    """Linear layer with weights ~ N(0, 1) scaled by 1 / sqrt(inputs) in every call; a ``bias`` of None is none."""

    def __init__(self, inputs: int, outputs: int, bias: float | None = 0.0) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.randn(outputs, inputs))
        self.bias = None if bias is None else nn.Parameter(torch.full((outputs,), bias))

    def forward(self, x: Tensor) -> Tensor:
        """(..., outputs)."""
        return F.linear(x, self.weight / math.sqrt(self.weight.shape[1]), self.bias)


class EqualConv(nn.Module):
    """Convolution with equalised learning rate; with ``down`` blurred and of stride 2."""

    def __init__(self, inputs: int, outputs: int, kernel: int, down: bool = False, bias: bool = True) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.randn(outputs, inputs, kernel, kernel))
        self.bias = nn.Parameter(torch.zeros(outputs)) if bias else None
        self.down = down

    def forward(self, x: Tensor) -> Tensor:
        """(B, outputs, H, W), or half the sides."""
        weight = self.weight / math.sqrt(self.weight[0].numel())
        size = weight.shape[-1]
        if self.down:
            return F.conv2d(blur(x, padding=size // 2 + 1), weight, self.bias, stride=2)
        return F.conv2d(x, weight, self.bias, padding=size // 2)


class ConvLayer(nn.Module):
    """Equalised convolution and leaky rectifier; a ``gain`` of sqrt(2) keeps the variance from layer to layer."""

    def __init__(self, inputs: int, outputs: int, kernel: int, down: bool = False, gain: float = 1.0) -> None:
        super().__init__()
        self.conv, self.gain = EqualConv(inputs, outputs, kernel, down), gain

    def forward(self, x: Tensor) -> Tensor:
        """(B, outputs, H, W), or half the sides."""
        return F.leaky_relu(self.conv(x), SLOPE) * self.gain


class ResidualDown(nn.Module):
    """Pictures (B, inputs, H, W) to (B, outputs, H/2, W/2): two convolutions beside a linear one, sum over sqrt(2)."""

    def __init__(self, inputs: int, outputs: int) -> None:
        super().__init__()
        gain = math.sqrt(2)
        self.first = ConvLayer(inputs, inputs, 3, gain=gain)
        self.second = ConvLayer(inputs, outputs, 3, down=True, gain=gain)
        self.skip = EqualConv(inputs, outputs, 1, down=True, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        """(B, outputs, H/2, W/2)."""
        return (self.second(self.first(x)) + self.skip(x)) / math.sqrt(2)


class ModulatedConv(nn.Module):
    """Convolution whose input channels a style scales; with ``demodulate`` each output has unit expected variance.

    The style scales features before and the demodulation after one shared convolution, which equals scaled weights
    per sample and is faster on CPUs. With ``up`` it is a transposed convolution, then the blur.
    """

    def __init__(
        self, inputs: int, outputs: int, kernel: int, style: int, demodulate: bool = True, up: bool = False
    ) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.randn(outputs, inputs, kernel, kernel))
        self.modulation = EqualLinear(style, inputs, bias=1.0)
        self.demodulate, self.up = demodulate, up

    def forward(self, x: Tensor, style: Tensor) -> Tensor:
        """(B, outputs, H, W), or twice the sides with ``up``."""
        weight = self.weight / math.sqrt(self.weight[0].numel())
        scale = self.modulation(style)  # (B, inputs)
        x = x * scale[:, :, None, None]
        if self.up:
            x = blur(F.conv_transpose2d(x, weight.transpose(0, 1), stride=2), gain=4.0)
        else:
            x = F.conv2d(x, weight, padding=weight.shape[-1] // 2)
        if self.demodulate:
            power = (scale**2) @ weight.pow(2).sum((2, 3)).T  # (B, outputs)
            x = x * torch.rsqrt(power + 1e-8)[:, :, None, None]
        return x


class StyledConv(nn.Module):
    """Modulated 3 x 3 convolution, noise of learnt strength (none where not ``noisy``), bias, leaky rectifier."""

    def __init__(
        self, inputs: int, outputs: int, style: int, up: bool = False, gain: float = 1.0, noisy: bool = True
    ) -> None:
        super().__init__()
        self.gain = gain
        self.conv = ModulatedConv(inputs, outputs, 3, style, up=up)
        self.strength = nn.Parameter(torch.zeros(1)) if noisy else None
        self.bias = nn.Parameter(torch.zeros(outputs))

    def forward(self, x: Tensor, style: Tensor, noise: Tensor | None = None) -> Tensor:
        """Features; ``noise`` (1 or B, 1, H, W) is fresh in each call where none is given."""
        x = self.conv(x, style)
        if self.strength is not None:
            if noise is None:
                noise = torch.randn(len(x), 1, *x.shape[2:], dtype=x.dtype, device=x.device)
            x = x + self.strength * noise
        return F.leaky_relu(x + self.bias[:, None, None], SLOPE) * self.gain


def pixel_norm(z: Tensor) -> Tensor:
    """Vectors scaled to a mean square of one."""
    return z * torch.rsqrt(z.pow(2).mean(-1, keepdim=True) + 1e-8)


def minibatch_deviation(x: Tensor, group: int = 4) -> Tensor:
    """x with one more channel: mean standard deviation over groups of samples; batch must divide by the group."""
    size = min(len(x), group)
    if len(x) % size:
        raise ValueError(f"expected a batch that is a multiple of {size}, got {len(x)}")
    groups = x.view(size, -1, *x.shape[1:])
    spread = torch.sqrt(groups.var(0, unbiased=False) + 1e-8).mean((1, 2, 3), keepdim=True)  # (B / size, 1, 1, 1)
    return torch.cat([x, spread.repeat(size, 1, *x.shape[2:])], 1)
