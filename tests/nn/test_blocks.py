"""Properties of the shared blocks."""

import math

import numpy as np
import pytest
import torch
from torch.distributions import Categorical, Independent, MixtureSameFamily, Normal, kl_divergence

from gmbench.errors import WeightsError
from gmbench.nn import mixtures
from gmbench.nn.autoregressive import AudioInput, TrackDecoder, TrackEncoder
from gmbench.nn.flow import transformer_flow
from gmbench.nn.haar import haar, inverse_haar
from gmbench.nn.perceptual import perceptual
from gmbench.nn.stylegan import ModulatedConv, blur, double, halve, minibatch_deviation, pixel_norm
from gmbench.nn.transformer import TransformerDecoder, TransformerEncoder, periodic, slopes


@pytest.fixture(autouse=True)
def _seed():
    torch.manual_seed(0)
    torch.set_num_threads(1)


def _components(batch=5, k=8, d=6, dtype=torch.float64):
    return torch.randn(batch, k, d, dtype=dtype), torch.randn(batch, k, d, dtype=dtype)


class TestMixtures:
    def test_literal_objective_is_the_unlabelled_mixture(self):
        means, logs_v = _components()
        mean, log_variance = torch.randn(5, 6).double(), torch.randn(5, 6).double()
        z = mixtures.draw(mean, log_variance)
        logs = mixtures.component_logs(z, means, logs_v)
        responsible = mixtures.log_responsibilities(logs)
        posterior_log = mixtures.log_normal(z, mean, log_variance)
        literal = posterior_log - (responsible.exp() * logs).sum(-1) + mixtures.kl_uniform(responsible)
        mixed = MixtureSameFamily(
            Categorical(torch.ones(5, 8).double()), Independent(Normal(means, torch.exp(0.5 * logs_v)), 1)
        )
        torch.testing.assert_close(literal, posterior_log - mixed.log_prob(z), atol=1e-5, rtol=0)
        order = torch.randperm(8)
        again = mixtures.component_logs(z, means[:, order], logs_v[:, order])
        torch.testing.assert_close(mixtures.log_responsibilities(again), responsible[:, order])

    def test_divergence_is_torchs_and_monte_carlos(self):
        m, v, m2, v2 = (torch.randn(6).double() * 0.5 for _ in range(4))
        ours = mixtures.kl_normal(m, v, m2, v2).sum()
        p, q = Normal(m, torch.exp(0.5 * v)), Normal(m2, torch.exp(0.5 * v2))
        torch.testing.assert_close(ours, kl_divergence(p, q).sum())
        samples = p.sample((100_000,))
        estimate = (p.log_prob(samples) - q.log_prob(samples)).sum(1).mean()
        assert abs(float(estimate / ours) - 1) < 0.01
        torch.testing.assert_close(mixtures.kl_normal(m, v), kl_divergence(p, Normal(torch.zeros(6).double(), 1.0)))

    def test_uniform_divergence_is_bounded_and_everything_finite(self):
        for scale in (0.0, 1.0, 1e3):
            logs = mixtures.component_logs(torch.zeros(2, 4), scale * torch.randn(2, 8, 4), torch.full((2, 8, 4), -6.0))
            divergence = mixtures.kl_uniform(mixtures.log_responsibilities(logs))
            assert torch.isfinite(divergence).all()
            assert (divergence > -1e-6).all()
            assert (divergence <= math.log(8) + 1e-6).all()

    def test_one_component_is_certain(self):
        means, logs_v = _components(k=1)
        responsible = mixtures.log_responsibilities(mixtures.component_logs(means[:, 0] + 1, means, logs_v))
        assert torch.equal(responsible, torch.zeros(5, 1).double())
        assert torch.equal(mixtures.kl_uniform(responsible), torch.zeros(5).double())

    def test_blend_ends_are_the_components_bit_for_bit(self):
        means, logs_v = _components(batch=1, dtype=torch.float32)
        noise = torch.randn(1, 6)
        pure = means + torch.exp(0.5 * logs_v) * noise[:, None]
        for k in (2, 5):
            weights = torch.nn.functional.one_hot(torch.tensor([k]), 8).float()
            assert torch.equal(mixtures.blend(weights, means, logs_v, noise), pure[:, k])
        ends = torch.nn.functional.one_hot(torch.tensor([2, 5]), 8).float()
        path = [
            mixtures.blend(a * ends[1:] + (1 - a) * ends[:1], means, logs_v, noise) for a in torch.linspace(0, 1, 17)
        ]
        length = torch.stack([(p - path[0]).norm() for p in path])
        assert (length.diff() > 0).all()

    def test_mixed_component_of_one_hot_is_it(self):
        means, logs_v = _components()
        weights = torch.nn.functional.one_hot(torch.arange(5), 8).double()
        mean, log_variance = mixtures.mixed_component(weights, means, logs_v)
        torch.testing.assert_close(mean, means[torch.arange(5), torch.arange(5)])
        torch.testing.assert_close(log_variance, logs_v[torch.arange(5), torch.arange(5)])


