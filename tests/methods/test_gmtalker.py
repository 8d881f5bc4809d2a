"""GMTalker's networks: the paper's properties, at small sizes."""

from types import SimpleNamespace

import numpy as np
import pytest
import torch

from gmbench.corpus import people
from gmbench.errors import InputError
from gmbench.methods.gmtalker import gmeg, nfmg
from gmbench.methods.gmtalker.head import Discriminator, EmotionMapping, HeadGenerator, r1_penalty
from gmbench.methods.gmtalker.head_training import to_signed
from gmbench.methods.gmtalker.method import GMTalker, _Person
from gmbench.methods.gmtalker.pictures import shoulder_mask
from gmbench.methods.gmtalker.settings import Gmeg, Head, Nfmg, Settings
from gmbench.methods.gmtalker.training import weight_label
from gmbench.methods.interface import EmotionSpec, GenRequest, MissingInput, UnsupportedEmotion
from gmbench.methods.settings import TrainingSettings
from gmbench.nn import mixtures

SMALL = {"width": 16, "heads": 4, "dropout": 0.0, "window": (20, 20)}
TRAIN = TrainingSettings(steps=10, batch=4, rate=1e-3)
CHANNELS = {4: 8, 8: 8, 16: 8, 32: 8, 64: 8, 128: 8, 256: 8, 512: 4}
K = 8


@pytest.fixture(autouse=True)
def _seed():
    torch.manual_seed(0)
    torch.set_num_threads(1)


def _gmeg(**changes) -> gmeg.ExpressionGenerator:
    settings = Gmeg(**(SMALL | {"layers": (1, 2, 1), "z": 6, "w": 4, "train": TRAIN} | changes))
    network = gmeg.ExpressionGenerator(settings, 5, 7, K, 2)
    torch.nn.init.normal_(network.decoder.outputs.weight, std=0.1)
    return network


def _nfmg(**changes) -> nfmg.MotionGenerator:
    settings = Nfmg(
        **(SMALL | {"layers": (1, 1), "z": 8, "flow_steps": 2, "flow_width": 16, "flow_layers": 1} | changes)
    )
    return nfmg.MotionGenerator(settings, 7)


def _dead(network, *without) -> set[str]:
    """Names of parameters that no loss reaches; keys and values are looked at apart."""
    strongest = max(float(p.grad.abs().max()) for p in network.parameters() if p.grad is not None)
    dead = set()
    for name, parameter in network.named_parameters():
        halves = zip(("key", "value"), parameter.grad.chunk(2), strict=True) if "key_value" in name else []
        for part, gradient in halves or [("", parameter.grad)]:
            always = part == "key" and name.endswith("bias")  # moves all weights of the attention alike
            if not always and (gradient is None or float(gradient.abs().max()) < 1e-7 * strongest):
                dead.add(name + part)
    return {name for name in dead if not any(part in name for part in without)}


