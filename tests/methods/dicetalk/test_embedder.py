"""The emotion embedder and the bank: gradients, masks, retrieval, and what training learns."""

import itertools
from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest
import torch

from gmbench.errors import InputError
from gmbench.methods.dicetalk.bank import EmotionBank
from gmbench.methods.dicetalk.embedder import (
    EmotionEmbedder,
    Gaussian,
    contrastive_loss,
    drop_modalities,
    pool,
    seen_in,
)
from gmbench.methods.dicetalk.embedder_training import PairSampler, train_embedder
from gmbench.methods.dicetalk.prior_reader import load_priors
from gmbench.methods.dicetalk.settings import Bank
from gmbench.morphable.synthetic.model import synthetic_model
from gmbench.nn import training as loop
from tests.methods.dicetalk.made import EMOTIONS, FACTS, SMALL, made_clips, made_voices, small


@pytest.fixture(autouse=True)
def _one_thread():
    torch.set_num_threads(1)


def _network(**changes):
    torch.manual_seed(0)
    settings = SMALL.embedder.model_copy(update=changes)
    return EmotionEmbedder(settings, 64, 5).eval()


def _known_by_sound(reader, learnt, others):
    """Share of other clips whose prior by sound is nearest to the mean of their emotion's over those learnt from."""

    def priors(clips):
        return np.stack([reader.of_tracks(c.beta, c.rho, c.audio, "sound").mean[0].numpy() for c in clips])

    means, labels = priors(learnt), np.array([clip.emotion for clip in learnt])
    centres = np.stack([means[labels == emotion].mean(0) for emotion in EMOTIONS])
    nearest = np.linalg.norm(priors(others)[:, None] - centres, axis=2).argmin(axis=1)
    return float(np.mean([EMOTIONS[n] == clip.emotion for n, clip in zip(nearest, others, strict=True)]))


class TestEmbedder:
    def test_pooling_equals_a_loop(self):
        torch.manual_seed(0)
        x, logits = torch.randn(2, 7, 3), torch.randn(2, 7)
        valid = torch.arange(7) < torch.tensor([[7], [4]])
        found = pool(x, logits, valid)
        for row, frames in enumerate((7, 4)):
            share = np.exp(logits[row, :frames].numpy())
            share /= share.sum()
            values = x[row, :frames].numpy()
            mean = (share[:, None] * values).sum(0)
            deviation = np.sqrt((share[:, None] * (values - mean) ** 2).sum(0))
            assert np.allclose(found.mean[row], mean, atol=1e-5)
            assert np.allclose(found.deviation[row], deviation, atol=1e-4)

    def test_padding_changes_nothing(self):
        network = _network()
        codes, states = torch.randn(1, 6, 64), torch.randn(1, 6, 5)
        alone = network(codes, states)
        longer = [torch.cat([x, torch.randn(1, 3, x.shape[2])], 1) for x in (codes, states)]
        padded = network(*longer, torch.arange(9)[None] < 6)
        assert torch.allclose(alone.mean, padded.mean, atol=1e-5)
        assert torch.allclose(alone.deviation, padded.deviation, atol=1e-4)

    def test_a_modality_that_is_left_out_counts_for_nothing(self):
        network = _network()
        codes, states = torch.randn(1, 6, 64), torch.randn(1, 6, 5)
        by_sound = network(codes, states, None, seen_in("sound", 1))
        assert torch.allclose(by_sound.mean, network(codes + 1, states, None, seen_in("sound", 1)).mean)
        by_face = network(codes, states, None, seen_in("face", 1))
        assert torch.allclose(by_face.mean, network(codes, states + 1, None, seen_in("face", 1)).mean)
        both = network(codes, states, None, seen_in("both", 1)).mean
        assert torch.allclose(both, network(codes, states).mean)
        assert not torch.allclose(both, by_sound.mean)
        visual = _network(fusion="none")
        assert torch.allclose(visual(codes, states).mean, visual(codes, states + 1).mean)

    def test_modalities_are_dropped_one_at_a_time(self):
        torch.manual_seed(0)
        seen = drop_modalities(10_000, 0.25)
        assert seen.any(1).all()
        assert (~seen).float().mean(0).tolist() == pytest.approx([0.25, 0.25], abs=0.02)

    def test_samples_spread_as_the_deviation_says(self):
        torch.manual_seed(0)
        drawn = Gaussian(torch.full((20_000, 2), 3.0), torch.tensor([0.5, 2.0]).expand(20_000, 2)).sample()
        assert drawn.mean(0).tolist() == pytest.approx([3, 3], abs=0.1)
        assert drawn.std(0).tolist() == pytest.approx([0.5, 2], rel=0.05)