class TestTransformer:
    def test_nothing_attends_to_padding(self):
        encoder = TransformerEncoder(16, 4, 2).eval()
        x, valid = torch.randn(2, 9, 16), torch.ones(2, 9, dtype=torch.bool)
        valid[1, 6:] = False
        changed = x.clone()
        changed[1, 6:] = 100.0
        a, b = encoder(x, valid), encoder(changed, valid)
        torch.testing.assert_close(a[1, :6], b[1, :6])
        torch.testing.assert_close(a[1, :6], encoder(x[1:, :6])[0], atol=1e-5, rtol=1e-5)

    def test_positions_repeat_and_slopes_are_geometric(self):
        table = periodic(0, 60, 8, 25)
        assert torch.equal(table[:10], table[25:35])
        assert torch.equal(periodic(30, 5, 8, 25), table[30:35])
        torch.testing.assert_close(slopes(4), torch.tensor([2**-2.0, 2**-4.0, 2**-6.0, 2**-8.0]))

    @pytest.mark.parametrize("halfwidth", [0, 2])
    def test_decoder_is_causal_and_its_cache_exact(self, halfwidth):
        decoder = TrackDecoder(5, 7, 16, 4, 2, halfwidth=halfwidth).eval()
        torch.nn.init.normal_(decoder.outputs.weight, std=0.3)
        decoder.decoder.context = 12  # shorter than the clip
        condition, audio = torch.randn(2, 1, 16), torch.randn(2, 40, 7)
        generated = decoder.generate(condition, audio)
        torch.testing.assert_close(generated, decoder.generate_uncached(condition, audio), atol=1e-4, rtol=1e-4)
        torch.testing.assert_close(generated, decoder(generated, condition, audio), atol=1e-4, rtol=1e-4)
        t, later = 17, audio.clone()
        later[:, t + halfwidth + 1 :] += 10
        torch.testing.assert_close(decoder.generate(condition, later)[:, : t + 1], generated[:, : t + 1])
        assert not torch.allclose(decoder.generate(condition, later)[:, -1], generated[:, -1])
        track = generated.clone()
        track[:, t + 1 :] += 10
        torch.testing.assert_close(
            decoder(track, condition, audio)[:, : t + 1], generated[:, : t + 1], atol=1e-4, rtol=1e-4
        )

    def test_what_pads_a_batch_changes_no_frame(self):
        decoder = TrackDecoder(5, 7, 16, 4, 2, halfwidth=2, kernel=3, audio_layers=2).eval()
        torch.nn.init.normal_(decoder.outputs.weight, std=0.3)
        track, audio, condition = torch.randn(2, 20, 5), torch.randn(2, 20, 7), torch.randn(2, 1, 16)
        audio[0, 12:] = 0
        short = decoder(track[:1, :12], condition[:1], audio[:1, :12])
        padded = decoder(track, condition, audio)
        torch.testing.assert_close(padded[:1, :12], short, atol=1e-5, rtol=1e-4)
        assert torch.isfinite(padded).all()

    def test_a_frame_attends_to_its_own_sound_alone(self):
        decoder = TransformerDecoder(16, 4, 1)
        x, memory = torch.randn(1, 6, 16), torch.randn(1, 6, 16)
        other = memory.clone()
        other[:, 3] += 1
        a, b = decoder(x, memory), decoder(x, other)
        assert torch.allclose(a[:, [0, 1, 2, 4, 5]], b[:, [0, 1, 2, 4, 5]])
        assert not torch.allclose(a[:, 3], b[:, 3])

    def test_track_encoder_ignores_padding(self):
        encoder = TrackEncoder(5, 7, 16, 4, 2).eval()
        valid = torch.ones(1, 8, dtype=torch.bool)
        valid[:, 5:] = False
        track, audio = torch.randn(1, 8, 5), torch.randn(1, 8, 7)
        encoded = encoder(track, audio, valid)[:, :5]
        torch.testing.assert_close(encoded, encoder(track[:, :5], audio[:, :5], valid[:, :5]), atol=1e-5, rtol=1e-5)


def _flow(channels, steps=3, levels=0):
    flow = transformer_flow(channels, steps, 16, 4, 2, levels)
    for parameter in flow.parameters():
        torch.nn.init.normal_(parameter, std=0.2)
    return flow.eval()


