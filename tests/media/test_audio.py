import wave

import numpy as np
import pytest

from gmbench.audio import onsets
from gmbench.errors import MediaError
from gmbench.media import has_audio, read_audio
from tests.media.files import tone, write
from tests.shared import REAL, needs_real_clips


def write_wav(path, audio, rate):
    with wave.open(str(path), "wb") as file:
        file.setnchannels(len(audio))
        file.setsampwidth(2)
        file.setframerate(rate)
        file.writeframes(audio.T.tobytes())
    return path


def test_16_khz_mono_comes_out_as_it_is(tmp_path):
    audio = tone(0.5)
    assert np.array_equal(read_audio(write_wav(tmp_path / "a.wav", audio, 16000)), audio[0])


@pytest.mark.parametrize(("rate", "channels"), [(44100, 2), (48000, 1), (8000, 1)])
def test_other_rates_and_stereo_are_converted(tmp_path, rate, channels):
    audio = read_audio(write_wav(tmp_path / "a.wav", tone(1.0, rate, channels=channels), rate))
    assert audio.dtype == np.int16
    assert len(audio) == pytest.approx(16000, abs=2)
    expected = tone(1.0)[0]
    assert np.corrcoef(audio[200:15000], expected[200:15000])[0, 1] > 0.999


def test_video_without_sound_says_what_to_do(tmp_path):
    path = write(tmp_path / "a.mp4", [0.0, 0.04])
    assert not has_audio(path)
    with pytest.raises(MediaError, match=r"no audio track; put <clip>\.wav"):
        read_audio(path)


def test_sound_in_a_video(tmp_path):
    path = write(tmp_path / "a.mp4", np.arange(25) / 25, audio=tone(1.0))
    assert has_audio(path)
    assert len(read_audio(path)) >= 16000


@needs_real_clips
@pytest.mark.parametrize(
    ("video", "sound"),
    [
        ("edtalk_demo_A.mp4", "edtalk_mouth_source.wav"),
        ("geneface_zozo.mp4", "geneface_zozo.wav"),
        ("dreamtalk_english_neutral.mp4", "dreamtalk_english.m4a"),
        ("styletalk_demo.mp4", "reagan_clip1.wav"),
    ],
)
def test_track_and_driving_audio_lie_on_each_other(video, sound):
    """The lag between the two is 0.00 ms by cross-correlation: decoding loses no sample at the start."""
    a, b = read_audio(REAL / video).astype(float), read_audio(REAL / sound).astype(float)
    length = min(len(a), len(b), 1 << 17)
    spectrum = np.fft.rfft(a[:length], 2 * length) * np.conj(np.fft.rfft(b[:length], 2 * length))
    lag = int(np.argmax(np.fft.irfft(spectrum)))
    assert lag in (0, 1, 2 * length - 1)
    assert np.corrcoef(a[:length], b[:length])[0, 1] > 0.98


def bursts():
    times = [0.5, 1.0, 1.52, 2.04, 2.8, 3.5, 4.4, 5.2]
    signal = np.zeros(6 * 16000)
    for t in times:
        start, n = int(t * 16000), 480
        signal[start : start + n] += 8000 * np.hanning(n) * np.sin(2 * np.pi * 1000 * np.arange(n) / 16000)
    return signal.astype(np.int16), np.array(times)


def test_onsets_golden():
    audio, times = bursts()
    found = onsets.onset_times(onsets.onset_envelope(audio))
    assert len(found) == 8
    assert np.abs(found - times).max() <= 1 / 25
    assert onsets.onset_frames(found) == pytest.approx(found * 25)


def test_silence_has_no_onset():
    assert len(onsets.onset_times(onsets.onset_envelope(np.zeros(16000, np.int16)))) == 0


@pytest.mark.parametrize("samples", [1, 100, 16_000, 160_000, 163_217, 400_000])
def test_envelope_in_blocks_is_librosas(samples):
    from librosa import onset

    audio = np.resize(bursts()[0], samples)
    y = audio.astype(np.float32) / 32768
    envelope = onsets.onset_envelope(audio)
    assert envelope == pytest.approx(onset.onset_strength(y=y, sr=16000, hop_length=160), abs=1e-4)
    expected = onset.onset_detect(y=y, sr=16000, hop_length=160, units="time")
    assert onsets.onset_times(envelope) == pytest.approx(expected)


def test_series_have_one_value_a_video_frame():
    audio, _ = bursts()
    assert len(onsets.onset_strength(onsets.onset_envelope(audio))) == len(onsets.frame_rms(audio)) == 150
    assert onsets.frame_rms(np.full(6400, 16384, np.int16)) == pytest.approx(0.5)
    assert len(onsets.onset_strength(onsets.onset_envelope(audio[:100]))) == 0