class TestContrast:
    def test_equals_the_written_sum(self):
        torch.manual_seed(0)
        vectors, groups, kinds = torch.randn(4, 3), torch.tensor([0, 0, 1, 2]), torch.tensor([0, 0, 0, 1])
        unit = torch.nn.functional.normalize(vectors, dim=1)
        e = torch.exp(unit @ unit.T / 0.1)
        # 0 and 1 are alike; 2 is of their kind at another level and counts as neither; 3 is unlike
        wanted = -(torch.log(e[0, 1] / (e[0, 1] + e[0, 3])) + torch.log(e[1, 0] / (e[1, 0] + e[1, 3]))) / 2
        assert torch.allclose(contrastive_loss(vectors, groups, kinds, 0.1), wanted, atol=1e-5)
        with pytest.raises(ValueError, match="no two clips of a group"):
            contrastive_loss(vectors, torch.arange(4), kinds, 0.1)

    def test_pairs_are_of_one_group_and_batches_of_one_size(self):
        clips = made_clips()
        tracks = [(c.beta[:, :4], c.audio[:, :5]) for c in clips]
        sampler = PairSampler(tracks, clips, 6, (5, 9))
        torch.manual_seed(0)
        for _ in range(5):
            codes, states, valid, groups, kinds = sampler.draw(8)
            assert codes.shape[:2] == valid.shape == states.shape[:2]
            assert len(groups) == 8
            assert torch.equal(groups[::2], groups[1::2])
            assert torch.equal(kinds[::2], kinds[1::2])


class TestTraining:
    def test_learns_to_tell_emotions_apart(self, tmp_path):
        clips = made_clips(18)
        settings = small(embedder={"dropout": 0.0, "modality_dropout": 0.0,
                                   "train": {"steps": 60, "batch": 12, "rate": 3e-3}}).embedder  # fmt: skip
        content, _ = train_embedder(clips[:12], [], EMOTIONS, FACTS, synthetic_model(), settings, 0)
        (tmp_path / "embedder.safetensors").write_bytes(content)
        reader, prompts, facts = load_priors(tmp_path / "embedder.safetensors")
        assert prompts.shape == (3, 16)
        assert facts["emotions"] == list(EMOTIONS)
        for clip in clips[12:]:
            mean = reader.of_tracks(clip.beta, clip.rho, clip.audio).mean[0].numpy()
            assert EMOTIONS[int(((prompts - mean) ** 2).sum(1).argmin())] == clip.emotion

    def test_sound_learns_emotions_whoever_speaks_and_nothing_else_changes(self, tmp_path):
        def taught(name, again):
            values = {"dropout": 0.0, "train": {"steps": 60, "batch": 12, "rate": 3e-3}, "sound_again": again}
            settings = small(embedder=values).embedder
            content, report = train_embedder(
                clips[:12], [], EMOTIONS, FACTS, synthetic_model(), settings, 0, None, None, clips[12:60]
            )
            (tmp_path / name).write_bytes(content)
            return load_priors(tmp_path / name)[0], report

        clips = made_voices(72)
        before, _ = taught("a.safetensors", None)
        after, both = taught("b.safetensors", {"likeness": 1.0, "train": {"steps": 120, "batch": 12, "rate": 3e-3}})
        steps = [row["step"] for row in both.log]
        assert (both.steps, steps[-1]) == (180, 180.0)
        assert steps == sorted(set(steps))
        assert set(both.log[-1]) == {"step", "contrastive", "heard", "whole", "likeness"}
        assert _known_by_sound(after, clips[:60], clips[60:]) > 0.8
        assert _known_by_sound(before, clips[:60], clips[60:]) < 0.6  # its people's voices, not their emotions
        for clip in clips[60:]:
            old, new = (x.of_tracks(clip.beta, clip.rho, clip.audio, "face").mean for x in (before, after))
            assert torch.equal(old, new)

    def test_a_stopped_training_goes_on_to_the_same_bits(self, tmp_path):
        clips = made_clips()
        settings = small(embedder={"train": {"steps": 6, "batch": 8, "rate": 1e-3}}).embedder
        whole, _ = train_embedder(clips, [], EMOTIONS, FACTS, synthetic_model(), settings, 0)
        again, _ = train_embedder(clips, [], EMOTIONS, FACTS, synthetic_model(), settings, 0, tmp_path)
        assert whole == again

    def test_a_second_training_that_was_stopped_goes_on_to_the_same_bits(self, tmp_path, monkeypatch):
        def stop(step, steps, losses):
            assert steps == 9
            if step > 6:
                raise KeyboardInterrupt

        clips, model = made_clips(), synthetic_model()
        again = {"train": {"steps": 6, "batch": 8, "rate": 1e-3}}
        settings = small(embedder={"train": {"steps": 3, "batch": 8, "rate": 1e-3}, "sound_again": again}).embedder
        whole, _ = train_embedder(clips, [], EMOTIONS, FACTS, model, settings, 0)
        with monkeypatch.context() as patch:
            minutes = itertools.count(0, 120)
            patch.setattr(loop, "time", SimpleNamespace(monotonic=lambda: next(minutes)))  # a checkpoint at each step
            with pytest.raises(KeyboardInterrupt):
                train_embedder(clips, [], EMOTIONS, FACTS, model, settings, 0, tmp_path, stop)
        assert torch.load(tmp_path / "sound" / "checkpoint.pt")["step"] == 3
        assert train_embedder(clips, [], EMOTIONS, FACTS, model, settings, 0, tmp_path)[0] == whole

    def test_a_second_training_needs_two_emotions(self):
        clips = [replace(clip, emotion="sad") for clip in made_clips()]
        with pytest.raises(InputError, match="sound_again needs labelled clips of two emotions; set it to null"):
            train_embedder(clips, [], ("sad",), FACTS, synthetic_model(), SMALL.embedder, 0)

    def test_sound_is_not_taught_where_none_is_read(self):
        with pytest.raises(ValueError, match="sound_again: without fusion no sound is read"):
            small(embedder={"fusion": "none", "sound_again": {}})

    def test_nothing_to_tell_apart_is_an_error(self):
        clips = [replace(clip, speaker="one", emotion="sad") for clip in made_clips(3)]
        with pytest.raises(InputError, match="needs clips of two people or emotions"):
            train_embedder(clips, [], ("sad",), FACTS, synthetic_model(), SMALL.embedder, 0)


