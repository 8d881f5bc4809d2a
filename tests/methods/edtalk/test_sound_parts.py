"""EDTalk's audio parts: lips, pose, semantics, teachers."""

from types import SimpleNamespace

import numpy as np
import pytest
import torch

from gmbench.audio.spectra import mel_spectrogram, mel_windows
from gmbench.corpus.track_people import draw_track_people
from gmbench.errors import InputError, WeightsError
from gmbench.media import write_audio
from gmbench.methods.edtalk.decouple_training import load_decoupled
from gmbench.methods.edtalk.encoding import encode_clips
from gmbench.methods.edtalk.frames import TrainingFrames
from gmbench.methods.edtalk.lip_training import train_lips
from gmbench.methods.edtalk.lips import LipEncoder, load_lips, smooth
from gmbench.methods.edtalk.pose import PoseGenerator, PoseSampler
from gmbench.methods.edtalk.pose_training import PoseBatches, pose_losses, train_posemotion
from gmbench.methods.edtalk.semantics import SemanticReader, kept_modalities, new_network
from gmbench.methods.edtalk.semantics_training import semantic_loss, train_semantics
from gmbench.methods.edtalk.sounds import read_mels, read_words, sounds, word_places
from gmbench.methods.edtalk.sync_windows import SyncWindows
from gmbench.methods.edtalk.teacher_training import face_labels
from gmbench.methods.edtalk.teachers import FaceTeacher
from gmbench.methods.picture_tracks import ClipMotion
from tests.methods.edtalk.conftest import made_spoken, made_tracks
from tests.methods.edtalk.made import FACTS, SIDE, SMALL, made_mels, made_motion, made_people, made_sound


def test_lips_come_from_windows_of_sound():
    network = LipEncoder((4, 8, 8, 8, 8), 20).eval()
    assert network(torch.randn(3, 80, 16)).shape == (3, 20)


def test_standardised_lips_tell_weights_in_deviations(trained, tmp_path):
    people = made_people()
    settings = SMALL.lips.model_copy(update={"standardised": True, "pictures_every": 2})
    files = [trained[0] / f"{name}.safetensors" for name in ("decouple", "teachers")]
    content, report = train_lips(people, made_mels(people), *files, settings, 0)
    (path := tmp_path / "lips.safetensors").write_bytes(content)
    network, frames = load_lips(path), TrainingFrames(people, SIDE)
    seen = np.concatenate(encode_clips(load_decoupled(files[0]), frames, frames.of_clip, ("mouth",))["mouth"])
    assert network.mean.numpy() == pytest.approx(seen.mean(0), abs=1e-5)
    assert network.deviation.numpy() == pytest.approx(seen.std(0, ddof=1), rel=1e-3)
    assert torch.equal(load_lips(trained[0] / "lips.safetensors").deviation, torch.ones(20))
    drawn = [{"rec", "mouth", "sync"} <= set(row) for row in report.log]
    assert drawn == [True, False, True]


def test_sounds_and_words_of_drawn_clips_stand_in_their_places(tmp_path):
    people, audio = made_people(3), made_sound(20)
    write_audio(path := tmp_path / "c0.wav", made_sound(12))
    drawn = [SimpleNamespace(clip_id=clip.clip_id, transcript=f"words {clip.clip_id}") for clip in people.clips[1:]]
    heard = list(sounds(people, [path, audio, audio[:640]]))
    assert [len(sound) for sound in heard] == [12 * 640, len(audio), 640]
    spoken = SimpleNamespace(transcripts={"c0": "own"}, true_tracks=None)
    assert read_words(people, spoken, spoken, drawn) == ["own", "words c1", "words c2"]


