"""Conditional flows, Student-t mixtures and the projection on stored latents."""

import math

import numpy as np
import pytest
import torch
from scipy import stats
from torch import nn

from gmbench.nn.conditional_flow import ActNorm, ConditionalFlow, InvertibleLinear
from gmbench.nn.manifold import project
from gmbench.nn.student import StudentMixture, draw_spread, log_student
from gmbench.nn.transformer import TransformerEncoder


@pytest.fixture(autouse=True)
def _seed():
    torch.manual_seed(0)
    torch.set_num_threads(1)


class _Net(nn.Module):
    """Scale and shift from the kept half and a context (N, 3)."""

    def __init__(self, size):
        super().__init__()
        self.layers = nn.Sequential(nn.Linear(size // 2 + 3, 16), nn.Tanh(), nn.Linear(16, 2 * (size - size // 2)))

    def forward(self, kept, context):
        return self.layers(torch.cat([kept, context], 1))


def _flow(size, classes=3, steps=4):
    flow = ConditionalFlow(size, steps, lambda: _Net(size), classes)
    flow.train()(2 + 3 * torch.randn(64, size), torch.randn(64, 3), torch.randint(0, classes, (64,)))
    for norm in flow.norms:
        norm.mean.data += 0.3 * torch.randn_like(norm.mean)
        norm.log_scale.data += 0.3 * torch.randn_like(norm.log_scale)
    return flow.eval()


@pytest.mark.parametrize("size", [6, 7, 64])
@pytest.mark.parametrize(("dtype", "error"), [(torch.float32, 1e-3), (torch.float64, 1e-9)])
def test_the_inverse_takes_back(size, dtype, error):
    flow = _flow(size).to(dtype)
    x, context, classes = torch.randn(50, size, dtype=dtype), torch.randn(50, 3, dtype=dtype), torch.arange(50) % 3
    z, _ = flow(x, context, classes)
    assert float((flow.inverse(z, context, classes) - x).abs().max()) < error
    assert float((z - x).abs().max()) > 0.1


def test_log_determinants_are_the_jacobians():
    flow = _flow(6).double()
    x, context, classes = torch.randn(5, 6).double(), torch.randn(5, 3).double(), torch.tensor([0, 1, 2, 0, 1])
    _, log_det = flow(x, context, classes)
    for n in range(5):
        row = slice(n, n + 1)
        jacobian = torch.autograd.functional.jacobian(
            lambda v, row=row: flow(v[None], context[row], classes[row])[0][0], x[n]
        )
        expected = torch.linalg.slogdet(jacobian)[1]
        assert abs(float(log_det[n] / expected) - 1) < 1e-3


def test_rows_do_not_depend_on_one_another():
    flow, order = _flow(6), torch.randperm(20)
    x, context, classes = torch.randn(20, 6), torch.randn(20, 3), torch.randint(0, 3, (20,))
    z, log_det = flow(x, context, classes)
    shuffled, of_shuffled = flow(x[order], context[order], classes[order])
    torch.testing.assert_close(shuffled, z[order])
    torch.testing.assert_close(of_shuffled, log_det[order])


def test_class_and_context_change_the_result():
    flow, x, context = _flow(6), torch.randn(4, 6), torch.randn(4, 3)
    ones = torch.ones(4, dtype=torch.int64)
    z = flow(x, context, ones)[0]
    assert float((flow(x, context, 0 * ones)[0] - z).abs().max()) > 1e-2
    assert float((flow(x, context + 1, ones)[0] - z).abs().max()) > 1e-2


def test_the_first_batch_standardises_every_class_alike():
    norm, x = ActNorm(4, 3), 5 + 2 * torch.randn(1000, 4)
    z, log_det = norm(x, torch.zeros(1000, dtype=torch.int64))
    torch.testing.assert_close(z.mean(0), torch.zeros(4), atol=1e-5, rtol=0)
    torch.testing.assert_close(z.std(0), torch.ones(4), atol=1e-5, rtol=0)
    assert torch.equal(norm.mean[0], norm.mean[2])
    assert bool(norm.state_dict()["initialised"])
    kept = norm.mean.clone()
    norm(x + 7, torch.zeros(1000, dtype=torch.int64))
    assert torch.equal(norm.mean, kept)
    torch.testing.assert_close(log_det, -x.std(0).log().sum().expand(1000))
    fresh = ActNorm(4, 3).eval()
    assert torch.equal(fresh(x, torch.zeros(1000, dtype=torch.int64))[0], x)


def test_a_linear_layer_starts_as_a_rotation_and_keeps_permutation_and_signs():
    layer = InvertibleLinear(8)
    x = torch.randn(5, 8)
    z, log_det = layer(x)
    torch.testing.assert_close(z.norm(dim=1), x.norm(dim=1), atol=1e-5, rtol=1e-5)
    assert float(log_det.abs().max()) < 1e-4
    assert {name for name, _ in layer.named_parameters()} == {"lower", "upper", "log_scale"}


@pytest.mark.parametrize("layers", [1, 3])
def test_the_first_token_alone_is_that_of_all(layers):
    encoder, x = TransformerEncoder(16, 4, layers).eval(), torch.randn(3, 9, 16)
    valid = torch.ones(3, 9, dtype=torch.bool)
    valid[0, 5:] = False
    torch.testing.assert_close(encoder.first(x, valid), encoder(x, valid)[:, 0], atol=1e-6, rtol=1e-6)


class TestStudent:
    def test_density_is_scipys_and_integrates_to_one(self):
        z, mean = torch.randn(7, 5).double(), torch.randn(5).double()
        expected = stats.multivariate_t(mean.numpy(), np.eye(5), df=4).logpdf(z.numpy())
        np.testing.assert_allclose(log_student(z, mean, 4).numpy(), expected, rtol=1e-9)
        places = torch.linspace(-4000, 4000, 4_000_001).double()
        mass = torch.trapezoid(log_student(places[:, None], torch.zeros(1).double(), 3).exp(), places)
        assert abs(float(mass) - 1) < 1e-5

    def test_many_degrees_are_the_gaussian(self):
        z, mean = torch.randn(7, 5).double(), torch.zeros(5).double()
        torch.testing.assert_close(log_student(z, mean, 1e6), log_student(z, mean, math.inf), atol=1e-3, rtol=0)
        gaussian = torch.distributions.Normal(0, 1).log_prob(z).sum(1)
        torch.testing.assert_close(log_student(z, mean, math.inf), gaussian.double())

    def test_covariance_of_samples(self):
        samples = torch.randn(200_000, 3) * draw_spread((200_000,), 10)[:, None]
        np.testing.assert_allclose(np.cov(samples.numpy(), rowvar=False), 1.25 * np.eye(3), atol=0.05 * 1.25)
        assert torch.equal(draw_spread((4,), math.inf), torch.ones(4))
        with pytest.raises(ValueError, match=r"got 2\.5"):
            draw_spread((4,), 2.5)

    def test_mixture_is_the_mean_of_its_components(self):
        mixture = StudentMixture(3, 4, 5).double()
        z = torch.randn(6, 4).double()
        parts = torch.stack([mixture.log_component(z, torch.full((6,), k)) for k in range(3)])
        torch.testing.assert_close(mixture.log_density(z), parts.exp().mean(0).log())
        assert not list(mixture.parameters())
        assert "means" in mixture.state_dict()


class TestManifold:
    def test_weights_sum_to_one_and_the_result_is_no_farther_than_the_nearest(self):
        stored, z = torch.randn(200, 16), 2 * torch.randn(50, 16)
        found, weights, indices = project(z, stored, 5)
        torch.testing.assert_close(weights.sum(1), torch.ones(50))
        torch.testing.assert_close(found, (weights[..., None] * stored[indices]).sum(1))
        nearest = torch.cdist(z, stored).min(1).values
        assert ((found - z).norm(dim=1) <= nearest + 1e-5).all()
        assert (weights < 0).any()

    def test_weights_are_the_least_squares_ones(self):
        stored, z = torch.randn(30, 16).double(), torch.randn(4, 16).double()
        found, _, indices = project(z, stored, 5)
        for n in range(4):
            corner, others = stored[indices[n, 0]], stored[indices[n, 1:]]
            free = torch.linalg.lstsq((others - corner).T, (z[n] - corner)[:, None]).solution
            best = corner + (free.T @ (others - corner))[0]
            assert float((found[n] - best).norm()) < 0.02 * float((z[n] - best).norm())

    @pytest.mark.parametrize("neighbours", [1, 5, 1000])
    def test_a_stored_point_comes_back(self, neighbours):
        stored = torch.randn(100, 16)
        assert float((project(stored[:7], stored, neighbours)[0] - stored[:7]).abs().max()) < 1e-2

    def test_nothing_stored_is_refused(self):
        with pytest.raises(ValueError, match="at least one"):
            project(torch.zeros(1, 2), torch.zeros(0, 2), 5)
