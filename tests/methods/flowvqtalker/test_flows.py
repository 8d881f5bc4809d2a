"""FlowVQTalker's flows: contexts, losses, sampling, transfer, and what training writes."""

import numpy as np
import pytest
import torch

from gmbench.errors import WeightsError
from gmbench.methods.expression_code import ExpressionCode, join_motion
from gmbench.methods.flowvqtalker import flow_training, sampling
from gmbench.methods.flowvqtalker.coefficient_generator import CoefficientGenerator
from gmbench.methods.flowvqtalker.flow_training import (
    FlowBatches,
    likelihood_loss,
    sample_losses,
    train_expflow,
    train_poseflow,
)
from gmbench.methods.flowvqtalker.flows import ExpressionFlow, drop_history, history_of
from gmbench.methods.flowvqtalker.settings import Sampling
from gmbench.methods.lips import lip_motion, scaled_lips
from gmbench.methods.track_windows import audio_windows
from gmbench.morphable.synthetic.model import synthetic_model
from tests.methods.flowvqtalker.made import EMOTIONS, FACTS, SMALL, made_clips


@pytest.fixture(autouse=True)
def _seed():
    torch.manual_seed(0)
    torch.set_num_threads(1)


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    torch.set_num_threads(1)
    folder = tmp_path_factory.mktemp("flows")
    clips, others = made_clips(), made_clips(3, seed=1)
    content, report = train_expflow(clips, others, EMOTIONS, FACTS, synthetic_model(), SMALL.expflow, 0)
    (folder / "expflow.safetensors").write_bytes(content)
    assert report.steps == 4
    assert {"likelihood", "consistency"} <= set().union(*report.log)
    (folder / "poseflow.safetensors").write_bytes(train_poseflow(clips, FACTS, SMALL.poseflow, 0)[0])
    return folder


def _network(**changes):
    network = ExpressionFlow(SMALL.expflow.model_copy(update=changes), 160, 4)
    for parameter in network.parameters():
        parameter.data += 0.05 * torch.randn_like(parameter)
    return network


def _batches(network, clips):
    tracks = [np.random.default_rng(n).normal(0, 1, (len(c.beta), 64)).astype(np.float32) for n, c in enumerate(clips)]
    classes = [EMOTIONS.index(c.emotion) for c in clips]
    return tracks, FlowBatches(tracks, [c.audio for c in clips], classes, network.settings, [[t] for t in tracks], 4)


def test_history_and_sound_around_a_frame():
    track = torch.arange(1.0, 6)[:, None]
    assert history_of(track, 3)[..., 0].tolist() == [[0, 0, 0], [0, 0, 1], [0, 1, 2], [1, 2, 3], [2, 3, 4]]
    assert audio_windows(track, 1)[..., 0].tolist() == [[0, 1, 2], [1, 2, 3], [2, 3, 4], [3, 4, 5], [4, 5, 0]]


def test_dropout_zeroes_whole_frames_of_the_history():
    history = drop_history(torch.ones(2000, 4, 3), 0.4)
    assert set(history.sum(-1).flatten().tolist()) == {0.0, 3.0}
    assert abs(float((history == 0).float().mean()) - 0.4) < 0.02
    assert torch.equal(drop_history(history, 0.0), history)


def test_a_batch_holds_the_clips_own_frames_with_their_neighbours():
    clips = made_clips(3, frames=14)
    network = _network()
    tracks, batches = _batches(network, clips)
    batch = batches.draw(6)
    assert len(batch.x) == 6 * 8
    for row in range(0, 48, 5):
        found = [(n, t) for n, track in enumerate(tracks) for t in range(14) if np.allclose(track[t], batch.x[row])]
        ((n, t),) = found
        assert torch.equal(batch.context.history[row], history_of(torch.from_numpy(tracks[n]), 3)[t])
        assert torch.equal(batch.context.audio[row], audio_windows(torch.from_numpy(clips[n].audio), 2)[t])
        assert int(batch.classes[row]) == EMOTIONS.index(clips[n].emotion)
        assert batch.context.label[row].tolist()[int(batch.classes[row])] == 1
    for first, second in batch.pairs.tolist():
        n, t = next((n, t) for n in range(3) for t in range(14) if np.allclose(tracks[n][t], batch.x[first]))
        assert np.allclose(tracks[n][t + 1], batch.x[second])
    assert len(batch.pairs) == 6 * 4


