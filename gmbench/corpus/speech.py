"""Source-filter speech: a pulse train through moving formants, hiss for fricatives, known phoneme times."""

from dataclasses import dataclass

import numpy as np
from numba import njit
from numpy.typing import NDArray

from gmbench.corpus.lexicon import FUNCTION_WORDS, PHONEMES, VOWELS, WORDS, sentence
from gmbench.media import FPS, SAMPLE_RATE, SAMPLES_PER_FRAME, Audio

MIN_STRESS_GAP = 0.52
"""Least time between stressed onsets in seconds: the head needs it to come to rest on each."""
_CONTROL = 80  # samples between updates of the filters: 5 ms
_BANDWIDTHS = np.array([70.0, 100.0, 140.0])


@dataclass(frozen=True)
class Prosody:
    """How an utterance is spoken: ``pitch`` in Hz, ``pitch_range`` as a share, ``loudness``, ``rate`` of speaking."""

    pitch: float
    pitch_range: float = 0.12
    loudness: float = 1.0
    rate: float = 1.0
    breath: float = 0.02


@dataclass(frozen=True)
class Utterance:
    """Words and their phonemes in time.

    Attributes:
        words: of the transcript.
        phonemes, starts, ends: names and times in seconds, silences included.
        stressed: times of stressed vowels' onsets in seconds.
        seconds: length of the clip.
    """

    words: list[str]
    phonemes: list[str]
    starts: NDArray[np.float64]
    ends: NDArray[np.float64]
    stressed: NDArray[np.float64]
    seconds: float

    @property
    def transcript(self) -> str:
        """The words as a line."""
        return " ".join(self.words)


def compose(generator: np.random.Generator, emotion: str, emotional: bool, frames: int, rate: float = 1.0) -> Utterance:
    """An utterance that fills a clip of so many frames, with silence at both ends and sometimes between words."""
    seconds = frames / FPS
    words = sentence(generator, emotion, emotional, 2 * max(3, int(seconds * 2.2)))
    names, lengths, stressed = ["SIL"], [float(generator.uniform(0.14, 0.2))], list[float]()
    time = lengths[0]
    spoken: list[str] = []
    for word in words:
        parts = WORDS[word].split()
        durations = [PHONEMES[p].seconds * generator.uniform(0.85, 1.2) / rate for p in parts]
        if time + sum(durations) > seconds - 0.12:
            continue
        vowel = next(i for i, p in enumerate(parts) if p in VOWELS)
        onset = time + sum(durations[:vowel])
        if word not in FUNCTION_WORDS and (not stressed or onset - stressed[-1] >= MIN_STRESS_GAP):
            stressed.append(onset)
            durations[vowel] *= 1.25
        names += parts
        lengths += durations
        time += sum(durations)
        spoken.append(word)
        if generator.random() < 0.2:
            names.append("SIL")
            lengths.append(float(generator.uniform(0.05, 0.12)))
            time += lengths[-1]
    names.append("SIL")
    lengths.append(max(seconds - time, 0.02))
    ends = np.cumsum(lengths)
    return Utterance(spoken, names, np.r_[0.0, ends[:-1]], ends, np.array(stressed), seconds)


