"""Blocks of the latent image animator: orthonormal banks, warping heads, discriminator, sync, perceptual pyramid."""

import pytest
import torch

from gmbench.nn.gan import PictureDiscriminator, logistic_discriminator, logistic_generator
from gmbench.nn.ortho import ColumnBanks, orthonormal
from gmbench.nn.perceptual import pyramid
from gmbench.nn.stylegan import ResidualDown, StyledConv
from gmbench.nn.sync import SyncNetwork, agreement, contrastive_loss, sync_loss
from gmbench.nn.warp import WarpHead


@pytest.fixture(autouse=True)
def _seed():
    torch.manual_seed(0)
    torch.set_num_threads(1)


class TestBanks:
    def test_all_groups_together_are_orthonormal(self):
        bases = torch.cat(ColumnBanks(64, (20, 6, 10))(), 1)
        assert float((bases.T @ bases - torch.eye(36)).abs().max()) < 1e-5

    def test_later_columns_do_not_move_earlier_ones(self):
        banks = ColumnBanks(64, (20, 6, 10))
        before = torch.cat(banks()[:2], 1).detach()
        with torch.no_grad():
            banks.raw[2].copy_(100 * torch.randn_like(banks.raw[2]))
        assert float((torch.cat(banks()[:2], 1) - before).abs().max()) < 1e-6

    def test_orthonormal_columns_are_their_own(self):
        own = orthonormal(torch.randn(30, 8))
        assert torch.allclose(orthonormal(-own), -own, atol=1e-6)

    def test_scaled_columns_keep_their_directions(self):
        banks = ColumnBanks(30, (4, 3), "scaled")
        raw = torch.cat(list(banks.raw), 1)
        torch.testing.assert_close(torch.cat(banks(), 1), raw / raw.norm(dim=0))

    def test_bases_that_are_kept_follow_a_change(self):
        banks = ColumnBanks(16, (4,)).eval().requires_grad_(False)
        first = banks()[0]
        assert banks()[0] is first
        banks.load_state_dict(ColumnBanks(16, (4,)).state_dict())
        assert not torch.allclose(banks()[0], first)

    def test_gradients_reach_the_free_parameters(self):
        banks = ColumnBanks(16, (4, 2))
        (banks()[0] @ torch.randn(4)).square().sum().backward()
        assert float(banks.raw[0].grad.abs().sum()) > 0

    def test_too_many_columns_are_refused(self):
        with pytest.raises(ValueError, match="9 columns of length 8"):
            ColumnBanks(8, (5, 4))


class TestWarpHead:
    def test_at_zero_maps_features_stay_where_they_are(self):
        head = WarpHead(5, 7)
        torch.nn.init.zeros_(head.maps.weight)
        hidden, features, style = torch.randn(2, 5, 8, 8), torch.randn(2, 5, 8, 8), torch.randn(2, 7)
        result = head(hidden, style, features, None)
        torch.testing.assert_close(result.hidden, 0.5 * features + 0.5 * hidden, atol=1e-5, rtol=1e-5)
        assert not result.flow.any()

    def test_maps_of_the_scale_below_are_added(self):
        head = WarpHead(3, 4)
        torch.nn.init.zeros_(head.maps.weight)
        hidden, style = torch.zeros(1, 3, 8, 8), torch.randn(1, 4)
        below = torch.zeros(1, 3, 4, 4)
        below[:, 0] = 0.25
        flow = head(hidden, style, hidden, below).flow
        assert abs(float(flow[0, 0, 4, 4]) - float(torch.tanh(torch.tensor(0.25)))) < 1e-4
        assert not flow[0, 1].any()


def test_a_convolution_without_noise_is_the_same_every_time():
    layer = StyledConv(4, 4, 8, noisy=False)
    x, style = torch.randn(2, 4, 8, 8), torch.randn(2, 8)
    assert torch.equal(layer(x, style), layer(x, style))
    assert not [name for name, _ in layer.named_parameters() if "strength" in name]


def test_halving_blocks_keep_the_variance():
    x = torch.randn(4, 16, 32, 32)
    y = ResidualDown(16, 24)(x)
    assert y.shape == (4, 24, 16, 16)
    assert 0.3 < float(y.std()) < 3


def test_discriminator_learns_what_is_real():
    network = PictureDiscriminator(16, {4: 8, 8: 8, 16: 8})
    optimiser = torch.optim.Adam(network.parameters(), 0.02)
    real, fake = torch.ones(4, 3, 16, 16) * 0.5, -torch.ones(4, 3, 16, 16) * 0.5
    for _ in range(20):
        loss = logistic_discriminator(network(real), network(fake))
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
    assert network(real).shape == (4, 1)
    assert float(loss) < 0.3
    assert float(logistic_generator(network(fake))) > float(logistic_generator(network(real)))


def test_a_pyramid_sees_coarse_differences_at_every_scale():
    a = torch.rand(1, 3, 32, 32)
    one, three = pyramid("randconv", 1), pyramid("randconv", 3)
    assert float(three(a, a)) == 0
    assert float(three(a, a + 0.5)) > float(one(a, a + 0.5)) > 0
    assert pyramid("none", 4) is None


class TestSync:
    def test_own_pairs_are_found(self):
        vectors = torch.eye(6)
        assert float(contrastive_loss(vectors, vectors)) < 0.01
        assert float(contrastive_loss(vectors, vectors.roll(1, 0))) > 5

    def test_agreement_is_a_share(self):
        a = torch.tensor([[1.0, 0.0], [0.0, 0.0], [1.0, 1.0]])
        b = torch.tensor([[0.0, 1.0], [1.0, 0.0], [2.0, 2.0]])
        values = agreement(a, b)
        assert values.tolist()[2] == pytest.approx(1)
        assert values.tolist()[:2] == pytest.approx([1e-6, 1e-6])
        assert torch.isfinite(sync_loss(a, b))

    def test_towers_take_five_lower_faces_and_a_window_of_sound(self):
        network = SyncNetwork(widths=(4, 8), size=6)
        assert network.embed_lips(torch.randn(2, 15, 24, 48)).shape == (2, 6)
        assert network.embed_sound(torch.randn(2, 80, 16)).shape == (2, 6)
