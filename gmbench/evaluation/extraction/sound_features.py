"""Features of the sound of a clip: onsets, onset strength, loudness."""

import numpy as np

from gmbench.audio import onsets
from gmbench.evaluation.extraction.corruptions import corrupted_audio
from gmbench.evaluation.extraction.features import ClipSource, Keys
from gmbench.evaluation.extraction.outcome import UNEXPECTED, Outcome
from gmbench.media import Audio, read_audio
from gmbench.store import Arrays, Store


def extract_sound_features(source: ClipSource, keys: Keys, store: Store, outcome: Outcome) -> None:
    """Compute and store what the store lacks of a clip's sound."""
    key = keys.audio(source)
    if source.audio is None or store.has(key):
        return
    try:
        audio = corrupted_audio(read_audio(source.audio), source.audio_change)
        arrays = sound_arrays(audio)
    except UNEXPECTED as error:
        outcome.failures[key] = outcome.reason(error, source.audio)
        return
    store.put(key, arrays)


def sound_arrays(audio: Audio) -> Arrays:
    """What metrics of sound and motion read of samples."""
    envelope = onsets.onset_envelope(audio)
    return {
        "onset_times": onsets.onset_times(envelope),
        "onset_strength": onsets.onset_strength(envelope),
        "rms": onsets.frame_rms(audio),
        "samples": np.array([len(audio)], np.int64),
    }