def test_windows_of_drawn_parts_reach_into_the_sound_beside_them(tmp_path):
    (whole,) = draw_track_people(1, ["happy"], takes=1, frames=30)
    part, audio = whole.part(6), whole.sound
    people, first = made_people(2), np.flatnonzero((whole.rho == part.rho[0]).all(1))[0]
    write_audio(path := tmp_path / "c0.wav", made_sound(12))
    mels = read_mels(people, [path, audio], tmp_path / "mels", [part])
    frames = np.array([0, 3])
    assert np.array_equal(mels.windows(1, frames), mel_windows(mel_spectrogram(audio), 30)[[first, first + 3]])
    own = mel_spectrogram(next(sounds(people, [path, audio])))
    assert np.array_equal(mels.windows(0, frames), mel_windows(own, 12)[[0, 3]])


def test_smoothing_keeps_what_does_not_move_and_the_weights_sum_to_one():
    still = torch.ones(6, 3) * 2
    torch.testing.assert_close(smooth(still), still)
    spike = torch.zeros(5, 1)
    spike[2] = 1
    assert smooth(spike)[:, 0].tolist() == pytest.approx([0, 0.274, 0.452, 0.274, 0])


def test_mels_of_frames_are_those_of_the_whole_clip():
    people = made_people(2)
    mels = made_mels(people)
    found = mels.windows(1, np.array([3, 7]))
    whole = mel_windows(np.asarray(mels.bands[mels.edges[1] :]).T, 12)
    assert np.array_equal(found, whole[[3, 7]])


class TestPose:
    def test_inverse_of_forward(self, trained):
        network = PoseSampler(trained[0] / "posemotion.safetensors").network
        x, windows = torch.randn(30, 6), torch.randn(30, 5, 160)
        z, _ = network.encode(x, windows)
        assert float((network.decode(z, windows) - x).abs().max()) < 1e-4

    def test_the_sound_reaches_the_pose(self):
        network = PoseGenerator(SMALL.posemotion, 160, 6)
        for parameter in network.parameters():
            parameter.data += 0.1 * torch.randn_like(parameter)
        z = torch.randn(4, 6)
        assert not torch.allclose(network.decode(z, torch.randn(4, 5, 160)), network.decode(z, torch.randn(4, 5, 160)))

    def test_a_batch_holds_frames_with_their_sound_and_neighbours(self):
        tracks, audio = made_tracks(2, frames=10)
        batch = PoseBatches(tracks, audio, SMALL.posemotion).draw(5)
        assert len(batch.x) == 5 * 8
        for row in range(0, 40, 7):
            ((n, t),) = [(n, t) for n in range(2) for t in range(10) if np.allclose(tracks[n][t], batch.x[row])]
            padded = np.pad(audio[n], ((2, 2), (0, 0)))
            assert np.allclose(batch.windows[row], padded[t : t + 5])
        for first, second in batch.pairs.tolist():
            assert int(batch.of[first]) == int(batch.of[second])
            assert second == first + 1
        assert len(batch.pairs) == 5 * 7

    def test_a_windows_frames_share_one_latent(self):
        network = PoseGenerator(SMALL.posemotion, 160, 6)
        tracks, audio = made_tracks(1, frames=12)
        batch = PoseBatches([np.zeros_like(tracks[0])], audio, SMALL.posemotion).draw(2)
        assert float(pose_losses(network, batch)["tem"]) < 1e-10  # at the start no sound changes a latent's frames

    def test_a_regression_has_no_latents(self, tmp_path):
        settings = SMALL.posemotion.model_copy(update={"kind": "mean"})
        content, report = train_posemotion(*made_tracks(), FACTS, settings, 0)
        (tmp_path / "posemotion.safetensors").write_bytes(content)
        assert "mle" not in report.log[-1]
        sampler, audio = PoseSampler(tmp_path / "posemotion.safetensors"), made_tracks()[1][0]
        assert torch.equal(sampler.sample(audio, 0, 1.0, 0.9), sampler.sample(audio, 1, 1.0, 0.9))

    @pytest.mark.parametrize(("components", "kept"), [(4, 4), (64, 6)])
    def test_long_weights_are_made_as_their_principal_components(self, tmp_path, components, kept):
        tracks, audio = made_tracks()
        spread = np.linalg.qr(np.random.default_rng(0).standard_normal((200, 6)))[0].T.astype(np.float32)
        long = [(track * [3, 2.5, 2, 1.5, 1, 0.5]).astype(np.float32) @ spread for track in tracks]  # of rank 6
        settings = SMALL.posemotion.model_copy(update={"components": components})
        (tmp_path / "posemotion.safetensors").write_bytes(train_posemotion(long, audio, FACTS, settings, 0)[0])
        sampler = PoseSampler(tmp_path / "posemotion.safetensors")
        assert sampler.network.size == kept
        found = sampler.sample(audio[0], 0, 1.0, 0.9).numpy()
        assert found.shape == (len(audio[0]), 200)
        varying = np.linalg.svd(np.concatenate([x - x.mean(0) for x in long]))[2][:kept]
        assert np.allclose(found @ varying.T @ varying, found, atol=1e-3)  # nothing beside the principal directions

    def test_seeds_differ_and_temperature_zero_does_not(self, trained):
        sampler, audio = PoseSampler(trained[0] / "posemotion.safetensors"), made_tracks()[1][0]
        warm = [sampler.sample(audio, seed, 1.0, 0.9) for seed in (0, 0, 1)]
        assert torch.equal(warm[0], warm[1])
        assert float((warm[0] - warm[2]).abs().mean()) > 0.1 * float(sampler.scale.deviation.mean())
        assert torch.equal(sampler.sample(audio, 0, 0.0, 0.9), sampler.sample(audio, 1, 0.0, 0.9))


