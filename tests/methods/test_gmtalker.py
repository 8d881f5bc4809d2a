"""GMTalker's networks: the paper's properties, at small sizes."""

import numpy as np
import pytest
import torch

from gmbench.corpus import people
from gmbench.errors import InputError, WeightsError
from gmbench.methods import checkpoint
from gmbench.methods.gmtalker import gmeg, nfmg
from gmbench.methods.gmtalker.data import (
    ClipTracks,
    Scale,
    Windows,
    balanced,
    shoulder_mask,
    weight_label,
    well_fitted,
    wide_motion,
)
from gmbench.methods.gmtalker.head import Discriminator, EmotionMapping, HeadGenerator, r1_penalty
from gmbench.methods.gmtalker.settings import Gmeg, Head, Nfmg, Settings
from gmbench.methods.gmtalker.settings import Training as TrainingSettings
from gmbench.methods.gmtalker.training import signed
from gmbench.nn import mixtures
from gmbench.nn.training import TrainConfig, TrainState, Updater, train

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


class TestExpression:
    def test_components_start_apart_with_unit_deviation(self):
        means, logs_v = _gmeg(width=64, z=16).mapper(torch.randn(50, 4))
        assert torch.equal(logs_v, torch.zeros_like(logs_v))
        apart = (means[:, :, None] - means[:, None]).norm(dim=-1)[:, ~torch.eye(K, dtype=torch.bool)]
        assert 0.7 < float(apart.mean()) < 2.5

    @pytest.mark.parametrize("tokens", ["component", "single"])
    def test_losses_and_gradients(self, tokens):
        network = _gmeg(mapper_tokens=tokens)
        weights = torch.nn.functional.one_hot(torch.arange(4), K).float()
        inputs = (torch.randn(4, 20, 5), torch.randn(4, 20, 7), torch.ones(4, 20, dtype=torch.bool), weights)
        found = gmeg.losses(network, *inputs, torch.zeros(4, dtype=torch.long), 0.9)
        assert set(found) == {"rec", "cond", "w", "emo", "total"}
        found["total"].backward()
        missing = {n for n, p in network.named_parameters() if p.grad is None and "speaker" not in n}
        assert not missing

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
        wanted = (means + torch.exp(0.5 * logs_v) * noise[:, None])[:, 3]
        assert torch.equal(network.sample_z(label, w, noise), wanted)
        half = 0.5 * label + 0.5 * label.roll(1, 1)
        jumps = {tuple(network.sample_z(half, w, noise, blended=False)[0].tolist()) for _ in range(40)}
        assert len(jumps) == 2
        assert tuple(wanted[0].tolist()) in jumps

    def test_speakers_and_conditions_change_what_is_written(self):
        network = _gmeg().eval()
        z, audio, label = torch.randn(1, 6), torch.randn(1, 12, 7), torch.zeros(1, K)
        said = [network.decoder.write(network.condition(z, torch.tensor([n]), label), audio) for n in (0, 1)]
        assert not torch.allclose(*said)
        along = network.condition(z[:, None].expand(-1, 12, -1), torch.tensor([0]), label)
        torch.testing.assert_close(network.decoder.write(along, audio), said[0])

    def test_labels_with_intensity(self):
        order = ("angry", "neutral", "sad")
        assert weight_label("sad", 1, order, "ignore").tolist() == [0, 0, 1]
        assert np.allclose(weight_label("sad", 1, order, "neutral_mix"), [0, 2 / 3, 1 / 3])
        assert weight_label("neutral", 1, order, "neutral_mix").tolist() == [0, 1, 0]


