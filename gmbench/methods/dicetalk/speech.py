"""What embedder and denoiser hear: states of speech of a clip, from the dataset's features or from Whisper."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from gmbench.audio import whisper
from gmbench.audio.hubert import to_video_rate
from gmbench.devices import current
from gmbench.errors import WeightsError
from gmbench.media import SAMPLES_PER_FRAME, Audio
from gmbench.methods.dicetalk.settings import Speech
from gmbench.methods.features import audio_features

Floats = NDArray[np.float32]


@dataclass(frozen=True)
class SpeechStates:
    """States (M, a) of a clip's sound at 25 or 50 per second; the embedder reads the last ``embedded`` columns."""

    values: NDArray[np.floating]
    rate: int
    embedded: int

    def of_frames(self, frames: int) -> Floats:
        """(T, e) at 25 per second, for the embedder; two states a frame averaged where there are two."""
        last = self.values[:, -self.embedded :]
        if self.rate == 50:
            return to_video_rate(last, frames, "mean")
        return np.asarray(np.pad(last, ((0, max(0, frames - len(last))), (0, 0)), "edge")[:frames], np.float32)

    def around(self, frames: NDArray[np.integer]) -> Floats:
        """(n, s a) around frames (n,) counted at 25 per second, for the denoiser; zeros beyond the ends.

        Nine states at 25 per second, four on either side; or ten at 50 per second, from 4 before to 5 behind.
        """
        places = frames[:, None] + np.arange(-4, 5) if self.rate == 25 else 2 * frames[:, None] + np.arange(-4, 6)
        inside = (places >= 0) & (places < len(self.values))
        found = np.where(inside[..., None], self.values[places.clip(0, len(self.values) - 1)], 0)
        return np.asarray(found.reshape(len(frames), -1), np.float32)


def around_width(states: int, rate: int) -> int:
    """Numbers that :meth:`SpeechStates.around` gives a frame, of states (M, a)."""
    return states * (9 if rate == 25 else 10)


class Listener:
    """Makes the states of sounds.

    Args:
        facts: description of the states as :func:`speech_facts` gives it.

    Raises:
        WeightsError: Whisper's folder is missing, or holds other files than in training.
    """

    def __init__(self, facts: Mapping[str, Any]) -> None:
        self.facts = facts
        self._whisper = None
        if facts["source"] == "whisper":
            self._whisper = whisper.load(Path(facts["folder"]), current())
            if self._whisper.sha256 != facts["weights"]:
                raise WeightsError(f"{facts['folder']}: not the Whisper that DICE-Talk was trained on")

    def of_sound(self, audio: Audio, frames: int) -> SpeechStates:
        """States of a sound of so many frames at 25 per second."""
        if self._whisper is None:
            values = audio_features(audio, frames, self.facts["audio"], "DICE-Talk")
            return SpeechStates(values, 25, values.shape[1])
        states = self._whisper(audio[: frames * SAMPLES_PER_FRAME])
        return SpeechStates(states.reshape(len(states), -1), 50, self._whisper.dim)

    @staticmethod
    def of_features(features: NDArray[np.floating], frames: int, pair: str) -> SpeechStates:
        """States of features (L, d) at 50 Hz that a stage has made."""
        values = to_video_rate(features, frames, pair)
        return SpeechStates(values, 25, values.shape[1])


def speech_facts(settings: Speech, audio: Mapping[str, Any]) -> dict[str, Any]:
    """Description of the states that are learnt from: a loader must agree with it.

    Raises:
        WeightsError: Whisper is asked for and not there.
    """
    if settings.source == "features":
        return {"source": "features", "rate": 25, "audio": dict(audio)}
    loaded = whisper.load(Path(settings.whisper))
    return {"source": "whisper", "rate": 50, "folder": settings.whisper, "weights": loaded.sha256}
