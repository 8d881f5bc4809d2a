"""Losses of pictures that all of the animator's trainings share: L1, perceptual, adversarial."""

from collections.abc import Callable, Iterator, Mapping
from typing import Any, Protocol

from torch import Tensor, nn

from gmbench.methods.edtalk.settings import AnimatorTraining, Backbone
from gmbench.nn.gan import PictureDiscriminator, logistic_discriminator, logistic_generator
from gmbench.nn.perceptual import pyramid
from gmbench.nn.training import TrainState, Updater, adam, falling_rate, weighted_sum

G_SHARE, D_SHARE = 4 / 5, 16 / 17
"""Of the rate, and powers of the second beta. Source: StyleGAN2's lazy regularisation, which EDTalk's release keeps
without the regulariser."""


class PictureTraining(Protocol):
    """Settings that a training by pictures has."""

    @property
    def weights(self) -> Mapping[Any, float]:
        """Of l1, per and adv."""

    @property
    def adversarial_every(self) -> int:
        """Steps between those with the adversarial loss."""

    @property
    def train(self) -> AnimatorTraining:
        """How long."""


class PictureLosses:
    """Draws a training's terms together, and keeps the discriminator where there is one.

    Args:
        backbone: sizes and the perceptual loss.
        settings: of the training.
    """

    def __init__(self, backbone: Backbone, settings: PictureTraining) -> None:
        self._settings = settings
        self._perceptual = pyramid(backbone.perceptual, backbone.scales)
        self.discriminator = PictureDiscriminator(backbone.side, backbone.channels) if settings.weights["adv"] else None

    def state(self, modules: Mapping[str, nn.Module], trained: Iterator[nn.Parameter]) -> TrainState:
        """The state of a training that the optimiser ``animator`` belongs to; its update is set later."""
        every = dict(modules) | ({"discriminator": self.discriminator} if self.discriminator else {})
        train = self._settings.train
        optimisers = {"animator": adam((p for p in trained if p.requires_grad), train.rate, _betas(train, G_SHARE))}
        if self.discriminator is not None:
            optimisers["discriminator"] = adam(self.discriminator.parameters(), train.rate, _betas(train, D_SHARE))
        return TrainState(nn.ModuleDict(every), optimisers, lambda step, updater: {})

    def set_rates(self, state: TrainState, step: int) -> None:
        """The learning rates of a step."""
        for name, share in (("animator", G_SHARE), ("discriminator", D_SHARE)):
            if name in state.optimisers:
                falling_rate(state.optimisers[name], self._settings.train, step)
                for group in state.optimisers[name].param_groups:
                    group["lr"] *= share

    def terms(self, drawn: Tensor, target: Tensor, counts: Tensor | None = None) -> dict[str, Tensor]:
        """``l1``, by pixel times ``counts`` (B, 1, S, S) where they are given, and ``per``."""
        error = (drawn - target).abs()
        terms = {"l1": (error if counts is None else error * counts).mean()}
        if self._perceptual is not None:
            terms["per"] = self._perceptual.to(drawn.device)(drawn, target)
        return terms

    def adversarial(self, step: int, updater: Updater, real: Tensor, fakes: Tensor, drawn: Tensor) -> dict[str, Tensor]:
        """Update the discriminator by ``real`` and ``fakes``, and ask it about ``drawn``: ``adv`` and its own ``d``.

        Nothing on steps that are left out, or without a discriminator.
        """
        if self.discriminator is None or step % self._settings.adversarial_every:
            return {}
        own = logistic_discriminator(self.discriminator(real), self.discriminator(fakes.detach()))
        updater.backward_and_step(own, "discriminator")
        return {"adv": logistic_generator(self.discriminator(drawn)), "d": own.detach()}

    def total(self, terms: Mapping[str, Tensor]) -> Tensor:
        """Weighted sum of ``l1``, ``per`` and ``adv``."""
        weights = self._settings.weights
        return weighted_sum({name: value for name, value in terms.items() if name in weights}, weights)


def _betas(train: AnimatorTraining, share: float) -> tuple[float, float]:
    return train.momentum, 0.99**share


Update = Callable[[int, Updater], dict[str, Tensor]]
