"""Blocks of picture generators: codebook, warping, AdaIN, autoencoder, adversarial losses."""

import pytest
import torch

from gmbench.nn.adain import AdaIN
from gmbench.nn.autoencoder import Decoder, Encoder, PatchCode, patch_codes
from gmbench.nn.gan import PatchDiscriminator, adaptive_factor, hinge_discriminator, hinge_generator
from gmbench.nn.perceptual import perceptual
from gmbench.nn.vq import Codebook, k_means, nearest, usage
from gmbench.nn.warp import FlowHourglass, identity_grid, warp


@pytest.fixture(autouse=True)
def _seed():
    torch.manual_seed(0)
    torch.set_num_threads(1)


class TestCodebook:
    def test_the_nearest_code_is_taken(self):
        book, z = Codebook(16, 4).eval(), torch.randn(2, 4, 3, 5)
        found = book(z)
        assert found.indices.shape == (2, 3, 5)
        for b, y, x in ((0, 0, 0), (1, 2, 4)):
            distances = (book.codes - z[b, :, y, x]).norm(dim=1)
            assert int(found.indices[b, y, x]) == int(distances.argmin())
        torch.testing.assert_close(found.values, book.look_up(found.indices))
        rows = book(z[:, :, 0, 0])
        assert rows.indices.shape == (2,)
        torch.testing.assert_close(rows.values, found.values[:, :, 0, 0])

    def test_gradients_reach_the_encoder_and_only_the_code_term_moves_codes(self):
        book, z = Codebook(16, 4).eval(), torch.randn(2, 4, 3, 3, requires_grad=True)
        found = book(z)
        found.values.square().sum().backward(retain_graph=True)
        torch.testing.assert_close(z.grad, 2 * found.values.detach())
        assert book.codes.grad is None
        found.commitment.backward(retain_graph=True)
        assert book.codes.grad is None
        z.grad = None
        found.code.backward()
        assert z.grad is None
        assert float(book.codes.grad.abs().max()) > 0
        torch.testing.assert_close(found.code, found.commitment)

    def test_the_first_batch_starts_the_codes_and_idle_ones_start_again(self):
        book = Codebook(8, 2, patience=3).train()
        centres = 10 * torch.randn(8, 2)
        rows = centres.repeat(50, 1) + 0.01 * torch.randn(400, 2)
        first = book(rows)
        assert usage(first.indices, 8)[0] > 0.5
        book.codes.data[0] = 1e6
        for _ in range(5):
            book(rows)
        assert float(book.codes.abs().max()) < 100

    def test_k_means_finds_clusters(self):
        centres = torch.tensor([[0.0, 0], [10, 0], [0, 10]])
        rows = centres.repeat(100, 1) + 0.1 * torch.randn(300, 2)
        found = k_means(rows, 30)
        assert float((rows - found[nearest(rows, found)]).norm(dim=1).mean()) < 0.1
        assert k_means(rows[:5], 12).shape == (12, 2)

    def test_codes_may_start_from_many_rows(self):
        table = Codebook(2, 2)
        rows = torch.cat([torch.randn(40, 2) + 20, torch.randn(40, 2) - 20])
        table.start_from(rows)
        assert sorted(table.codes.mean(1).round().tolist()) == [-20, 20]
        assert torch.equal(table.nearest(rows), nearest(rows, table.codes))
        table.train()(rows)
        assert table.initialised  # the first batch does not start them again
        assert sorted(table.codes.mean(1).round().tolist()) == [-20, 20]

    def test_usage(self):
        assert usage(torch.tensor([0, 1, 2, 3]), 4) == pytest.approx((1.0, 4.0))
        assert usage(torch.tensor([0, 0, 0, 0]), 4) == pytest.approx((0.25, 1.0))