class TestSemantics:
    def test_draws_leave_out_modalities_as_often_as_they_should(self):
        speech, text = kept_modalities(torch.rand(20_000))
        shares = [float(part.float().mean()) for part in (speech & text, speech & ~text, ~speech & text)]
        assert shares == pytest.approx([0.5, 0.25, 0.25], abs=0.015)

    def test_a_modality_that_is_left_out_changes_nothing(self):
        network, _ = new_network(SMALL.semantics, 160, 10)
        clips = made_spoken()
        batch = network.batch([(c.audio, c.features, c.text) for c in clips])
        others = network.batch([(c.audio, c.features[::-1] * 2, c.text) for c in clips])
        text_alone, sound_alone = torch.full((4,), 0.3), torch.full((4,), 0.1)
        torch.testing.assert_close(network(batch, text_alone), network(others, text_alone))
        assert not torch.allclose(network(batch, sound_alone), network(others, sound_alone))
        assert torch.allclose(network(batch)[1], network(batch, sound_alone)[1])  # the second clip has no words

    def test_words_are_learnt(self):
        clips = made_spoken()
        settings = SMALL.semantics.model_copy(update={
            "train": SMALL.semantics.train.model_copy(update={"steps": 60, "batch": 4, "rate": 1e-2})
        })  # fmt: skip
        _, report = train_semantics(clips, FACTS, settings, 0)
        assert report.log[-1]["l1"] < 0.6 * report.log[0]["l1"]

    def test_convolutions_hear_a_sound_alone_and_beside_longer_ones_alike(self):
        settings = SMALL.semantics.model_copy(update={"tone": "convolutions", "layers": 2})
        network, _ = new_network(settings, 160, 10)
        sounds = [torch.randn(frames, 160) for frames in (7, 12)]
        padded, valid = torch.zeros(2, 12, 160), torch.ones(2, 12, dtype=torch.bool)
        padded[0, :7], padded[1], valid[0, 7:] = sounds[0], sounds[1], False
        alone = network.speech(sounds[0][None], torch.ones(1, 7, dtype=torch.bool))
        torch.testing.assert_close(network.speech(padded, valid)[:1], alone)
        with pytest.raises(ValueError, match="transformer"):
            settings.model_validate(settings.model_dump() | {"tone": "bag"})

    def test_long_sounds_are_read_in_parts(self, trained):
        reader = SemanticReader(trained[0] / "semantics.safetensors", torch.device("cpu"))
        features = np.random.default_rng(0).normal(0, 1, (600, 160)).astype(np.float32)
        assert reader.expression(made_sound(600), features, "happy").shape == (10,)

    def test_words_are_hashed_without_case_and_punctuation(self):
        assert word_places("So HAPPY, so", 64) == word_places("so happy", 64)
        assert word_places("  ", 64) == []
        assert word_places("rage", 10_000) != word_places("joy", 10_000)

    def test_networks_of_the_user_take_part(self, tmp_path):
        transformers = pytest.importorskip("transformers")
        small = {"hidden_size": 16, "num_hidden_layers": 1, "num_attention_heads": 2, "intermediate_size": 16}
        hubert = transformers.HubertConfig(**small, conv_dim=[8] * 7, num_conv_pos_embeddings=4,
                                           num_conv_pos_embedding_groups=2)  # fmt: skip
        transformers.HubertModel(hubert).save_pretrained(tmp_path / "hubert")
        roberta = transformers.RobertaConfig(**small, vocab_size=30, max_position_embeddings=40)
        transformers.RobertaModel(roberta).save_pretrained(tmp_path / "roberta")
        settings = SMALL.semantics.model_copy(
            update={"speech": str(tmp_path / "hubert"), "text": str(tmp_path / "roberta")}
        )
        network, _ = new_network(settings, 160, 10)
        network.text._tokenizer = lambda text, **_: {"input_ids": [0, *range(3, 3 + len(text.split())), 2]}
        assert not any(p.requires_grad for p in network.speech.network.feature_extractor.parameters())
        loss = semantic_loss(network, made_spoken(), torch.tensor([0.9, 0.1, 0.3, 0.9]))
        loss.backward()
        assert float(network.speech.network.encoder.layers[0].attention.q_proj.weight.grad.abs().sum()) > 0
        assert float(network.text.network.embeddings.word_embeddings.weight.grad.abs().sum()) > 0
        with pytest.raises(WeightsError, match="expected a hubert, got a roberta"):
            new_network(settings.model_copy(update={"speech": str(tmp_path / "roberta")}), 160, 10)
        with pytest.raises(WeightsError, match="no roberta here"):
            new_network(settings.model_copy(update={"text": str(tmp_path / "none")}), 160, 10)


