"""Audio features of a sound for a trained system, made as those that it learnt from."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from gmbench.audio import hubert
from gmbench.audio.hubert import to_video_rate
from gmbench.audio.spectra import logmel
from gmbench.devices import current
from gmbench.errors import WeightsError
from gmbench.media import Audio


def audio_features(audio: Audio, frames: int, facts: Mapping[str, Any], system: str) -> NDArray[np.float32]:
    """Features (T, a) of a sound at 25 fps.

    Args:
        audio: int16 samples at 16 kHz.
        frames: T.
        facts: description of the features that the system was trained on.
        system: its title, for the message.

    Raises:
        WeightsError: the extractor's weights are others than in training.
    """
    if facts["extractor"] == "hubert":
        network = hubert.load(Path(facts["path"]), current())
        if network.sha256 != facts["weights"]:
            raise WeightsError(f"{facts['path']}: not the HuBERT that {system} was trained on")
        values: NDArray[Any] = network(audio)
    else:
        values = logmel(audio).astype(np.float16)
    return to_video_rate(values, frames, facts["pair"])
