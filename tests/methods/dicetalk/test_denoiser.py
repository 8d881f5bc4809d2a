"""The denoiser, its training and what draws videos with it."""

import copy
from dataclasses import replace

import numpy as np
import pytest
import torch

from gmbench.methods.dicetalk.conditions import ConditionedAttention, face_mask
from gmbench.methods.dicetalk.denoiser import Conditions, Denoiser
from gmbench.methods.dicetalk.diffusion_training import diffusion_losses, drop_conditions, face_weights, train_diffusion
from gmbench.methods.dicetalk.frame_rate import between, doubled
from gmbench.methods.dicetalk.latents import LappedCode
from gmbench.methods.dicetalk.sampler import LatentSampler, VideoConditions
from gmbench.methods.dicetalk.speech import SpeechStates
from gmbench.methods.scaling import Scale
from gmbench.nn.diffusion import draw_sigmas
from gmbench.nn.lapped import border_mixing
from tests.methods.dicetalk.made import EMOTIONS, FACTS, SMALL, made_windows, small, write_networks

CHANNELS, SIDE, FRAMES = 6, 4, 4


@pytest.fixture(autouse=True)
def _one_thread():
    torch.set_num_threads(1)


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    torch.set_num_threads(1)
    made = tmp_path_factory.mktemp("dicetalk")
    write_networks(made)
    return made


def _network(settings=SMALL):
    """A denoiser whose face box counts too, as it does after training."""
    torch.manual_seed(0)
    network = Denoiser(settings.diffusion, settings.bank, settings.unet, CHANNELS, 45, 96, 5, 3).eval()
    torch.nn.init.normal_(network.guider[-1].weight, std=0.1)
    network.bank.start(torch.randn(30, 5))
    return network


def _conditions(batch=2, frames=FRAMES):
    torch.manual_seed(1)
    return Conditions(
        torch.randn(batch, CHANNELS, SIDE, SIDE), torch.randn(batch, 96), torch.randn(batch, frames, 45),
        torch.randn(batch, 5), torch.tensor([[0.25, 0.25, 0.75, 0.75]]).repeat(batch, 1), torch.full((batch, 2), 8.0),
    )  # fmt: skip


def _estimate(network, conditions, **arguments):
    torch.manual_seed(2)
    x = torch.randn(2, FRAMES, CHANNELS, SIDE, SIDE)
    with torch.no_grad():
        return network(x, torch.tensor([1.0, 3.0]), conditions, **arguments)