class TestMotion:
    def test_identity_flow_gives_the_divergence_without_flow(self):
        network = _nfmg().eval()
        mean, log_variance = torch.randn(2, 5, 8), torch.randn(2, 5, 8) * 0.3
        used = torch.ones(2, 5, dtype=torch.bool)
        z = mixtures.draw(mean, log_variance)
        found = nfmg.divergence(network, z, mean, log_variance, used)
        own = mixtures.log_normal(z, mean, log_variance) - mixtures.log_normal(z, torch.zeros(()), torch.zeros(()))
        torch.testing.assert_close(found, own.sum() / 80)

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

    def test_losses(self):
        for steps in (0, 2):
            network = _nfmg(flow_steps=steps)
            valid = torch.ones(3, 20, dtype=torch.bool)
            found = nfmg.losses(network, torch.randn(3, 20, 12), torch.randn(3, 20, 7), valid, 0.3)
            assert set(found) == {"rec", "kl", "vel", "total"}
            found["total"].backward()


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
        found = float(r1_penalty(network, picture, rendering))
        step = torch.randn_like(picture) * 1e-3
        picture.requires_grad_()
        (gradient,) = torch.autograd.grad(network(picture, rendering).sum(), picture)
        assert found == pytest.approx(float(gradient.pow(2).sum()) / 2, rel=1e-4)
        moved = float((network((picture + step).double().float(), rendering) - network(picture, rendering)).sum())
        assert moved == pytest.approx(float((gradient * step).sum()), abs=2e-4)

    def test_overfits_eight_frames(self):
        frames = people.draw_people(0, 1, 4, 64, 0).frames.reshape(8, 64, 64, 3)
        real = signed(frames)
        condition = torch.cat([signed(frames[:, :, ::-1].copy()), real[:, :1]], 1)
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


class TestData:
    def test_scale_has_a_floor(self):
        values = np.random.default_rng(0).normal(0, [1, 1, 1e-6], (500, 3)).astype(np.float32)
        scale = Scale.of([values])
        assert scale.deviation[2] == pytest.approx(0.2 * scale.deviation[:2].min(), rel=0.1)
        assert np.allclose(scale.back(scale.to(values)), values, atol=1e-5)

    def test_windows_pad_short_clips(self):
        clips = [(np.arange(n, dtype=np.float32)[:, None],) for n in (5, 40)]
        (found,), valid = Windows(clips, (10, 10)).batch([0, 1])
        assert valid.sum(1).tolist() == [5, 10]
        assert found[0, :5, 0].tolist() == [0, 1, 2, 3, 4]
        assert (found[1].diff(dim=0) == 1).all()

    def test_emotions_are_drawn_alike(self):
        labels = ["sad"] * 90 + ["happy"] * 10
        share = np.mean([labels[n] == "happy" for n in balanced(labels, 2000)])
        assert 0.45 < share < 0.55

    def test_pretraining_takes_long_clips_with_wide_motion(self):
        width = np.full(80, 50.0, np.float32)
        assert well_fitted(np.full(80, 1.0), width, np.ones(80, bool))
        assert not well_fitted(np.full(80, 3.0), width, np.ones(80, bool))
        assert not well_fitted(np.full(80, 1.0), width, np.arange(80) > 10)
        assert not well_fitted(np.full(70, 1.0), width[:70], np.ones(70, bool))
        clips = []
        for n in range(10):
            rho = np.zeros((80, 12), np.float32)
            rho[:, 1] = 0.01 * n * np.sin(np.arange(80))
            clips.append(
                ClipTracks(f"c{n}", "p", "", 0, np.zeros((80, 5), np.float32), rho, np.zeros((80, 3), np.float32))
            )
        assert [c.clip_id for c in wide_motion(clips, "d")] == [f"c{n}" for n in range(2, 10)]
        with pytest.raises(InputError, match="d: no clip is long and well fitted enough"):
            wide_motion([], "d")

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


