"""Spectral features of 16 kHz sound: mel spectrograms and the MFCC that SyncNet was trained on."""

import functools
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.fft import dct

from gmbench.media import FPS, SAMPLE_RATE, Audio

MEL_BANDS = 80
MEL_HOP = 200
MEL_WINDOW = 16
LOGMEL_HOP = 320
MFCC_COEFFICIENTS = 13
SYNC_BANDS = 20
BLOCK = 4096
"""Windows of a long sound that are transformed at a time."""


def mel_spectrogram(audio: Audio) -> NDArray[np.float32]:
    """Mel spectrogram (80, columns) at 80 columns per second, in [-4, 4].

    n_fft 800, hop 200, 55 to 7600 Hz, pre-emphasis 0.97, dB less 20, floor -100 dB. Source: Wav2Lip's settings, which
    FlowVQTalker and EDTalk share.
    """
    from gmbench.audio.librosa_lock import librosa

    signal = np.asarray(audio, np.float64) / 32768.0
    emphasised = np.append(signal[:1], signal[1:] - 0.97 * signal[:-1])
    spectrum = np.abs(librosa.stft(emphasised, n_fft=800, hop_length=MEL_HOP, win_length=800))
    bands = _mel_filters(n_fft=800, n_mels=MEL_BANDS, fmin=55, fmax=7600) @ spectrum
    level = 20 * np.log10(np.maximum(bands, 1e-5)) - 20.0
    return np.asarray(np.clip(8.0 * (level + 100.0) / 100.0 - 4.0, -4.0, 4.0), np.float32)


def mel_windows(mel: NDArray[np.float32], frames: int, frames_before: int = 2) -> NDArray[np.float32]:
    """Windows of the mel spectrogram that belong to video frames: 16 columns, 0.2 s, five frames.

    Args:
        mel: (80, columns) of :func:`mel_spectrogram`.
        frames: T, number of video frames.
        frames_before: the window of frame t has the columns from floor(3.2 (t - frames_before)) on. 2 centres it, as
            EDTalk's lips see it; 0 starts at t, as a sync network sees the five frames t to t + 4.

    Returns:
        (T, 80, 16); before the first and after the last column those repeat.

    Raises:
        ValueError: a spectrogram without columns.

    Source: Wav2Lip's data loader, EDTalk's audio input.
    """
    return mel_windows_at(mel, np.arange(frames), frames_before)


def mel_windows_at(mel: NDArray[np.float32], numbers: NDArray[np.int64], frames_before: int = 2) -> NDArray[np.float32]:
    """The windows (n, 80, 16) of :func:`mel_windows` that belong to some frames, by their numbers (n,)."""
    if mel.ndim != 2 or mel.shape[1] == 0:
        raise ValueError(f"expected a mel spectrogram (80, columns), got {mel.shape}")
    starts = (numbers - frames_before) * SAMPLE_RATE // (MEL_HOP * FPS)
    columns = np.clip(starts[:, None] + np.arange(MEL_WINDOW), 0, mel.shape[1] - 1)
    return np.asarray(mel[:, columns].transpose(1, 0, 2))