class TestDenoiser:
    def test_every_condition_counts_unless_it_is_left_out(self):
        network, c = _network(), _conditions()
        usual = _estimate(network, c).estimate
        other = {
            "sound": replace(c, sound=c.sound + 1), "prior": replace(c, prior=-c.prior),
            "picture": replace(c, reference=c.reference + 1, picture=c.picture + 1),
        }  # fmt: skip
        places = {"sound": 0, "picture": 1, "prior": 2}
        for name, changed in other.items():
            assert not torch.allclose(_estimate(network, changed).estimate, usual, atol=1e-5), name
            kept = [n != places[name] for n in range(3)]
            without = _estimate(network, c.keeping(*kept)).estimate
            assert torch.allclose(_estimate(network, changed.keeping(*kept)).estimate, without, atol=1e-5), name
        for changed in (replace(c, boxes=c.boxes / 2), replace(c, numbers=c.numbers * 8)):
            assert not torch.allclose(_estimate(network, changed).estimate, usual, atol=1e-5)

    def test_sound_is_of_each_frame_in_spatial_blocks(self):
        """Without temporal blocks a frame would hear its own sound alone; with them the others hear it less."""
        network, c = _network(), _conditions()
        usual = _estimate(network, c).estimate
        louder = c.sound.clone()
        louder[:, 0] += 3
        moved = (_estimate(network, replace(c, sound=louder)).estimate - usual).abs().mean((0, 2, 3, 4))
        assert moved[0] > 2 * moved[1:].max()

    def test_copies_have_tokens_of_their_own(self):
        network, c = _network(), _conditions()
        twin = copy.deepcopy(network)
        usual = _estimate(network, c).estimate
        assert torch.allclose(_estimate(twin, c).estimate, usual)
        assert twin.conditioner.tokens is not network.conditioner.tokens
        processors = [m for m in twin.modules() if isinstance(m, ConditionedAttention)]
        assert all(m.tokens is twin.conditioner.tokens for m in processors)
        with torch.no_grad():
            for parameter in twin.parameters():
                parameter.zero_()
        assert torch.allclose(_estimate(network, c).estimate, usual)

    def test_serial_and_parallel_questions_differ(self):
        c = _conditions()
        serial = _network(small(diffusion={"emotion_query": "serial"}))
        assert not torch.allclose(_estimate(_network(), c).estimate, _estimate(serial, c).estimate)

    def test_checkpointing_gives_the_same_gradients(self):
        gradients = []
        for checkpointing in (False, True):
            network, c = _network(small(unet={"checkpointing": checkpointing})).train(), _conditions()
            network.bank.eval()
            torch.manual_seed(2)
            found = network(torch.randn(2, FRAMES, CHANNELS, SIDE, SIDE), torch.tensor([1.0, 3.0]), c)
            found.estimate.square().mean().backward()
            gradients.append(network.conditioner.adapters()[0].grad)
        assert torch.allclose(*gradients, atol=1e-6)

    def test_adapters_alone_learn_where_asked(self):
        network = _network(small(diffusion={"train_unet": "adapters"}))
        network.learning()
        names = [name for name, p in network.conditioner.unet.named_parameters() if p.requires_grad]
        assert names
        assert all(".processor." in name for name in names)

    def test_masks_hold_the_grown_box(self):
        mask = face_mask(torch.tensor([[0.25, 0.5, 0.75, 1.0]]), 8, 1.0)
        wanted = torch.zeros(8, 8)
        wanted[4:8, 2:6] = 1
        assert torch.equal(mask[0, 0], wanted)
        assert face_mask(torch.tensor([[0.25, 0.5, 0.75, 1.0]]), 8, 1.5).sum() > wanted.sum()