class TestExpression:
    def test_components_start_apart_with_unit_deviation(self):
        means, logs_v = _gmeg(width=64, z=16).mapper(torch.randn(50, 4))
        assert torch.equal(logs_v, torch.zeros_like(logs_v))
        apart = (means[:, :, None] - means[:, None]).norm(dim=-1)[:, ~torch.eye(K, dtype=torch.bool)]
        assert 0.7 < float(apart.mean()) < 2.5

    @pytest.mark.parametrize(
        ("tokens", "halfwidth", "dead"),
        [("component", 2, ()), ("single", 2, ("mapper.encoder",)), ("component", 0, ("cross", "norms.1"))],
    )
    def test_losses_and_gradients(self, tokens, halfwidth, dead):
        """Attention on one key or one token teaches its queries and keys nothing; everything else learns."""
        network = _gmeg(mapper_tokens=tokens, align_halfwidth=halfwidth)
        weights = torch.nn.functional.one_hot(torch.arange(4), K).float()
        inputs = (torch.randn(4, 20, 5), torch.randn(4, 20, 7), torch.ones(4, 20, dtype=torch.bool), weights)
        terms = gmeg.losses(network, *inputs, torch.zeros(4, dtype=torch.long), 0.9)
        assert set(terms) == {"rec", "cond", "w", "emo", "total"}
        terms["total"].backward()
        assert _dead(network, *dead) == set()
        assert all(any(part in name for name in _dead(network)) for part in dead)

    def test_objectives_differ_where_the_label_counts(self):
        weights = torch.nn.functional.one_hot(torch.arange(4), K).float()
        inputs = (torch.randn(4, 20, 5), torch.randn(4, 20, 7), torch.ones(4, 20, dtype=torch.bool))
        for objective, label_counts in (("bound", True), ("literal", False)):
            network = _gmeg(objective=objective)
            totals = []
            for label in (weights, weights.roll(1, 1)):
                torch.manual_seed(3)
                totals.append(gmeg.losses(network, *inputs, label, torch.zeros(4, dtype=torch.long), 0.5)["total"])
            assert (float(totals[0]) != float(totals[1])) == label_counts

    def test_padding_changes_no_posterior(self):
        network = _gmeg().eval()
        beta, audio, valid = torch.randn(1, 9, 5), torch.randn(1, 9, 7), torch.ones(1, 9, dtype=torch.bool)
        valid[:, 6:] = False
        a = network.posterior(beta, audio, valid)
        b = network.posterior(beta[:, :6], audio[:, :6], valid[:, :6])
        torch.testing.assert_close(a.z[0], b.z[0], atol=1e-5, rtol=1e-5)

    def test_one_hot_equals_a_component_and_a_literal_mixture_jumps(self):
        network = _gmeg().eval()
        w, noise = torch.randn(1, 4), torch.randn(1, 6)
        means, logs_v = network.mapper(w)
        label = torch.nn.functional.one_hot(torch.tensor([3]), K).float()
        expected = (means + torch.exp(0.5 * logs_v) * noise[:, None])[:, 3]
        assert torch.equal(network.sample_z(label, w, noise), expected)
        half = 0.5 * label + 0.5 * label.roll(1, 1)
        jumps = {tuple(network.sample_z(half, w, noise, blended=False)[0].tolist()) for _ in range(40)}
        assert len(jumps) == 2
        assert tuple(expected[0].tolist()) in jumps

    def test_speakers_and_conditions_change_the_track(self):
        network = _gmeg().eval()
        z, audio, label = torch.randn(1, 6), torch.randn(1, 12, 7), torch.zeros(1, K)
        tracks = [network.decoder.generate(network.condition(z, torch.tensor([n]), label), audio) for n in (0, 1)]
        assert not torch.allclose(*tracks)
        along = network.condition(z[:, None].expand(-1, 12, -1), torch.tensor([0]), label)
        torch.testing.assert_close(network.decoder.generate(along, audio), tracks[0])

    def test_labels_with_intensity(self):
        order = ("angry", "neutral", "sad")
        assert weight_label("sad", 1, order, "ignore").tolist() == [0, 0, 1]
        assert np.allclose(weight_label("sad", 1, order, "neutral_mix"), [0, 2 / 3, 1 / 3])
        assert weight_label("neutral", 1, order, "neutral_mix").tolist() == [0, 1, 0]


class TestMotion:
    def test_likelihood_is_the_priors_of_posterior_latents_per_element(self):
        network = _nfmg(flow_levels=0).eval()  # starts as the identity: the prior is standard normal
        motion, audio, valid = torch.randn(2, 20, 12), torch.randn(2, 20, 7), torch.ones(2, 20, dtype=torch.bool)
        valid[1, 9:] = False
        torch.manual_seed(4)
        found = network.log_likelihood(motion, audio, valid)
        torch.manual_seed(4)
        mean, log_variance, used = network.posterior(motion, audio, valid)
        z = mixtures.draw(mean, log_variance)[used]
        torch.testing.assert_close(found, torch.distributions.Normal(0.0, 1.0).log_prob(z).mean())
        assert int(used.sum()) == 5 + 3

    def test_identity_flow_gives_the_divergence_without_flow(self):
        network = _nfmg().eval()
        mean, log_variance = torch.randn(2, 5, 8), torch.randn(2, 5, 8) * 0.3
        used = torch.ones(2, 5, dtype=torch.bool)
        z = mixtures.draw(mean, log_variance)
        divergence = nfmg.divergence(network, z, mean, log_variance, used)
        log_ratio = mixtures.log_normal(z, mean, log_variance) - mixtures.log_normal(
            z, torch.zeros(()), torch.zeros(())
        )
        torch.testing.assert_close(divergence, log_ratio.sum() / 80)

    def test_padding_and_pooling(self):
        network = _nfmg().eval()
        motion, audio, valid = torch.randn(1, 11, 12), torch.randn(1, 11, 7), torch.ones(1, 11, dtype=torch.bool)
        valid[:, 6:] = False
        mean, _, used = network.posterior(motion, audio, valid)
        assert mean.shape == (1, 3, 8)
        assert used.tolist() == [[True, True, False]]
        short, _, _ = network.posterior(motion[:, :6], audio[:, :6], valid[:, :6])
        torch.testing.assert_close(mean[:, :2], short, atol=1e-5, rtol=1e-5)
        pooled = _nfmg(latent="pooled")
        assert pooled.posterior(motion, audio, valid)[0].shape == (1, 1, 8)
        assert pooled.latents(50) == 1
        assert network.latents(50) == 13

    @pytest.mark.parametrize("steps", [0, 2])
    def test_losses_and_gradients(self, steps):
        network = _nfmg(flow_steps=steps)
        for parameter in network.parameters():  # outputs start at zero, and nothing behind them learns
            if not parameter.detach().any():
                torch.nn.init.normal_(parameter, std=0.1)
        valid = torch.ones(3, 40, dtype=torch.bool)  # 10 latents: the couplings reach 8 apart
        terms = nfmg.losses(network, torch.randn(3, 40, 12), torch.randn(3, 40, 7), valid, 0.3)
        assert set(terms) == {"rec", "kl", "vel", "total"}
        terms["total"].backward()
        values = {name: float(value.detach()) for name, value in terms.items()}
        weighted = (weight * values[name] for name, weight in network.settings.weights.items())
        assert values["total"] == pytest.approx(sum(weighted), rel=1e-5)  # at 30 % of the steps all weights are whole
        assert _dead(network) == set()