@pytest.mark.parametrize("levels", [0, 3])
class TestFlow:
    def test_inverse_takes_back(self, levels):
        flow, valid = _flow(8, levels=levels), torch.ones(4, 12, dtype=torch.bool)
        z = torch.randn(4, 12, 8)
        x = flow.inverse(z, valid)
        assert float((flow(x, valid)[0] - z).abs().max()) < 1e-4
        assert float((x - z.flip(-1)).abs().max()) > 0.1

    def test_log_determinant_is_the_jacobians(self, levels):
        flow, valid = _flow(4, levels=levels), torch.ones(1, 5, dtype=torch.bool)
        x = torch.randn(1, 5, 4)
        jacobian = torch.autograd.functional.jacobian(lambda v: flow(v.view(1, 5, 4), valid)[0].flatten(), x.flatten())
        assert abs(float(torch.linalg.slogdet(jacobian)[1] - flow(x, valid)[1][0])) < 1e-4

    def test_padding_changes_nothing(self, levels):
        flow, valid = _flow(8, levels=levels), torch.ones(1, 9, dtype=torch.bool)
        valid[:, 6:] = False
        x = torch.randn(1, 9, 8)
        z, log_det = flow(x, valid)
        short, short_det = flow(x[:, :6], valid[:, :6])
        torch.testing.assert_close(z[:, :6], short, atol=1e-5, rtol=1e-5)
        torch.testing.assert_close(log_det, short_det, atol=1e-5, rtol=1e-5)

    def test_starts_as_the_identity_up_to_flips(self, levels):
        flow, valid = transformer_flow(8, 3, 16, 4, 2, levels), torch.ones(2, 5, dtype=torch.bool)
        x = torch.randn(2, 5, 8)
        z, log_det = flow(x, valid)
        assert torch.equal(z, x.flip(-1))
        assert torch.equal(log_det, torch.zeros(2))

    def test_odd_channels_are_refused(self, levels):
        with pytest.raises(ValueError, match="even number of channels, got 5"):
            transformer_flow(5, 1, 16, 4, 1, levels)


def _smooth(count, generator):
    """(count, 12, 2): two channels that know nothing of each other, with a correlation of 0.9 from frame to frame."""
    values = [generator.normal(0, 1, (count, 2))]
    for _ in range(11):
        values.append(0.9 * values[-1] + 0.19**0.5 * generator.normal(0, 1, (count, 2)))
    return torch.from_numpy(np.stack(values, 1).astype(np.float32))


def _lag(x):
    return float((x[:, 1:] * x[:, :-1]).mean() / (x**2).mean())


def test_only_couplings_in_time_learn_that_a_channel_is_smooth():
    """Couplings of channels alone draw frames that hardly follow one another: a hole in a motion generator's prior."""
    generator, valid = np.random.default_rng(0), torch.ones(32, 12, dtype=torch.bool)
    correlations = []
    for levels in (0, 4):
        torch.manual_seed(0)
        flow = transformer_flow(2, 2, 16, 4, 1, levels)
        optimiser = torch.optim.Adam(flow.parameters(), 1e-2)
        for _ in range(100):
            z, log_det = flow(_smooth(32, generator), valid)
            loss = 0.5 * (z**2).sum((1, 2)).mean() - log_det.mean()
            optimiser.zero_grad()
            loss.backward()
            optimiser.step()
        with torch.no_grad():
            drawn = flow.inverse(torch.randn(32, 12, 2), valid)
        correlations.append(_lag(drawn))
    assert correlations[0] < 0.4
    assert correlations[1] > 0.7