class TestBank:
    @pytest.fixture
    def priors(self):
        torch.manual_seed(0)
        return torch.randn(40, 6) + 4 * torch.randint(0, 4, (40, 1))

    @staticmethod
    def _bank(**changes):
        torch.manual_seed(0)
        return EmotionBank(Bank(**{"entries": 8, "width": 16, "tokens": 3, "heads": 2} | changes), 6)

    def test_what_asks_is_learnt_only_with_more_than_one_key(self, priors):
        for tokens, learnt in ((3, True), (1, False)):
            bank = self._bank(tokens=tokens)
            bank(priors).tokens.square().sum().backward()
            assert (bank.query.weight.grad.abs().max() > 1e-3) == learnt

    def test_k_means_uses_more_entries_than_the_uniform_start(self):
        torch.manual_seed(0)
        priors, used = 5 + 0.3 * torch.randn(40, 6), {}  # far from zero, as priors are
        for start in ("k_means", "uniform"):
            bank = self._bank(start=start)
            bank.start(priors)
            used[start] = len(bank(priors).indices.unique())
        assert used["k_means"] > 2 * used["uniform"]

    def test_the_loss_moves_entries_and_projection(self, priors):
        bank = self._bank()
        bank.start(priors)
        bank(priors).loss.backward()
        assert bank.table.codes.grad.abs().max() > 0
        assert bank.project.weight.grad.abs().max() > 0
        assert bank.asking.layers[0].weight.grad is None

    def test_an_emotion_that_is_left_out_is_the_same_for_every_prior(self, priors):
        for changes in ({}, {"kind": "none"}, {"kind": "learnable"}):
            bank = self._bank(**changes)
            bank.start(priors)
            bank.eval()
            for every in (False, True):
                nothing = bank(priors, torch.zeros(40), every).tokens
                assert torch.allclose(nothing, nothing[:1].expand_as(nothing), atol=1e-6)
                assert not torch.allclose(bank(priors, None, every).tokens, nothing)
        bank = self._bank()
        bank.eval()
        assert not torch.allclose(bank.whole_bank(1), bank(priors[:1], torch.zeros(1)).tokens)

    def test_generation_sees_all_entries(self, priors):
        bank = self._bank()
        bank.start(priors)
        bank.eval()
        one, every = bank(priors).tokens, bank(priors, None, True).tokens
        assert one.shape == every.shape == (40, 3, 16)
        assert not torch.allclose(one, every)