class TestTraining:
    def test_all_parts_learn(self, folder):
        windows = made_windows(folder)
        torch.manual_seed(0)
        batch = windows.draw(4)
        assert batch.latents.shape == (4, 4, 6, 4, 4)
        assert sorted((batch.labels >= 0).tolist()) == [False, False, True, True]
        c = batch.conditions
        sizes = c.sound.shape[2], c.picture.shape[1], c.prior.shape[1]
        network = Denoiser(SMALL.diffusion, SMALL.bank, SMALL.unet, 6, *sizes, 3)
        terms = diffusion_losses(network, batch, SMALL.diffusion, SMALL.bank)
        assert set(terms) == {"denoise", "bank", "class"}
        sum(terms.values()).backward()
        quiet = [name for name, p in network.named_parameters() if p.grad is None]
        assert not quiet

    @pytest.mark.parametrize("ablation", [
        {"bank": {"kind": "none"}}, {"bank": {"kind": "learnable"}}, {"bank": {"training": "mixed", "null": "bank"}},
        {"diffusion": {"discrimination": 0.0, "latent": "plain"}},
    ])  # fmt: skip
    def test_variants_train(self, folder, ablation):
        settings = small(**ablation)
        windows = made_windows(folder, settings)
        facts = {"speech": FACTS, "clip": None}
        _, report = train_diffusion(windows, EMOTIONS, facts, settings.diffusion, settings.bank, settings.unet, 0)
        row = report.log[-1]
        assert np.isfinite(list(row.values())).all()
        assert ("class" in row) == bool(settings.diffusion.discrimination)

    def test_conditions_are_dropped_as_often_as_asked(self):
        torch.manual_seed(0)
        kept = drop_conditions(10_000, SMALL.diffusion.dropped).bool()
        shares = {
            tuple(row): float((kept == torch.tensor(row)).all(1).float().mean())
            for row in ((False, True, True), (True, False, True), (True, True, False), (False,) * 3, (True,) * 3)
        }
        assert list(shares.values()) == pytest.approx([0.05, 0.05, 0.05, 0.05, 0.8], abs=0.01)
        assert sum(shares.values()) == pytest.approx(1, abs=1e-5)

    def test_the_face_counts_more_and_a_picture_as_much_as_before(self, folder):
        weights = face_weights(torch.tensor([[0.25, 0.5, 0.75, 1.0], [0.0, 0.0, 1.0, 1.0]]), 8, 4.0)
        assert weights.shape == (2, 1, 1, 8, 8)
        assert weights.mean((1, 2, 3, 4)).tolist() == pytest.approx([1, 1])
        assert float(weights[0, 0, 0, 5, 4] / weights[0, 0, 0, 0, 0]) == pytest.approx(5)
        windows, losses = made_windows(folder), []
        for face in (0.0, 4.0):
            torch.manual_seed(0)
            batch = windows.draw(4)
            c = batch.conditions
            sizes = c.sound.shape[2], c.picture.shape[1], c.prior.shape[1]
            network = Denoiser(SMALL.diffusion, SMALL.bank, SMALL.unet, 6, *sizes, 3)
            settings = SMALL.diffusion.model_copy(update={"face": face})
            losses.append(diffusion_losses(network, batch, settings, SMALL.bank)["denoise"].item())
        assert losses[0] != losses[1]

    def test_two_steps_and_a_stop_between_give_the_same_bits(self, folder, tmp_path):
        windows, facts = made_windows(folder), {"speech": FACTS, "clip": None}
        parts = SMALL.diffusion, SMALL.bank, SMALL.unet
        whole, _ = train_diffusion(windows, EMOTIONS, facts, *parts, 0)
        again, _ = train_diffusion(windows, EMOTIONS, facts, *parts, 0, True, tmp_path)
        assert whole == again


class TestLatents:
    def test_patches_overlap_and_nothing_is_lost_with_all_components(self):
        mixing = border_mixing(32, 8)
        assert torch.allclose(mixing @ mixing.T, torch.eye(32), atol=1e-6)
        assert (mixing[7, 8:12].abs() > 1e-3).any()
        torch.manual_seed(0)
        pictures = torch.rand(6, 3, 32, 32) * 2 - 1
        code = LappedCode(small(vae={"channels": 192}).vae)
        code.fit(pictures)
        code.standardise(pictures)
        assert torch.allclose(code(pictures), pictures, atol=1e-3)
        with pytest.raises(ValueError, match="multiple of an even patch"):
            border_mixing(30, 8)

    def test_latents_have_unit_variance_and_noise_on_them_shows_fewer_edges_than_bare_patches(self):
        torch.manual_seed(0)
        places = torch.linspace(-1, 1, 32)
        ramps = torch.stack([a * places[:, None] + b * places for a, b in ((1, 0), (0, 1), (0.5, -0.5), (-1, 0.3))])
        pictures = ramps[:, None].expand(-1, 3, -1, -1) / 2 + 0.02 * torch.randn(4, 3, 32, 32)
        edges = []
        for mixing in (border_mixing(32, 8), torch.eye(32)):
            code = LappedCode(small(vae={"channels": 4}).vae)
            code.mixing.copy_(mixing)
            code.fit(pictures)
            code.standardise(pictures)
            latents = code.encode(pictures)
            assert latents.std((0, 2, 3)).tolist() == pytest.approx([1] * 4, abs=0.05)
            steps = code.decode(latents + 0.5 * torch.randn_like(latents)).diff(dim=-1).abs().mean((0, 1, 2))
            edges.append(float(steps[7::8].mean() / steps.mean()))
        assert edges[0] < 0.8 * edges[1]


