"""Where somebody speaks: voice activity of a sound per video frame."""

import functools
from typing import Any

import numpy as np
from numpy.typing import NDArray

from gmbench import extras
from gmbench.media import SAMPLE_RATE, SAMPLES_PER_FRAME, Audio

PACKAGE = "silero-vad"
_SETTINGS = {
    "threshold": 0.5, "neg_threshold": 0.35, "min_speech_duration_ms": 250, "min_silence_duration_ms": 100,
    "speech_pad_ms": 30,
}  # fmt: skip
"""Those of the package, and of THEval."""


def installed_version() -> str:
    """Version of the network of voice activity, which its package brings along; empty where it is not installed."""
    return extras.installed_version(PACKAGE)


def speech_frames(audio: Audio) -> NDArray[np.bool_]:
    """Frames (T,) in which somebody speaks, T complete blocks of 640 samples; Silero VAD on onnxruntime.

    A stretch of speech from second a to b covers frames floor(25 a) to floor(25 b).

    Raises:
        PackageError: the package is not installed.
    """
    import torch

    frames = len(audio) // SAMPLES_PER_FRAME
    result = np.zeros(frames, bool)
    network, timestamps = _network()
    samples = torch.from_numpy(np.asarray(audio, np.float32) / 32768.0)
    for stretch in timestamps(samples, network, sampling_rate=SAMPLE_RATE, **_SETTINGS):
        first, last = (int(stretch[end]) // SAMPLES_PER_FRAME for end in ("start", "end"))
        result[first : last + 1] = True
    return result


@functools.cache
def _network() -> tuple[Any, Any]:
    """The network and the function that makes stretches of speech of its answers."""
    import torch

    threads = torch.get_num_threads()
    with extras.extra("vad"):
        import silero_vad
    torch.set_num_threads(threads)  # the package sets one when it is imported
    return silero_vad.load_silero_vad(onnx=True), silero_vad.get_speech_timestamps
