"""Speech onsets, onset strength and loudness at the video's frame rate."""

import numpy as np
from numpy.typing import NDArray

from gmbench.media import FPS, SAMPLE_RATE, SAMPLES_PER_FRAME, Audio

HOP = 160
_STEPS_PER_FRAME = SAMPLES_PER_FRAME // HOP


def onset_times(audio: Audio) -> NDArray[np.float64]:
    """Onsets in seconds: librosa's onset detector at hop 160, default peak picking, no backtracking.

    Silence has none.
    """
    from librosa import onset  # type: ignore[attr-defined]

    if not audio.any():
        return np.empty(0)
    found = onset.onset_detect(y=_as_float(audio), sr=SAMPLE_RATE, hop_length=HOP, units="time")
    return np.asarray(found, np.float64)


def onset_strength(audio: Audio) -> NDArray[np.float64]:
    """(T,) onset strength (spectral flux) averaged over each video frame of 40 ms."""
    from librosa import onset  # type: ignore[attr-defined]

    if len(audio) < SAMPLES_PER_FRAME:
        return np.empty(0)
    envelope = onset.onset_strength(y=_as_float(audio), sr=SAMPLE_RATE, hop_length=HOP)
    frames = len(audio) // SAMPLES_PER_FRAME
    steps = np.resize(envelope, frames * _STEPS_PER_FRAME).reshape(frames, _STEPS_PER_FRAME)
    return np.asarray(steps.mean(axis=1), np.float64)


def frame_rms(audio: Audio) -> NDArray[np.float64]:
    """(T,) root mean square of each complete block of 640 samples, full scale 1."""
    frames = len(audio) // SAMPLES_PER_FRAME
    blocks = audio[: frames * SAMPLES_PER_FRAME].reshape(frames, SAMPLES_PER_FRAME) / 32768.0
    return np.asarray(np.sqrt((blocks**2).mean(axis=1)), np.float64)


def onset_frames(times: NDArray[np.float64]) -> NDArray[np.float64]:
    """Onset times in seconds as positions in frames, not rounded."""
    return times * FPS


def _as_float(audio: Audio) -> NDArray[np.float32]:
    return audio.astype(np.float32) / 32768.0