class TestSampler:
    def _sampler(self, network, **changes):
        settings = SMALL.sampling.model_copy(update=changes)
        scale = Scale(np.zeros(5, np.float32), np.ones(5, np.float32))
        return LatentSampler(network, scale, settings, FRAMES, True, False)

    def _video(self, frames, prior=None):
        torch.manual_seed(3)
        c = _conditions(1)
        speech = SpeechStates(np.random.default_rng(0).normal(0, 1, (2 * frames, 5)).astype(np.float32), 25, 5)
        priors = torch.randn(1, 5) if prior is None else prior
        return VideoConditions(c.reference[0], c.picture[0], speech, priors.expand(frames, -1), c.boxes[0])

    def test_scales_of_one_are_the_whole_pass(self):
        network, c = _network(), _conditions()
        sampler = self._sampler(network, picture_guidance=1.0, guidance=1.0)
        torch.manual_seed(2)
        x, sigma = torch.randn(2, FRAMES, CHANNELS, SIDE, SIDE), torch.tensor(2.0)
        with torch.no_grad():
            whole = network(x, sigma.expand(2), c, all_entries=True).estimate
            assert torch.allclose(sampler.estimate(x, sigma, c), whole, atol=1e-4)

    @pytest.mark.parametrize("frames", [1, 4, 5, 9])
    def test_any_length(self, frames):
        drawn = self._sampler(_network()).draw(self._video(frames), 0)
        assert drawn.shape == (frames, CHANNELS, SIDE, SIDE)
        assert torch.isfinite(drawn).all()

    def test_noise_comes_from_the_seed(self):
        sampler, video = self._sampler(_network()), self._video(5)
        assert torch.equal(sampler.draw(video, 3), sampler.draw(video, 3))
        assert not torch.equal(sampler.draw(video, 3), sampler.draw(video, 4))

    def test_levels_in_training_reach_what_the_sampler_asks(self):
        torch.manual_seed(0)
        logs = draw_sigmas(5000, 0.0, 1.4).log()
        assert (logs > 3).any()


class TestFrameRate:
    def test_counts_and_places(self):
        frames = [np.full((8, 8, 3), 10 * n, np.uint8) for n in range(4)]
        for count in (1, 2, 6, 7, 8):
            given = list(doubled(frames[: -(-count // 2)], count, "blend"))
            assert len(given) == count
            assert [int(f[0, 0, 0]) for f in given[::2]] == [10 * n for n in range(-(-count // 2))]
        middle = [int(f[0, 0, 0]) for f in doubled(frames, 7, "blend")][1::2]
        assert middle == [5, 15, 25]
        assert [int(f[0, 0, 0]) for f in doubled(frames, 4, "none")] == [0, 0, 10, 10]

    def test_flow_puts_what_moves_half_way(self):
        rows, columns = np.indices((64, 64))
        texture = 40 * np.sin(rows / 5) * np.cos(columns / 7)

        def picture(shift):
            blob = 150 * np.exp(-((rows - 32) ** 2 + (columns - 28 - shift) ** 2) / 60)
            return np.repeat((60 + texture / 4 + blob).clip(0, 255).astype(np.uint8)[..., None], 3, 2)

        def centre(frame):
            weight = (frame[..., 0].astype(float) - 100).clip(0)
            return float((weight * columns).sum() / weight.sum())

        flowed = between(picture(0), picture(8), "flow")
        wanted = picture(4)
        blended = between(picture(0), picture(8), "blend")
        errors = {n: np.abs(x.astype(int) - wanted).mean() for n, x in (("flow", flowed), ("blend", blended))}
        assert centre(flowed) == pytest.approx(centre(wanted), abs=1)
        assert errors["flow"] < errors["blend"]