def synthesise_speech(generator: np.random.Generator, utterance: Utterance, prosody: Prosody) -> Audio:
    """The sound of an utterance, 16 kHz int16, 640 samples per frame."""
    samples = round(utterance.seconds * FPS) * SAMPLES_PER_FRAME
    time = np.arange(0, samples, _CONTROL) / SAMPLE_RATE
    middles = (utterance.starts + utterance.ends) / 2
    sounds = [PHONEMES[name] for name in utterance.phonemes]
    formants = np.stack([
        np.interp(time, middles, [s.formants[k] for s in sounds]) for k in range(3)
    ], axis=1)  # fmt: skip
    voice = _envelope(time, utterance, [s.voice for s in sounds])
    noise = _envelope(time, utterance, [s.noise for s in sounds])
    hiss = np.interp(time, middles, [s.hiss for s in sounds])
    accent = np.zeros_like(time)
    for onset in utterance.stressed:
        accent += np.exp(-0.5 * ((time - onset - 0.07) / 0.06) ** 2)
    voice *= 1.0 + 0.9 * accent
    decline = 1.06 - 0.12 * time / utterance.seconds
    wander = np.interp(time, np.linspace(0, utterance.seconds, 6), generator.normal(0, 0.25, 6))
    pitch = prosody.pitch * decline * (1.0 + prosody.pitch_range * (accent + wander))
    white = generator.normal(0, 1, samples)
    signal = _synthesise(formants, _BANDWIDTHS, voice, noise, hiss, pitch, prosody.breath, white, samples)
    signal = signal / (np.abs(signal).max() + 1e-9) * 0.5 * prosody.loudness
    signal += 0.0008 * generator.normal(0, 1, samples)
    return np.asarray(np.clip(np.round(signal * 32767), -32767, 32767), np.int16)


def phoneme_frames(utterance: Utterance, frames: int) -> list[str]:
    """Name of the phoneme in the middle of each frame."""
    times = (np.arange(frames) + 0.5) / FPS
    places = np.clip(np.searchsorted(utterance.ends, times, side="right"), 0, len(utterance.phonemes) - 1)
    return [utterance.phonemes[place] for place in places]


def _envelope(time: NDArray[np.float64], utterance: Utterance, levels: list[float]) -> NDArray[np.float64]:
    """One level per phoneme as a curve with 12 ms ramps."""
    places = np.clip(np.searchsorted(utterance.ends, time, side="right"), 0, len(levels) - 1)
    steps = np.asarray(levels)[places]
    kernel = np.hanning(7)[1:-1]
    return np.convolve(np.pad(steps, 2, mode="edge"), kernel / kernel.sum(), mode="valid")


@njit(cache=True, nogil=True)
def _synthesise(formants, bandwidths, voice, noise, hiss, pitch, breath, white, samples):  # type: ignore[no-untyped-def]  # noqa: ANN001, ANN202
    """Klatt's cascade: glottal pulses through three resonators; hiss through one, added."""
    rate = 16000.0
    result = np.zeros(samples)
    memory = np.zeros((4, 2))
    phase, previous = 0.0, 0.0
    for n in range(samples):
        control = n // 80
        share = (n % 80) / 80.0
        following = min(control + 1, len(pitch) - 1)
        f0 = pitch[control] * (1 - share) + pitch[following] * share
        phase += f0 / rate
        if phase >= 1.0:
            phase -= 1.0
        pulse = 0.0
        if phase < 0.6:  # Rosenberg's glottal flow
            x = phase / 0.6
            pulse = x * x * (3.0 - 3.0 * x) if x < 1.0 else 0.0
        flow = pulse - previous  # lips radiate the derivative
        previous = pulse
        loud = voice[control] * (1 - share) + voice[following] * share
        source = loud * (flow * 8.0 + breath * white[n])
        for k in range(3):
            f = formants[control, k] * (1 - share) + formants[following, k] * share
            r = np.exp(-np.pi * bandwidths[k] / rate)
            c = -r * r
            b = 2.0 * r * np.cos(2.0 * np.pi * f / rate)
            a = 1.0 - b - c
            source = a * source + b * memory[k, 0] + c * memory[k, 1]
            memory[k, 1] = memory[k, 0]
            memory[k, 0] = source
        r = np.exp(-np.pi * 1400.0 / rate)
        c = -r * r
        b = 2.0 * r * np.cos(2.0 * np.pi * hiss[control] / rate)
        hissed = (1.0 - r) * white[n] * noise[control] * 0.5 + b * memory[3, 0] + c * memory[3, 1]
        memory[3, 1] = memory[3, 0]
        memory[3, 0] = hissed
        result[n] = source + hissed
    return result