def logmel(audio: Audio) -> NDArray[np.float32]:
    """Log-mel features (L, 80) at 50 Hz, L = floor((n - 80) / 320) as HuBERT's; mean 0 and variance 1 per band.

    80 bands 0 to 8 kHz, FFT 1024, window 800, hop 320, log(1e-5 + x).
    """
    from gmbench.audio.librosa_lock import librosa

    signal = np.asarray(audio, np.float64) / 32768.0
    count = max(0, (len(signal) - 80) // LOGMEL_HOP)
    power = np.abs(librosa.stft(signal, n_fft=1024, hop_length=LOGMEL_HOP, win_length=800)) ** 2
    bands = np.log(1e-5 + _mel_filters(n_fft=1024, n_mels=MEL_BANDS, fmin=0, fmax=8000) @ power)
    features = bands.T[:count]
    return np.asarray((features - features.mean(axis=0)) / (features.std(axis=0) + 1e-5), np.float32)


def syncnet_mfcc(audio: Audio) -> NDArray[np.float64]:
    """MFCC (columns, 13) of int16 samples, not scaled to 1, as SyncNet reads them.

    python_speech_features' defaults: pre-emphasis 0.97, rectangular windows of 400 samples every 160 (the
    last padded with zeros), FFT 512, 26 mel bands, log, orthonormal DCT-II, lifter 22; the first
    coefficient is the log of the frame's energy.
    """
    signal = np.asarray(audio, np.float64)
    emphasised = np.append(signal[:1], signal[1:] - 0.97 * signal[:-1])
    columns = 1 if len(signal) <= 400 else 1 + int(np.ceil((len(signal) - 400) / 160))
    padded = np.pad(emphasised, (0, max(0, (columns - 1) * 160 + 400 - len(signal))))
    frames = np.lib.stride_tricks.sliding_window_view(padded, 400)[::160][:columns]
    power = np.abs(np.fft.rfft(frames, 512)) ** 2 / 512.0
    tiny = np.finfo(float).eps
    energy = power.sum(axis=1)
    energy = np.where(energy == 0, tiny, energy)
    bands = power @ _mel_triangles().T
    bands = np.where(bands == 0, tiny, bands)
    cepstrum = dct(np.log(bands), type=2, axis=1, norm="ortho")[:, :MFCC_COEFFICIENTS]
    cepstrum *= 1 + 11.0 * np.sin(np.pi * np.arange(MFCC_COEFFICIENTS) / 22)
    cepstrum[:, 0] = np.log(energy)
    return np.asarray(cepstrum)


@functools.cache
def _mel_filters(**how: Any) -> NDArray[np.floating]:
    """Filters (bands, bins) of librosa at 16 kHz, made once a process, which takes as long as a clip's spectrum."""
    from gmbench.audio.librosa_lock import filters

    made: NDArray[np.floating] = filters.mel(sr=SAMPLE_RATE, **how)
    made.flags.writeable = False
    return made


@functools.cache
def _mel_triangles() -> NDArray[np.float64]:
    """(26, 257) triangular filters between FFT bins, edges rounded down."""
    mel = np.linspace(0, 2595 * np.log10(1 + SAMPLE_RATE / 2 / 700.0), 28)
    bins = np.floor(513 * 700 * (10 ** (mel / 2595.0) - 1) / SAMPLE_RATE)
    filters = np.zeros((26, 257))
    for band in range(26):
        left, middle, right = (int(b) for b in bins[band : band + 3])
        filters[band, left:middle] = (np.arange(left, middle) - left) / max(middle - left, 1)
        filters[band, middle:right] = (right - np.arange(middle, right)) / max(right - middle, 1)
    return filters


def frame_bands(audio: Audio) -> NDArray[np.float64]:
    """Log mean power (T, 20) of mel bands from 60 to 7,600 Hz in each complete video frame of 640 samples.

    Full scale 1, Hamming windows of 400 samples every 160, FFT 512, powers of four windows averaged, log(1e-8 + x).
    """
    frames = len(audio) // (SAMPLE_RATE // FPS)
    if frames == 0:
        return np.empty((0, SYNC_BANDS))
    signal = np.pad(np.asarray(audio, np.float64) / 32768.0, (0, 400))
    windows = np.lib.stride_tricks.sliding_window_view(signal, 400)[::160][: 4 * frames]
    triangles = _mel_filters(n_fft=512, n_mels=SYNC_BANDS, fmin=60, fmax=7600, htk=True, norm=1, dtype=np.float64)
    bands = np.empty((len(windows), SYNC_BANDS))
    for first in range(0, len(windows), BLOCK):
        power = np.abs(np.fft.rfft(windows[first : first + BLOCK] * np.hamming(400), 512)) ** 2 / 512.0
        bands[first : first + BLOCK] = power @ triangles.T
    return np.asarray(np.log(bands.reshape(frames, 4, SYNC_BANDS).mean(axis=1) + 1e-8))


def loudness_50ms(audio: Audio) -> NDArray[np.float64]:
    """Root mean square (1 + samples // 800,) of the 50 ms around every multiple of 50 ms, full scale 1.

    Beyond the ends there are zeros.

    Source: THEval's code, lip-sync: librosa's rms with frames and hops of 50 ms, there at the file's own rate.
    """
    block = SAMPLE_RATE // 20
    count = 1 + len(audio) // block
    padded = np.pad(np.asarray(audio, np.float64) / 32768.0, block // 2)
    samples = padded[: count * block].reshape(count, block)
    return np.asarray(np.sqrt((samples**2).mean(axis=1)))