class TestPictures:
    def test_haar_is_orthonormal(self):
        x = torch.randn(2, 3, 16, 12)
        y = haar(x)
        assert y.shape == (2, 12, 8, 6)
        torch.testing.assert_close(inverse_haar(y), x, atol=1e-6, rtol=1e-6)
        torch.testing.assert_close(y.pow(2).sum(), x.pow(2).sum())
        torch.testing.assert_close(y[:, :3], torch.nn.functional.avg_pool2d(x, 2) * 2)
        with pytest.raises(ValueError, match="even sides"):
            haar(torch.zeros(1, 1, 3, 4))

    def test_resampling_keeps_flat_pictures(self):
        x = torch.full((1, 2, 16, 16), 3.0)
        for y in (halve(x), double(x)):
            torch.testing.assert_close(y[..., 2:-2, 2:-2], torch.full_like(y[..., 2:-2, 2:-2], 3.0))
        assert blur(x, padding=2).shape == (1, 2, 17, 17)

    def test_resampling_does_not_shift(self):
        ramp = torch.arange(32.0).expand(1, 1, 32, 32)
        inner = double(halve(ramp))[0, 0, 16, 6:-6]
        torch.testing.assert_close(inner, ramp[0, 0, 16, 6:-6], atol=1e-4, rtol=0)

    def test_modulation_equals_scaled_weights(self):
        conv, x, style = ModulatedConv(4, 5, 3, 8), torch.randn(2, 4, 10, 10), torch.randn(2, 8)
        scale = conv.modulation(style)
        for b in range(2):
            weight = conv.weight / math.sqrt(36) * scale[b][:, None, None]
            weight = weight * torch.rsqrt(weight.pow(2).sum((1, 2, 3), keepdim=True) + 1e-8)
            expected = torch.nn.functional.conv2d(x[b : b + 1], weight, padding=1)
            torch.testing.assert_close(conv(x, style)[b : b + 1], expected, atol=1e-4, rtol=1e-4)

    def test_upsampling_convolution_equals_resampling_first(self):
        conv, x, style = ModulatedConv(4, 5, 3, 8, up=True), torch.randn(2, 4, 10, 10), torch.randn(2, 8)
        plain = ModulatedConv(4, 5, 3, 8)
        plain.load_state_dict(conv.state_dict())
        plain.weight.data = conv.weight.data.flip(2, 3)  # a transposed convolution runs the other way
        expected = plain(double(x), style)
        upsampled = conv(x, style)
        assert upsampled.shape == expected.shape == (2, 5, 20, 20)
        torch.testing.assert_close(upsampled[..., 2:-2, 2:-2], expected[..., 2:-2, 2:-2], atol=1e-4, rtol=1e-4)

    def test_norms(self):
        z = pixel_norm(torch.randn(4, 64) * 7)
        torch.testing.assert_close(z.pow(2).mean(1), torch.ones(4), atol=1e-4, rtol=0)
        x = torch.randn(4, 3, 5, 5)
        spread = minibatch_deviation(x)[:, 3]
        expected = np.sqrt(x.numpy().var(axis=0) + 1e-8).mean()
        assert np.allclose(spread.numpy(), expected, atol=1e-5)
        with pytest.raises(ValueError, match="multiple of 4, got 6"):
            minibatch_deviation(torch.zeros(6, 1, 2, 2))

    def test_perceptual_losses(self, tmp_path):
        loss, x = perceptual("randconv"), torch.rand(2, 3, 64, 64) * 2 - 1
        assert float(loss(x, x)) == 0
        noise = torch.randn(x.shape)
        assert 0 < float(loss(x, x + 0.05 * noise)) < float(loss(x, x + 0.2 * noise))
        assert perceptual("none") is None
        with pytest.raises(WeightsError, match="put torchvision's vgg19 file"):
            perceptual(str(tmp_path / "vgg19.pth"))
        from torchvision.models import vgg19

        torch.save(vgg19().state_dict(), tmp_path / "vgg19.pth")
        assert float(perceptual(str(tmp_path / "vgg19.pth"))(x, x.flip(3))) > 0


class TestAudioInput:
    def test_one_frame_is_a_linear_layer(self):
        layer, audio = AudioInput(5, 7, 1), torch.randn(2, 9, 5)
        expected = torch.nn.functional.linear(audio, layer.convolution.weight[..., 0], layer.convolution.bias)
        assert torch.allclose(layer(audio), expected, atol=1e-6)

    def test_sees_so_many_frames_and_their_order(self):
        layer, audio = AudioInput(5, 7, 5), torch.randn(1, 20, 5)
        changed = audio.clone()
        changed[:, 10] += 1
        moved = (layer(changed) - layer(audio)).abs().amax(-1)[0] > 1e-6
        assert moved.nonzero().ravel().tolist() == [8, 9, 10, 11, 12]
        assert not torch.allclose(layer(audio.flip(1)).flip(1), layer(audio), atol=1e-3)

    def test_padding_with_zeros_changes_nothing(self):
        layer, audio = AudioInput(5, 7, 5), torch.randn(1, 20, 5)
        padded = torch.nn.functional.pad(audio, (0, 0, 0, 6))
        assert torch.allclose(layer(padded)[:, :20], layer(audio), atol=1e-6)

    def test_an_even_number_is_refused(self):
        with pytest.raises(ValueError, match="odd"):
            AudioInput(5, 7, 4)

    def test_the_cache_changes_nothing(self):
        decoder = TrackDecoder(3, 5, 16, 2, 2, kernel=5).eval()
        torch.nn.init.normal_(decoder.outputs.weight)
        condition, audio = torch.randn(2, 1, 16), torch.randn(2, 12, 5)
        with torch.no_grad():
            assert torch.allclose(
                decoder.generate(condition, audio), decoder.generate_uncached(condition, audio), atol=1e-4
            )
