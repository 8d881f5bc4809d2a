import os
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from transformers import HubertConfig, HubertModel

from gmbench.audio import hubert, spectra
from gmbench.config import AudioSection
from gmbench.errors import WeightsError
from gmbench.media import write_audio
from gmbench.stages.audio import feature_key


@pytest.fixture(scope="module")
def saved(tmp_path_factory):
    """A small HuBERT of the class of the large one, randomly initialised."""
    torch.manual_seed(0)
    config = HubertConfig(
        hidden_size=32, num_hidden_layers=2, num_attention_heads=2, intermediate_size=64, conv_dim=(16,) * 7,
        do_stable_layer_norm=True, feat_extract_norm="layer", conv_bias=True, num_conv_pos_embeddings=16,
        num_conv_pos_embedding_groups=4,
    )  # fmt: skip
    folder = tmp_path_factory.mktemp("hubert")
    HubertModel(config).save_pretrained(folder)
    return folder


def noise(samples, seed=0):
    return np.random.default_rng(seed).normal(0, 2000, samples).astype(np.int16)


def test_mfcc_of_a_tone_and_of_silence():
    tone = np.round(8000 * np.sin(2 * np.pi * 440 * np.arange(16000) / 16000)).astype(np.int16)
    mfcc = spectra.syncnet_mfcc(tone)
    expected = [19.0659, 19.5056, 2.6487, -13.1938, -26.1647, -32.5291, -28.6756, -17.6733, -2.3708, 10.7917, 18.8929, 18.6873, 12.3759]  # fmt: skip # noqa: E501
    assert mfcc.shape == (99, 13)
    assert np.allclose(mfcc[50], expected, atol=1e-3)
    silence = spectra.syncnet_mfcc(np.zeros(16000, np.int16))
    assert np.allclose(silence[0], [-36.0437, *[0] * 12], atol=1e-4)


