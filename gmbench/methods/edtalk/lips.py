"""Weights of the mouth from sound: E_a and its linear layer; EDTalk, section 3.3."""

from collections.abc import Sequence
from pathlib import Path

import torch
from torch import Tensor, nn

from gmbench.methods.edtalk.checkpoints import CHECKPOINTS
from gmbench.methods.edtalk.settings import Lips

SMOOTHING = (0.274, 0.452, 0.274)
"""Of generated weights over three frames. Source: EDTalk's release."""


class _Block(nn.Module):
    """Convolution, batch norm, rectifier; with a shortcut where nothing changes size."""

    def __init__(self, inputs: int, outputs: int, stride: int | tuple[int, int] = 1, residual: bool = False) -> None:
        super().__init__()
        self.layers = nn.Sequential(nn.Conv2d(inputs, outputs, 3, stride, 1), nn.BatchNorm2d(outputs))
        self.residual = residual

    def forward(self, x: Tensor) -> Tensor:
        y = self.layers(x)
        return torch.relu(y + x if self.residual else y)


class LipEncoder(nn.Module):
    """E_a: mel windows (N, 80, 16) to weights of the mouth (N, n). Source: Wav2Lip's audio encoder.

    Args:
        widths: of the five levels.
        weights: n.

    Its last layer tells them in ``deviation`` (n,) from ``mean`` (n,), 1 and 0 unless they are set.
    """

    mean: Tensor
    deviation: Tensor

    def __init__(self, widths: Sequence[int], weights: int) -> None:
        super().__init__()
        strides: list[int | tuple[int, int]] = [1, (3, 1), 3, (3, 2), 3]
        layers: list[nn.Module] = []
        for a, b, stride in zip((1, *widths), widths, strides, strict=False):
            layers += [_Block(a, b, stride), _Block(b, b, residual=True), _Block(b, b, residual=True)]
        self.layers = nn.Sequential(*layers)
        self.weights = nn.Linear(widths[-1], weights)
        self.register_buffer("mean", torch.zeros(weights))
        self.register_buffer("deviation", torch.ones(weights))

    def forward(self, mels: Tensor) -> Tensor:
        """(N, n)."""
        return self.mean + self.deviation * self.weights(self.layers(mels[:, None]).mean((2, 3)))


def smooth(weights: Tensor) -> Tensor:
    """Weights (T, n) averaged over three frames, the ends repeated."""
    padded = torch.cat([weights[:1], weights, weights[-1:]])
    return sum((share * padded[k : k + len(weights)] for k, share in enumerate(SMOOTHING)), torch.zeros_like(weights))


def load_lips(path: Path) -> LipEncoder:
    """A trained encoder, frozen; raises WeightsError where the file is another's."""
    facts = CHECKPOINTS.read_facts(path, "lips")
    network = LipEncoder(Lips.model_validate(facts["settings"]).widths, facts["weights"])
    CHECKPOINTS.load_weights(path, network)
    return network