def test_clips_drawn_apart_have_their_share():
    clips = made_clips(5)
    network = _network()
    tracks, batches = _batches(network, clips)
    batch = batches.draw(8, range(3, 5), 0.25)
    found = [next(n for n in range(5) if (np.abs(tracks[n] - x.numpy()).max(1) < 1e-6).any()) for x in batch.x[::8]]
    assert sum(n >= 3 for n in found) == 2
    assert batches.draw(3, range(3, 5), 0.0).x.shape == (24, 64)


def test_clips_shorter_than_a_window_give_all_their_frames():
    clips = made_clips(1, frames=5)
    network = _network()
    _, batches = _batches(network, clips)
    batch = batches.draw(2)
    assert len(batch.x) == 10
    assert len(batch.pairs) == 4


def test_losses_reach_every_parameter_and_the_means_stay():
    network, clips = _network(), made_clips()
    _, batches = _batches(network, clips)
    means = network.prior.means.clone()
    batch = batches.draw(4)
    (likelihood_loss(network, batch) + sample_losses(network, batch)["consistency"]).backward()
    assert not [name for name, p in network.named_parameters() if p.grad is None]
    assert torch.equal(network.prior.means, means)


def test_layers_hear_what_is_around_a_frame():
    network = _network(audio_frames=3, audio_layers=1, audio_direct=True).eval()
    codes, audio = torch.randn(6, 64), torch.randn(6, 160)
    context = sampling.own_context(codes, audio, 0, network, codes[0])
    classes = torch.zeros(6, dtype=torch.int64)
    z = network.encode(codes, context, classes)
    torch.testing.assert_close(network.decode(z, context, classes), codes, atol=1e-3, rtol=1e-3)
    louder = sampling.own_context(codes, audio + 1, 0, network, codes[0])
    assert not torch.allclose(network.encode(codes, louder, classes), z)
    assert network.sound is not None
    assert {net.audio.in_features for net in (coupling.net for coupling in network.flow.couplings)} == {16}
    for parameter in network.parameters():
        parameter.grad = None
    network.log_likelihood(codes, context, classes).sum().backward()
    assert not [name for name, p in network.named_parameters() if p.grad is None]


def test_the_lips_of_samples_are_weighed_and_half_of_them_remember_nothing():
    network, clips = _network(), made_clips()
    tracks, batches = _batches(network, clips)
    batch = batches.draw(4)
    lips = scaled_lips(np.random.default_rng(0).normal(0, 1, (64, 60)).astype(np.float32), tracks)
    terms = sample_losses(network, batch, lips)
    assert set(terms) == {"consistency", "lips"}
    terms["lips"].backward()
    assert any(p.grad is not None and p.grad.abs().max() > 0 for p in network.parameters())
    forgotten = batch.context.forget(torch.arange(len(batch.x)) % 2 == 0)
    assert not forgotten.history[::2].any()
    assert torch.equal(forgotten.history[1::2], batch.context.history[1::2])


def test_lips_of_codes_are_those_of_the_expressions_they_stand_for():
    clips, model = made_clips(6, frames=40), synthetic_model()
    code = ExpressionCode.fit(clips, model, "landmarks")
    lips = lip_motion(model)
    codes = np.random.default_rng(0).normal(0, 1, (2, 64)).astype(np.float32)
    beta, _ = code.decode(codes)
    np.testing.assert_allclose((codes[1] - codes[0]) @ code.lips(lips), (beta[1] - beta[0]) @ lips, atol=1e-4)