def test_mel_is_80_columns_a_second_within_its_range():
    mel = spectra.mel_spectrogram(noise(32000))
    assert mel.shape == (80, 161)
    assert mel.min() >= -4
    assert mel.max() <= 4
    loud, quiet = (spectra.mel_spectrogram((noise(16000) // k).astype(np.int16)).mean() for k in (1, 8))
    assert loud - quiet == pytest.approx(20 * np.log10(8) * 0.08, abs=0.1)


@pytest.mark.parametrize(
    ("frames_before", "starts"),
    [(2, [-7, -4, 0, 3, 6, 9, 12, 16, 19]), (0, [0, 3, 6, 9, 12, 16, 19, 22, 25])],
)
def test_mel_windows_follow_the_video(frames_before, starts):
    """floor(3.2 (t - 2)) centred, floor(3.2 t) for sync; indices are clipped at both ends."""
    mel = np.tile(np.arange(160, dtype=np.float32), (80, 1))
    windows = spectra.mel_windows(mel, 50, frames_before)
    assert windows.shape == (50, 80, 16)
    for frame, start in enumerate(starts):
        expected = np.clip(np.arange(start, start + 16), 0, 159)
        assert np.array_equal(windows[frame, 0], expected)
        assert np.array_equal(windows[frame, 79], expected)
    last = int(np.floor(3.2 * (49 - frames_before)))
    assert np.array_equal(windows[49, 0], np.minimum(np.arange(last, last + 16), 159))


def test_a_sound_stands_in_the_middle_of_its_frames_window():
    audio = np.zeros(32000, np.int16)
    audio[25 * 640 + 320] = 30000  # in the middle of frame 25
    windows = spectra.mel_windows(spectra.mel_spectrogram(audio), 50)
    loudness = windows.mean(axis=1)
    touched = np.flatnonzero(loudness.max(axis=1) > -3.9)
    assert touched.mean() == pytest.approx(25, abs=0.51)
    assert loudness[25].argmax() == pytest.approx(7.5, abs=1.6)
    with pytest.raises(ValueError, match="columns"):
        spectra.mel_windows(np.zeros((80, 0), np.float32), 3)


def test_logmel_has_huberts_length_and_is_normalised():
    features = spectra.logmel(noise(16000))
    assert features.shape == (49, 80)
    assert np.allclose(features.mean(axis=0), 0, atol=1e-4)
    assert np.allclose(features.std(axis=0), 1, atol=1e-2)


@pytest.mark.parametrize(
    ("samples", "frames"), [(399, 0), (400, 1), (719, 1), (720, 2), (320_000, 999), (320_080, 1000)]
)
def test_frame_counts(saved, samples, frames):
    assert hubert.frame_count(samples) == frames
    assert hubert.load(saved)(noise(samples)).shape == (frames, 32)


def test_chunks_tile_to_the_whole_count(saved):
    samples = 2 * hubert.CHUNK + 5000
    parts = [(stop - start - 400) // 320 + 1 for start, stop in hubert.chunks(samples)]
    assert sum(parts) == hubert.frame_count(samples)
    assert hubert.load(saved)(noise(samples)).shape[0] == hubert.frame_count(samples)


def test_features_are_the_networks_last_hidden_state(saved):
    audio = noise(16000)
    network = HubertModel.from_pretrained(saved).eval()
    with torch.inference_mode():
        expected = network(torch.from_numpy(hubert.normalise(audio))[None]).last_hidden_state[0].numpy()
    assert np.allclose(hubert.load(saved)(audio), expected, atol=5e-3)


def test_loudness_does_not_matter(saved):
    model = hubert.load(saved)
    audio = noise(8000)
    assert np.allclose(model(audio), model((audio // 2).astype(np.int16)), atol=0.05)


def test_short_features_are_padded_by_repetition_and_long_ones_cut():
    features = np.arange(9, dtype=np.float32)[:, None]  # L = 2 T - 1
    assert hubert.to_video_rate(features, 5, "mean")[:, 0].tolist() == [0.5, 2.5, 4.5, 6.5, 8.0]
    assert hubert.to_video_rate(features, 2, "concat").tolist() == [[0, 1], [2, 3]]
    with pytest.raises(ValueError, match="mean or concat"):
        hubert.to_video_rate(features, 5, "sum")
    with pytest.raises(ValueError, match="no features"):
        hubert.to_video_rate(features[:0], 5)


def test_missing_or_other_weights_are_named(tmp_path, saved):
    with pytest.raises(WeightsError, match="hubert-large-ls960-ft"):
        hubert.load(tmp_path)
    (tmp_path / "config.json").write_text((saved / "config.json").read_text())
    (tmp_path / "model.safetensors").write_bytes(b"no weights")
    with pytest.raises(WeightsError, match="cannot be loaded"):
        hubert.load(tmp_path)


def test_the_key_changes_with_extractor_and_weights(tmp_path):
    path = Path(tmp_path / "a.wav")
    write_audio(path, noise(8000))
    keys = {
        feature_key(AudioSection(extractor="logmel"), "", path),
        feature_key(AudioSection(extractor="hubert"), "abc", path),
        feature_key(AudioSection(extractor="hubert"), "abd", path),
    }
    assert len(keys) == 3


@pytest.mark.slow
@pytest.mark.skipif(not os.environ.get("GMBENCH_SLOW_TESTS"), reason="half a minute; set GMBENCH_SLOW_TESTS=1")
def test_processes_that_start_at_once_do_not_spoil_the_compiled_functions(tmp_path):
    code = (
        "import numpy as np; from gmbench.audio import onsets;"
        "e = np.zeros(400); e[[50, 150, 250]] = 1.0; print(len(onsets.onset_times(e)))"
    )
    environment = {**os.environ, "NUMBA_CACHE_DIR": str(tmp_path)}
    together = [
        subprocess.Popen([sys.executable, "-c", code], env=environment, stdout=subprocess.PIPE, text=True)
        for _ in range(3)
    ]
    printed = [process.communicate()[0].strip() for process in together]
    later = subprocess.run([sys.executable, "-c", code], env=environment, capture_output=True, text=True, check=True)
    assert [*printed, later.stdout.strip()] == ["3"] * 4


def test_a_process_reads_hubert_once_and_again_when_its_files_change(saved, tmp_path):
    folder = tmp_path / "hubert"
    shutil.copytree(saved, folder)
    first = hubert.load(folder)
    assert hubert.load(folder) is first
    (folder / "config.json").write_text((folder / "config.json").read_text() + "\n")
    again = hubert.load(folder)
    assert again is not first
    assert again.sha256 != first.sha256
