"""Adversarial losses, and discriminators of patches and of whole pictures.

Sources: Lim and Ye, 2017; Isola et al., 2017; Esser et al., 2021; Karras et al., 2020.
"""

from collections.abc import Mapping

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from gmbench.nn.stylegan import ConvLayer, EqualLinear, ResidualDown, minibatch_deviation
from gmbench.nn.training import Updater

MOST = 1e4


class PatchDiscriminator(nn.Module):
    """Pictures (B, 3, S, S) to logits (B, 1, s, s), one for each overlapping patch.

    Args:
        width: channels of the first layer; they double up to eight times that.
        layers: convolutions of stride 2.
    """

    def __init__(self, width: int = 64, layers: int = 3) -> None:
        super().__init__()
        parts: list[nn.Module] = [nn.Conv2d(3, width, 4, 2, 1), nn.LeakyReLU(0.2)]
        channels = width
        for number in range(1, layers + 1):
            wider = width * min(8, 2**number)
            parts += [nn.Conv2d(channels, wider, 4, 2 if number < layers else 1, 1, bias=False)]
            parts += [nn.GroupNorm(1, wider), nn.LeakyReLU(0.2)]
            channels = wider
        self.layers = nn.Sequential(*parts, nn.Conv2d(channels, 1, 4, 1, 1))

    def forward(self, pictures: Tensor) -> Tensor:
        """Logits (B, 1, s, s)."""
        return self.layers(pictures)


class PictureDiscriminator(nn.Module):
    """Pictures (B, 3, S, S) to one logit each (B, 1): residual halvings down to 4 x 4. Source: StyleGAN2.

    Args:
        side: S, a power of two from 8 on.
        channels: by side, from 4 to S.
    """

    GAIN = 2**0.5

    def __init__(self, side: int, channels: Mapping[int, int]) -> None:
        super().__init__()
        sides = [side // 2**level for level in range((side // 4).bit_length() - 1)]
        self.layers = nn.Sequential(
            ConvLayer(3, channels[side], 1, gain=self.GAIN),
            *[ResidualDown(channels[s], channels[s // 2]) for s in sides],
        )
        width = channels[4]
        self.last = ConvLayer(width + 1, width, 3, gain=self.GAIN)
        self.hidden, self.logit = EqualLinear(16 * width, width), EqualLinear(width, 1)

    def forward(self, pictures: Tensor) -> Tensor:
        """Logits (B, 1)."""
        x = self.last(minibatch_deviation(self.layers(pictures))).flatten(1)
        return self.logit(F.leaky_relu(self.hidden(x), 0.2) * self.GAIN)


def logistic_discriminator(on_real: Tensor, on_fake: Tensor) -> Tensor:
    """Loss of the discriminator, non-saturating: logits of real pictures up, of others down."""
    return F.softplus(-on_real).mean() + F.softplus(on_fake).mean()


def logistic_generator(on_fake: Tensor) -> Tensor:
    """Loss of the generator, non-saturating."""
    return F.softplus(-on_fake).mean()


def hinge_discriminator(on_real: Tensor, on_fake: Tensor) -> Tensor:
    """Loss of the discriminator: real logits above 1, others below -1. FlowVQTalker's eq. 15 belongs to this player."""
    return (F.relu(1 - on_real).mean() + F.relu(1 + on_fake).mean()) / 2


def hinge_generator(on_fake: Tensor) -> Tensor:
    """Loss of the generator."""
    return -on_fake.mean()


def adversarial_step(
    updater: Updater, discriminator: nn.Module, real: Tensor, drawn: Tensor, reconstruction: Tensor, last: Tensor
) -> tuple[dict[str, Tensor], Tensor]:
    """Update the optimiser ``discriminator`` by hinge losses, and ask it about pictures that a generator drew.

    Args:
        updater: of the training.
        discriminator: pictures (B, 3, S, S) to logits.
        real, drawn: pictures (B, 3, S, S).
        reconstruction: the generator's other losses on ``drawn``.
        last: weights of the generator's last layer.

    Returns:
        losses of both players, ``d`` and ``g``, and the generator's times :func:`adaptive_factor`.
    """
    terms = {"d": hinge_discriminator(discriminator(real), discriminator(drawn.detach()))}
    updater.backward_and_step(terms["d"], "discriminator")
    terms["g"] = hinge_generator(discriminator(drawn))
    return terms, adaptive_factor(reconstruction, terms["g"], last) * terms["g"]


def adaptive_factor(reconstruction: Tensor, adversarial: Tensor, last: Tensor) -> Tensor:
    """How much the adversarial loss is to count so that both losses pull the last layer's weights alike, in [0, 1e4].

    Source: Esser et al., 2021, eq. 7.
    """
    (of_reconstruction,) = torch.autograd.grad(reconstruction, last, retain_graph=True)
    (of_adversarial,) = torch.autograd.grad(adversarial, last, retain_graph=True)
    return (of_reconstruction.norm() / (of_adversarial.norm() + 1e-4)).clamp(0, MOST).detach()