def _head(**changes) -> Head:
    return Head(**({"size_in": 64, "size_out": 64, "channels": CHANNELS, "style": 8} | changes))


class TestHead:
    @pytest.mark.parametrize(("inside", "outside"), [(128, 128), (256, 256), (256, 512)])
    def test_sizes(self, inside, outside):
        settings = _head(size_in=inside, size_out=outside)
        network = HeadGenerator(settings, K)
        with torch.inference_mode():
            picture = network(torch.zeros(1, 4, inside, inside), torch.zeros(1, 8))
            logit = Discriminator(settings)(picture, torch.zeros(1, 3, inside, inside))
        assert picture.shape == (1, 3, outside, outside)
        assert logit.shape == (1,)

    def test_channels_of_inputs(self):
        settings = _head()
        assert HeadGenerator(settings, K).from_image["3"].conv.weight.shape[1] == 16
        assert Discriminator(settings).from_image["5"].conv.weight.shape[1] == 24

    def test_only_the_emotions_own_branch_learns(self):
        mapping = EmotionMapping(8, K)
        label = torch.nn.functional.one_hot(torch.tensor([2, 5]), K).float()
        mapping(torch.randn(2, 8), label).sum().backward()
        moved = [float(sum(p.grad.abs().sum() for p in branch.parameters())) > 0 for branch in mapping.branches]
        assert moved == [k in (2, 5) for k in range(K)]
        assert len(EmotionMapping(8, 1).branches) == len(EmotionMapping(8, 0).branches) == 1
        soft = torch.zeros(1, K)
        soft[0, [2, 5]] = 0.5
        z = torch.randn(1, 8)
        each = [mapping(z, torch.nn.functional.one_hot(torch.tensor([k]), K).float()) for k in (2, 5)]
        torch.testing.assert_close(mapping(z, soft), (each[0] + each[1]) / 2)

    def test_fixed_noise_fixes_the_picture(self):
        network = HeadGenerator(_head(), K)
        for name, parameter in network.named_parameters():
            if name.endswith("strength"):
                torch.nn.init.ones_(parameter)
        condition, style = torch.randn(1, 4, 64, 64), torch.randn(1, 8)
        noise = network.draw_noise(torch.Generator().manual_seed(1))
        assert torch.equal(network(condition, style, noise), network(condition, style, noise))
        assert not torch.equal(network(condition, style), network(condition, style))

    def test_penalty_is_the_gradients_norm(self):
        network = Discriminator(_head())
        picture, rendering = torch.randn(2, 3, 64, 64), torch.randn(2, 3, 64, 64)
        penalty = float(r1_penalty(network, picture, rendering))
        step = torch.randn_like(picture) * 1e-3
        picture.requires_grad_()
        (gradient,) = torch.autograd.grad(network(picture, rendering).sum(), picture)
        assert penalty == pytest.approx(float(gradient.pow(2).sum()) / 2, rel=1e-4)
        moved = float((network((picture + step).double().float(), rendering) - network(picture, rendering)).sum())
        assert moved == pytest.approx(float((gradient * step).sum()), abs=2e-4)

    def test_overfits_eight_frames(self):
        frames = people.draw_people(0, 1, 4, 64, 0).frames.reshape(8, 64, 64, 3)
        real = to_signed(frames)
        condition = torch.cat([to_signed(frames[:, :, ::-1].copy()), real[:, :1]], 1)
        tiny = {"gain": 2**0.5, "detail": True, "style_spread": 0.1}
        network = HeadGenerator(_head(channels={4: 32, 8: 32, 16: 32, 32: 32, 64: 16}, **tiny), 1)
        optimiser = torch.optim.Adam(network.parameters(), 2e-2, (0.9, 0.99))
        for _ in range(300):
            chosen = torch.randint(0, 8, (2,))
            loss = (
                network(condition[chosen], network.mapping(torch.randn(2, 8), torch.ones(2, 1))) - real[chosen]
            ).abs()
            optimiser.zero_grad()
            loss.mean().backward()
            optimiser.step()
        style = network.mapping(torch.randn(8, 8), torch.ones(8, 1))
        assert float((network(condition, style) - real).abs().mean()) < 0.05