class TestTeachers:
    def test_labels_of_all_people_are_told_and_unknown_coefficients_are_not(self):
        people = made_people()
        motion = made_motion(people)
        known = np.ones(12, bool)
        known[3] = False
        motion[2] = ClipMotion(motion[2].beta, motion[2].rho, known)
        del motion[4]
        labels = face_labels(TrainingFrames(people, SIDE), motion)
        assert labels.names == ("happy", "neutral", "sad")
        unknown = np.isnan(labels.coefficients).all(axis=1)
        assert np.flatnonzero(unknown).tolist() == [27, *range(48, 60)]
        assert labels.emotions.tolist() == [n // 24 % 3 for n in range(72)]
        with pytest.raises(InputError, match="no training clip has coefficients"):
            face_labels(TrainingFrames(people, SIDE), {})

    def test_runs_have_no_gap(self):
        people = made_people(2)
        people.landmarks[6] = np.nan
        windows = SyncWindows(TrainingFrames(people, SIDE), [0, 1])
        assert windows.starts[0].tolist() == [0, 1, 7]
        _, first = windows.draw(3)
        assert windows.lips(first, (8, 16)).shape == (3, 15, 8, 16)

    def test_a_face_is_told_at_any_side(self):
        told = FaceTeacher((4, 8), 6, 5, 3)(torch.randn(2, 3, 32, 32))
        assert (told.motion.shape, told.coefficients.shape, told.logits.shape) == ((2, 6), (2, 5), (2, 3))
