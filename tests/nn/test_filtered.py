"""The blur with derivatives of its own, as other devices than the CPU take it: the numbers of a grouped convolution."""

import pytest
import torch

from gmbench.methods.gmtalker.head import Discriminator, r1_penalty
from gmbench.methods.gmtalker.settings import Head
from gmbench.nn import stylegan

WAYS = {
    "blur": (stylegan.blur, lambda x: stylegan.filtered(x, 1.0, before=1, after=1)),
    "halve": (stylegan.halve, lambda x: stylegan.filtered(x, 1.0, down=2, before=1, after=1)),
    "wide": (lambda x: stylegan.blur(x, padding=2), lambda x: stylegan.filtered(x, 1.0, before=2, after=2)),
    "double": (stylegan.double, lambda x: stylegan.filtered(x, 4.0, up=2, before=2, after=1)),
}


def _derivatives(way, x, weights):
    """The result, the gradient of a nonlinear function of it, and the gradient of the gradient's norm."""
    x = x.clone().requires_grad_()
    result = way(x)
    (first,) = torch.autograd.grad((result.tanh() * weights).sum(), x, create_graph=True)
    (second,) = torch.autograd.grad(first.pow(2).sum(), x)
    return result.detach(), first.detach(), second


@pytest.mark.parametrize("name", WAYS)
@pytest.mark.parametrize("shape", [(2, 3, 8, 8), (1, 5, 12, 8)])
def test_values_and_both_derivatives_are_those_of_the_convolution(name, shape):
    torch.manual_seed(0)
    x = torch.randn(shape)
    convolution, own = WAYS[name]
    weights = torch.randn(convolution(x).shape)
    for expected, found in zip(_derivatives(convolution, x, weights), _derivatives(own, x, weights), strict=True):
        torch.testing.assert_close(found, expected, rtol=1e-6, atol=1e-6)


def test_the_gradient_penalty_is_the_same(monkeypatch):
    torch.manual_seed(1)
    discriminator = Discriminator(Head(size_in=32, size_out=32, channels=dict.fromkeys((4, 8, 16, 32), 6), style=4))
    picture, rendering = torch.rand(2, 3, 32, 32), torch.rand(2, 3, 32, 32)

    def penalty():
        discriminator.zero_grad()
        value = r1_penalty(discriminator, picture, rendering)
        value.backward()
        return value.detach(), [p.grad.clone() for p in discriminator.parameters() if p.grad is not None]

    value, gradients = penalty()
    monkeypatch.setattr(
        stylegan, "blur",
        lambda x, gain=1.0, padding=1, stride=1: stylegan.filtered(x, gain, down=stride, before=padding, after=padding),
    )  # fmt: skip
    own, own_gradients = penalty()
    torch.testing.assert_close(own, value, rtol=1e-5, atol=1e-6)
    for expected, found in zip(gradients, own_gradients, strict=True):
        torch.testing.assert_close(found, expected, rtol=1e-4, atol=1e-6)


def test_sides_of_which_one_alone_is_odd_are_refused():
    x = torch.zeros(1, 1, 7, 8, requires_grad=True)
    with pytest.raises(ValueError, match="odd or even together"):
        stylegan.filtered(x, 1.0, down=2, before=1, after=1).sum().backward()
