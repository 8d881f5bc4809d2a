"""Speech onsets, onset strength and loudness at the video's frame rate."""

import numpy as np
from numpy.typing import NDArray

from gmbench.media import FPS, SAMPLE_RATE, SAMPLES_PER_FRAME, Audio

HOP = 160
_STEPS_PER_FRAME = SAMPLES_PER_FRAME // HOP
_WINDOW = 2048
_MELS = 128
_BLOCK = 1000


def onset_envelope(audio: Audio) -> NDArray[np.float64]:
    """Onset strength every 10 ms: librosa's spectral flux of the log-mel spectrogram, 16 kHz, hop 160.

    The spectrogram is computed in blocks of ten seconds, so that memory hardly grows with the length.
    """
    from gmbench.audio.librosa_lock import feature, librosa, onset

    padded = np.pad(audio, _WINDOW // 2)
    count = 1 + len(audio) // HOP
    mel = np.empty((_MELS, count), np.float32)
    for start in range(0, count, _BLOCK):
        stop = min(start + _BLOCK, count)
        block = padded[start * HOP : (stop - 1) * HOP + _WINDOW].astype(np.float32) / 32768.0
        mel[:, start:stop] = feature.melspectrogram(
            y=block, sr=SAMPLE_RATE, n_fft=_WINDOW, hop_length=HOP, n_mels=_MELS, center=False
        )
    mel = librosa.power_to_db(mel)
    return np.asarray(onset.onset_strength(S=mel, sr=SAMPLE_RATE, hop_length=HOP), np.float64)


def onset_times(envelope: NDArray[np.float64]) -> NDArray[np.float64]:
    """Onsets in seconds from an envelope: librosa's default peak picking, no backtracking.

    Silence has none.
    """
    from gmbench.audio.librosa_lock import onset

    if not envelope.any():
        return np.empty(0)
    times = onset.onset_detect(onset_envelope=envelope, sr=SAMPLE_RATE, hop_length=HOP, units="time")
    return np.asarray(times, np.float64)


def onset_strength(envelope: NDArray[np.float64]) -> NDArray[np.float64]:
    """(T,) envelope averaged over each complete video frame of 40 ms."""
    frames = (len(envelope) - 1) // _STEPS_PER_FRAME
    return np.asarray(envelope[: frames * _STEPS_PER_FRAME].reshape(frames, _STEPS_PER_FRAME).mean(axis=1))


def frame_rms(audio: Audio) -> NDArray[np.float64]:
    """(T,) root mean square of each complete block of 640 samples, full scale 1."""
    frames = len(audio) // SAMPLES_PER_FRAME
    blocks = audio[: frames * SAMPLES_PER_FRAME].reshape(frames, SAMPLES_PER_FRAME) / 32768.0
    return np.asarray(np.sqrt((blocks**2).mean(axis=1)), np.float64)


def onset_frames(times: NDArray[np.float64]) -> NDArray[np.float64]:
    """Onset times in seconds as positions in frames, not rounded."""
    return times * FPS