class TestPictures:
    def test_shoulders_are_below_the_chin_and_beside_the_head(self):
        matte = np.full((64, 64), 255, np.uint8)
        covered = np.zeros((64, 64), bool)
        covered[10:44, 20:44] = True
        landmarks = np.full((478, 2), 32.0)
        landmarks[152] = (32, 40)
        mask = shoulder_mask(matte, covered, landmarks, 64)
        assert mask[:41].max() == 0
        assert mask[42, 32] == 0
        assert mask[60].min() == 255

    def test_shoulders_of_a_clip_do_not_depend_on_the_clip_before(self):
        person = object.__new__(_Person)
        person.head = SimpleNamespace(settings=Head(shoulder="per_frame_nearest"))
        poses = np.zeros((10, 12), np.float32)
        poses[:, 1] = np.arange(10)
        person.constants = {"poses": poses, "masks": np.arange(10), "mask": np.array(99)}
        rho = np.repeat(poses[[2, 8]], 30, axis=0)
        first = [int(mask) for mask in person.masks(rho)]
        list(person.masks(poses[::-1].copy()))
        assert [int(mask) for mask in person.masks(rho)] == first
        assert first[0] == 2
        assert first[30:34] == [2, 3, 3, 4]
        assert first[-1] == 7
        person.head.settings = Head()
        assert {int(mask) for mask in person.masks(rho)} == {99}


class TestStyles:
    @staticmethod
    def _styled(emotions, weights, of_system):
        person = object.__new__(_Person)
        person.emotions = emotions
        return person.style_weights(np.array([weights], np.float32), of_system)[0].tolist()

    def test_an_emotion_that_the_person_never_showed_is_drawn_in_the_neutral_style(self):
        system = ["angry", "neutral", "sad"]
        assert self._styled(["angry", "neutral"], [0.25, 0.25, 0.5], system) == [0.25, 0.75]
        assert self._styled(["angry", "sad"], [0, 1, 0], system) == [0.5, 0.5]
        assert self._styled(["sad", "angry"], [0.75, 0, 0.25], system) == [0.25, 0.75]

    def test_one_emotion_need_not_be_asked_for(self):
        method = GMTalker()
        audio = np.zeros(640, np.int16)
        method.emotions = ["neutral"]
        assert method._weights(GenRequest("c", audio, EmotionSpec(), "M")).tolist() == [1]
        with pytest.raises(UnsupportedEmotion, match="sad was not learnt"):
            method._weights(GenRequest("c", audio, EmotionSpec({"sad": 1.0}), "M"))
        method.emotions = ["neutral", "sad"]
        with pytest.raises(MissingInput, match="needs an emotion, of neutral, sad"):
            method._weights(GenRequest("c", audio, EmotionSpec(), "M"))


class TestSettings:
    def test_settings_name_the_wrong_key(self):
        method = GMTalker()
        assert method.settings({}) == Settings()
        assert method.settings({}, ["wo_gm", "wo_emn"]).gmeg.prior == "normal"
        assert not method.settings({}, ["wo_gm", "wo_emn"]).head.emotion
        with pytest.raises(InputError, match=r"gmtalker: gmeg.widht"):
            method.settings({"gmeg": {"widht": 3}})