class TestWarp:
    def test_no_flow_is_the_identity(self):
        x, none = torch.randn(2, 3, 32, 48), torch.zeros(2, 2, 8, 12)
        torch.testing.assert_close(warp(x.double(), none.double()), x.double(), atol=1e-6, rtol=0)
        torch.testing.assert_close(warp(x, none), x, atol=5e-5, rtol=0)  # the grid's own rounding, on pure noise
        assert identity_grid(3, 5, x)[0, :, 0, -1].tolist() == [1, -1]

    def test_a_shift_by_one_pixel_shifts_by_one_pixel(self):
        x = torch.randn(1, 3, 16, 20)
        flow = torch.zeros(1, 2, 16, 20)
        flow[:, 0] = 2 / 19
        torch.testing.assert_close(warp(x, flow)[..., :-1], x[..., 1:], atol=1e-4, rtol=0)
        flow = torch.zeros(1, 2, 4, 5)
        flow[:, 1] = 2 / 15
        torch.testing.assert_close(warp(x, flow)[:, :, :-1], x[:, :, 1:], atol=1e-4, rtol=0)

    def test_hourglass_starts_at_zero_and_learns_a_shift(self):
        network = FlowHourglass(4, 8, 16)
        picture, style = torch.rand(4, 3, 32, 32), torch.randn(4, 4)
        assert network(picture, style).shape == (4, 2, 8, 8)
        assert not network(picture, style).any()
        with torch.no_grad():
            network.last.bias[0] = 1.0  # a pixel of the flow
        torch.testing.assert_close(network(picture, style)[:, 0], torch.full((4, 8, 8), 2 / 7))
        with torch.no_grad():
            network.last.bias.zero_()
        smooth = torch.nn.functional.avg_pool2d(picture, 7, 1, 3)
        target = torch.cat([smooth[..., 2:], smooth[..., -1:].expand(-1, -1, -1, 2)], -1)
        optimiser = torch.optim.Adam(network.parameters(), 3e-3)
        losses = []
        for _ in range(40):
            loss = (warp(smooth, network(smooth, style)) - target).square().mean()
            optimiser.zero_grad()
            loss.backward()
            optimiser.step()
            losses.append(float(loss.detach()))
        assert losses[-1] < 0.5 * losses[0]
        with pytest.raises(ValueError, match="multiples of 32"):
            network(torch.rand(1, 3, 40, 40), style[:1])


class TestAdaIN:
    def test_starts(self):
        x, style = 3 + 2 * torch.randn(2, 5, 8, 8), torch.randn(2, 4)
        assert torch.equal(AdaIN(5, 4, relative=True)(x, style), x)
        plain = AdaIN(5, 4)(x, style)
        torch.testing.assert_close(plain.mean((2, 3)), torch.zeros(2, 5), atol=1e-5, rtol=0)

    @pytest.mark.parametrize("relative", [False, True])
    def test_the_style_sets_the_statistics(self, relative):
        layer, x, style = AdaIN(5, 4, relative), 3 + 2 * torch.randn(2, 5, 8, 8), torch.randn(2, 4)
        torch.nn.init.normal_(layer.parts.weight)
        gamma, beta = layer.parts(style).chunk(2, 1)
        y = layer(x, style)
        mean, deviation = x.mean((2, 3)), x.std((2, 3), unbiased=False)
        expected = (mean + beta * deviation, deviation * (1 + gamma).abs()) if relative else (beta, (1 + gamma).abs())
        torch.testing.assert_close(y.mean((2, 3)), expected[0], atol=1e-4, rtol=1e-4)
        torch.testing.assert_close(y.std((2, 3), unbiased=False), expected[1], atol=1e-4, rtol=1e-4)


class TestAutoencoder:
    @pytest.mark.parametrize(("widths", "wavelets", "side"), [((8, 16), True, 64), ((8, 8, 16), False, 64)])
    def test_shapes(self, widths, wavelets, side):
        encoder, decoder = Encoder(widths, 6, 1, wavelets), Decoder(widths, 6, 1, wavelets)
        maps = encoder(torch.randn(2, 3, side, side))
        assert maps.shape == (2, 6, 16, 16)
        assert decoder(maps).shape == (2, 3, side, side)

    def test_it_learns_a_few_pictures(self):
        torch.manual_seed(1)
        encoder, decoder = Encoder((8, 16), 8, 1, True), Decoder((8, 16), 8, 1, True)
        pictures = torch.nn.functional.interpolate(torch.rand(4, 3, 4, 4) * 2 - 1, (32, 32), mode="bilinear")
        optimiser = torch.optim.Adam([*encoder.parameters(), *decoder.parameters()], 5e-3)
        for _ in range(40):
            loss = (decoder(encoder(pictures)) - pictures).abs().mean()
            optimiser.zero_grad()
            loss.backward()
            optimiser.step()
        assert float(loss.detach()) < 0.4 * float(pictures.abs().mean())  # 0.32