@pytest.mark.parametrize(("how", "arrays"), [("neutral", 1), ("own", 1), ("either", 2)])
def test_a_source_image_is_neutral_or_the_clips_own(how, arrays):
    clips = made_clips(6)
    codes = [np.full((30, 64), n, np.float32) for n in range(6)]
    sources = flow_training._sources(clips, codes, 5, how)
    happy = sources[0]  # person 0, whose neutral clip is the fifth
    assert [float(rows[0, 0]) for rows in happy] == {"neutral": [4], "own": [0], "either": [4, 0]}[how]
    assert len(happy) == arrays
    assert [float(rows[0, 0]) for rows in sources[5]] == [5]  # without a label


@pytest.mark.parametrize(("changes", "changed"), [({}, True), ({"norm": "shared", "label_context": False}, False)])
def test_the_emotion_reaches_the_latent_by_norm_and_context(changes, changed):
    network = _network(**changes).eval()
    codes, audio = torch.randn(6, 64), torch.randn(6, 160)
    z = [
        network.encode(codes, sampling.own_context(codes, audio, k, network, codes[0]), torch.full((6,), k))
        for k in (0, 1)
    ]
    assert (not torch.allclose(z[0], z[1])) == changed


def test_generation_is_the_trainings_computation():
    network = _network().eval()
    z, audio, source = torch.randn(12, 64), torch.randn(12, 160), torch.randn(64)
    label = torch.nn.functional.one_hot(torch.full((12,), 1), 4).float()
    track = sampling.generate_track(network.decode, z, audio, label.argmax(1), 3, 2, source, label)
    context = sampling.own_context(track, audio, 1, network, source)
    torch.testing.assert_close(network.encode(track, context, label.argmax(1)), z, atol=1e-3, rtol=1e-3)


class TestLatents:
    def test_every_row_has_the_t_distributions_spread(self):
        draws = [
            sampling.draw_noise(5, 2, 8, Sampling(latent=how), torch.Generator().manual_seed(n))
            for how in ("ar", "iid", "hold")
            for n in range(3000)
        ]
        stacked = torch.stack(draws).view(3, 3000, 5, 2)
        for of_way in stacked:
            for t in (0, 4):
                assert abs(float(of_way[:, t].var()) / (8 / 6) - 1) < 0.15

    def test_ways_differ_in_how_they_move(self):
        moved = {}
        for how in ("ar", "iid", "hold"):
            noise = sampling.draw_noise(2000, 8, 10, Sampling(latent=how), torch.Generator().manual_seed(0))
            moved[how] = float(noise.diff(dim=0).std())
        assert moved["hold"] == 0
        assert moved["ar"] < 0.6 * moved["iid"]

    def test_temperature_zero_is_the_components_mean(self):
        assert not sampling.draw_noise(3, 4, 4, Sampling(), torch.Generator(), 0.0).any()