class TestTraining:
    def _state(self):
        torch.manual_seed(1)
        network = torch.nn.Linear(4, 1)

        def update(step: int, updater: Updater):
            x = torch.randn(8, 4)
            loss = (network(x) - x.sum(1, keepdim=True)).pow(2).mean()
            updater.backward_and_step(loss, "adam", 1.0)
            return {"loss": loss}

        modules = torch.nn.ModuleDict({"net": network})
        return TrainState(modules, {"adam": torch.optim.Adam(network.parameters(), 0.02)}, update, {"net": 0.9})

    def test_a_stopped_training_goes_on_to_the_same_bits(self, tmp_path):
        whole = self._state()
        uninterrupted = train(whole, TrainConfig(60, seed=3, log_every=10), tmp_path / "a")
        assert uninterrupted.log[-1]["loss"] < uninterrupted.log[0]["loss"] / 2
        assert uninterrupted.parameters == 5
        assert uninterrupted.peak_memory > 2**20
        assert (tmp_path / "a" / "dvclive").exists()
        part = self._state()
        first = train(part, TrainConfig(60, seed=3, log_every=10, budget=1e-9, checkpoint_every=0), tmp_path / "b")
        assert first.stopped_early
        half = self._state()
        calls = []
        inner = half.update

        def killed(step, updater):
            calls.append(step)
            if step == 35:
                raise KeyboardInterrupt
            return inner(step, updater)

        half.update = killed
        with pytest.raises(KeyboardInterrupt):
            train(half, TrainConfig(60, seed=3, log_every=10, checkpoint_every=0), tmp_path / "c")
        again = self._state()
        resumed = train(again, TrainConfig(60, seed=3, log_every=10, checkpoint_every=0), tmp_path / "c")
        assert resumed.log == uninterrupted.log
        for a, b in zip(again.modules.parameters(), whole.modules.parameters(), strict=True):
            assert torch.equal(a, b)

    def test_another_checkpoint_is_refused(self, tmp_path):
        train(self._state(), TrainConfig(20, log_every=5, checkpoint_every=0), tmp_path)
        other = self._state()
        other.modules["net"] = torch.nn.Linear(5, 1)
        with pytest.raises(WeightsError, match="checkpoint of another training"):
            train(other, TrainConfig(20), tmp_path)

    def test_a_loss_that_is_no_number_stops(self):
        state = self._state()
        state.update = lambda step, updater: {"loss": torch.tensor(float("nan"))}
        with pytest.raises(FloatingPointError, match="loss loss is nan at step"):
            train(state, TrainConfig(5, log_every=1))

    def test_frozen_parameters_are_counted_apart_and_copies_not_at_all(self):
        state = self._state()
        state.modules["frozen"] = torch.nn.Linear(3, 2).requires_grad_(False)
        state.modules["best"] = torch.nn.Linear(4, 1).requires_grad_(False)
        state.copies = ("best",)
        report = train(state, TrainConfig(2))
        assert (report.parameters, report.frozen_parameters) == (5, 8)


class TestFiles:
    def test_round_trip_and_refusals(self, tmp_path, monkeypatch):
        network, path = _gmeg(), tmp_path / "gmeg.safetensors"
        path.write_bytes(checkpoint.pack("gmeg", network, {"emotions": ["sad"]}, {"mean": np.arange(3.0)}))
        assert checkpoint.facts_of(path, "gmeg")["emotions"] == ["sad"]
        other = _gmeg()
        assert checkpoint.unpack(path, other)["mean"].tolist() == [0, 1, 2]
        assert torch.equal(other.latent.weight, network.latent.weight)
        with pytest.raises(WeightsError, match="expected head"):
            checkpoint.facts_of(path, "head")
        earlier = tmp_path / "earlier.safetensors"
        with monkeypatch.context() as patch:
            patch.setattr(checkpoint, "CHECKPOINT_VERSION", 1)
            earlier.write_bytes(checkpoint.pack("gmeg", network, {}))
        with pytest.raises(WeightsError, match="version 2, got gmeg of version 1; train again"):
            checkpoint.facts_of(earlier, "gmeg")
        with pytest.raises(WeightsError, match="do not fit"):
            checkpoint.unpack(path, _gmeg(z=5))
        with pytest.raises(WeightsError, match="not trained yet"):
            checkpoint.facts_of(tmp_path / "nothing.safetensors", "gmeg")

    def test_settings_name_the_wrong_key(self):
        from gmbench.methods.gmtalker.method import GMTalker

        method = GMTalker()
        assert method.settings({}) == Settings()
        assert method.settings({}, ["wo_gm", "wo_emn"]).gmeg.prior == "normal"
        assert not method.settings({}, ["wo_gm", "wo_emn"]).head.emotion
        with pytest.raises(InputError, match=r"gmtalker: gmeg.widht"):
            method.settings({"gmeg": {"widht": 3}})