class TestPatchCode:
    def test_as_many_components_as_numbers_lose_nothing(self):
        pictures, code = torch.rand(3, 3, 16, 16), PatchCode(2, 14)
        code.fit(pictures)
        maps = code.encode(pictures)
        assert maps.shape == (3, 14, 8, 8)
        assert float(maps[:, 12:].abs().max()) == 0  # a patch has 12 numbers
        torch.testing.assert_close(code.decode(maps), pictures, atol=1e-5, rtol=1e-5)

    def test_fewer_components_lose_what_varies_least(self):
        generator = torch.Generator().manual_seed(0)
        pictures, code = torch.rand(8, 3, 16, 16, generator=generator), PatchCode(2, 4)
        code.fit(pictures)
        rows = torch.nn.functional.pixel_unshuffle(pictures, 2).movedim(1, -1).reshape(-1, 12)
        lost = torch.linalg.eigvalsh(torch.cov(rows.T, correction=0)).flip(0)[4:].sum() / 12
        found = (code.decode(code.encode(pictures)) - pictures).square().mean()
        torch.testing.assert_close(found, lost, rtol=1e-3, atol=1e-6)

    @pytest.mark.parametrize("gain", [1.0, 8.0])
    def test_encoder_and_decoder_start_as_the_linear_code_in_any_unit(self, gain):
        encoder, decoder = Encoder((8, 8), 12, 1, False, True), Decoder((8, 8), 12, 1, False, True)
        pictures = torch.rand(2, 3, 8, 8)
        first, second = patch_codes(encoder, decoder)
        first.fit(pictures)
        first.gain.fill_(gain)
        second.load_state_dict(first.state_dict())
        torch.testing.assert_close(decoder(encoder(pictures)), pictures, atol=1e-5, rtol=1e-5)
        torch.testing.assert_close(encoder(pictures), gain * first.encode(pictures) / gain)
        assert not [name for name, _ in encoder.named_parameters() if "patches" in name]
        with pytest.raises(ValueError, match="refine a code of patches"):
            patch_codes(Encoder((8, 8), 12), decoder)


def test_squared_perceptual_distances_grow_with_the_square():
    x, noise = torch.rand(1, 3, 64, 64), torch.randn(1, 3, 64, 64)
    growth = {}
    for squared in (False, True):
        loss = perceptual("randconv", squared)
        growth[squared] = float(loss(x, x + 0.02 * noise) / loss(x, x + 0.01 * noise))
    assert growth[False] == pytest.approx(2, rel=0.1)
    assert growth[True] == pytest.approx(4, rel=0.1)


class TestAdversarial:
    def test_hinge(self):
        high, low = torch.full((2, 1, 3, 3), 2.0), torch.full((2, 1, 3, 3), -2.0)
        assert float(hinge_discriminator(high, low)) == 0
        assert float(hinge_discriminator(low, high)) == 3
        assert float(hinge_generator(high)) == -2

    def test_the_factor_makes_both_pull_alike(self):
        weight = torch.nn.Parameter(torch.ones(3))
        reconstruction, adversarial = (10 * weight).sum(), (0.1 * weight).sum()
        factor = adaptive_factor(reconstruction, adversarial, weight)
        assert float(factor) == pytest.approx(100, rel=1e-2)
        assert not factor.requires_grad
        assert float(adaptive_factor(1e9 * weight.sum(), 0 * weight.sum(), weight)) == 1e4

    def test_patches(self):
        logits = PatchDiscriminator(8, 2)(torch.randn(2, 3, 64, 64))
        assert logits.shape[:2] == (2, 1)
        assert logits.shape[-1] > 4