class TestGenerator:
    def test_the_same_seed_gives_the_same_bits_and_another_does_not(self, trained):
        generator, clip = CoefficientGenerator(trained, SMALL.sampling), made_clips()[0]
        weights, source = np.eye(3, dtype=np.float32)[[0] * 30], np.zeros(64, np.float32)
        one, again, other = (
            generator.expressions(clip.audio, weights, source, generator.noise(30, seed)) for seed in (0, 0, 1)
        )
        assert one.shape == (30, 64)
        assert np.array_equal(one, again)
        assert not np.array_equal(one, other)
        cold = [generator.expressions(clip.audio, weights, source, generator.noise(30, n, 0.0)) for n in (0, 1)]
        assert np.array_equal(*cold)
        sad = generator.expressions(clip.audio, np.eye(3, dtype=np.float32)[[2] * 30], source, generator.noise(30, 0))
        assert not np.allclose(one, sad)
        assert generator.poses(clip.audio, 0).shape == (30, 6)
        assert not np.array_equal(generator.poses(clip.audio, 0), generator.poses(clip.audio, 1))

    def test_a_clips_own_context_gives_it_back(self, trained):
        generator, clip = CoefficientGenerator(trained, SMALL.sampling), made_clips()[3]
        codes = generator.code.encode(clip.beta, clip.rho)
        back, emotion = generator.transferred(clip.audio, codes, clip.audio, codes[0], "happy")
        assert emotion == "happy"
        assert np.abs(back - codes).max() < 1e-3

    def test_a_reference_may_have_the_mean_neutral_face_for_its_source(self, trained):
        clips = made_clips()
        own, neutral = (
            CoefficientGenerator(trained, SMALL.sampling.model_copy(update={"reference_source": how}))
            for how in ("own", "neutral")
        )
        codes = own.code.encode(clips[3].beta, clips[3].rho)
        faces = [own.code.encode(c.beta, c.rho) for c in clips if c.emotion == "neutral"]
        np.testing.assert_allclose(neutral.neutral.numpy(), np.concatenate(faces).mean(axis=0), atol=1e-5)
        assert not np.allclose(*(g.posterior(codes, clips[3].audio, "happy") for g in (own, neutral)))

    def test_a_short_reference_is_played_to_and_fro(self, trained):
        generator = CoefficientGenerator(trained, SMALL.sampling)
        codes, audio = torch.randn(4, 64), torch.randn(4, 160)
        z = sampling.transferred_latents(generator.expflow, codes, audio, 0, codes[0], 9)
        for t, place in enumerate((0, 1, 2, 3, 2, 1, 0, 1, 2)):
            assert torch.equal(z[t], z[place])
        mean = sampling.transferred_latents(generator.expflow, codes, audio, 0, codes[0], 9, "mean")
        torch.testing.assert_close(mean, z[:4].mean(0).expand(9, -1))

    def test_projected_latents_are_made_of_stored_ones_of_the_class(self, trained):
        generator = CoefficientGenerator(trained, SMALL.sampling)
        label, noise = torch.zeros(4, 4), 3 * torch.randn(4, 64)
        label[:, 1] = 1
        z = sampling.emotional_latents(generator.expflow, label, noise, generator.stored, SMALL.sampling)
        literal = SMALL.sampling.model_copy(update={"projection": False})
        free = sampling.emotional_latents(generator.expflow, label, noise, generator.stored, literal)
        torch.testing.assert_close(free, generator.expflow.prior.means[1] + noise)
        of_class = generator.stored.latents[generator.stored.classes == 1]
        assert torch.cdist(z, of_class).min() < torch.cdist(free, of_class).min()

    def test_another_systems_file_is_named(self, trained, tmp_path):
        (tmp_path / "expflow.safetensors").write_bytes((trained / "poseflow.safetensors").read_bytes())
        with pytest.raises(WeightsError, match=r"expected expflow of version \d+, got poseflow"):
            CoefficientGenerator(tmp_path, SMALL.sampling)


def test_codes_keep_what_moves_landmarks():
    clips = made_clips(6, frames=40)
    kept = {how: ExpressionCode.fit(clips, synthetic_model(), how) for how in ("landmarks", "standardised")}
    column = int(np.searchsorted(synthetic_model().beta_columns, synthetic_model().column("jaw_open")))
    errors = {}
    for how, code in kept.items():
        beta, lids = code.decode(code.encode(clips[0].beta, clips[0].rho))
        errors[how] = float(np.abs(beta[:, column] - clips[0].beta[:, column]).mean())
        assert lids.shape == (40, 2)
        again = ExpressionCode.of_constants(code.constants())
        assert np.array_equal(again.encode(clips[0].beta, clips[0].rho), code.encode(clips[0].beta, clips[0].rho))
    assert errors["landmarks"] < errors["standardised"]


def test_gaze_stays_that_of_the_source():
    source = np.arange(12, dtype=np.float32)
    motion = join_motion(np.zeros((3, 6), np.float32), np.ones((3, 2), np.float32), source)
    assert motion[1].tolist() == [0, 0, 0, 0, 0, 0, 6, 7, 8, 9, 1, 1]
