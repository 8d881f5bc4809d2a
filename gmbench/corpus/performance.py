"""What a face does while it speaks: mouth shapes, emotional style, head motion on beats, blinks, gaze.

Emotions come in pairs that share one of their two sub-styles, so that geometry alone cannot tell them apart: the closed
anger of one speaker looks much like disgust. What separates a pair is painted on the skin
(see :mod:`gmbench.corpus.drawing`).
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import gaussian_filter1d

from gmbench.corpus.lexicon import PHONEMES
from gmbench.corpus.speech import Prosody, Utterance
from gmbench.emotions import SUITE_ORDER
from gmbench.media import FPS
from gmbench.morphable.model import EXPRESSION, MOTION, FaceModel

LEVELS = {1: 0.4, 2: 0.7, 3: 1.0}
PAIRS = {"angry": "disgusted", "fear": "sad", "happy": "surprised", "contempt": "neutral"}
"""Emotions that share their second sub-style."""
TAKE_SPREAD = 0.11
"""Standard deviation of each action between takes of one emotion."""
MOUTH = ("jaw_open", "pucker", "stretch", "upper_lip_up", "lower_lip_down", "lips_press", "funnel", "lip_tuck")

_FIRST_STYLE: dict[str, dict[str, float]] = {
    "angry": {"brow_lower": 0.95, "squint": 0.3, "upper_lip_up": 0.25, "lower_lip_down": 0.3, "jaw_forward": 0.4,
              "eye_wide": 0.2},
    "disgusted": {"nose_wrinkle": 1.0, "upper_lip_up": 0.6, "squint": 0.5, "corner_down": 0.35, "cheek_raise": 0.3},
    "fear": {"brow_inner_up": 0.9, "eye_wide": 0.8, "stretch": 0.4, "brow_outer_up": 0.25, "jaw_open": 0.1},
    "sad": {"brow_inner_up": 0.8, "corner_down": 0.8, "chin_raise": 0.45, "squint": 0.3},
    "happy": {"corner_up": 0.95, "cheek_raise": 0.75, "squint": 0.45, "upper_lip_up": 0.2},
    "surprised": {"brow_inner_up": 0.8, "brow_outer_up": 0.9, "eye_wide": 0.7, "jaw_open": 0.25},
    "contempt": {"dimple_left": 0.95, "corner_up_left": 0.45, "squint": 0.25, "brow_outer_up_left": 0.35},
    "neutral": {},
}  # fmt: skip
_SECOND_STYLE: dict[str, dict[str, float]] = {
    "angry": {"brow_lower": 0.6, "nose_wrinkle": 0.5, "lips_press": 0.4, "squint": 0.35},
    "fear": {"brow_inner_up": 0.85, "corner_down": 0.4, "stretch": 0.25, "eye_wide": 0.25},
    "happy": {"corner_up": 0.45, "brow_outer_up": 0.5, "brow_inner_up": 0.35, "eye_wide": 0.3, "jaw_open": 0.12},
    "contempt": {"dimple_left": 0.15, "dimple_right": 0.15, "squint": 0.1},
}
_PITCH = {
    "angry": 0.09,
    "contempt": -0.05,
    "disgusted": -0.03,
    "fear": 0.12,
    "happy": 0.10,
    "neutral": 0.0,
    "sad": -0.10,
    "surprised": 0.14,
}
_LOUD = {
    "angry": 0.35,
    "contempt": -0.05,
    "disgusted": 0.05,
    "fear": -0.05,
    "happy": 0.15,
    "neutral": 0.0,
    "sad": -0.3,
    "surprised": 0.2,
}


@dataclass(frozen=True)
class Performer:
    """How one speaker behaves.

    Attributes:
        shape, texture: (150,), (251,) coefficients.
        pitch: mean voice in Hz.
        style: (171,) factors on emotional columns.
        nod: size of head beats in radians.
        sway: size of the slow drift in radians.
        rest_translation: (3,) mean translation in model units.
    """

    speaker: str
    shape: NDArray[np.float64]
    texture: NDArray[np.float64]
    pitch: float
    style: NDArray[np.float64]
    nod: float
    sway: float
    rest_translation: NDArray[np.float64]


@dataclass(frozen=True)
class Performance:
    """A clip's coefficients: ``full`` (T, 171), ``rho`` (T, 12), ``beats`` frames of head beats, ``style`` 0 or 1."""

    full: NDArray[np.float64]
    rho: NDArray[np.float64]
    beats: NDArray[np.int64]
    style: int


def speaker_name(number: int, female: bool) -> str:
    """A name as in MEAD: ``M001``, ``W002``."""
    return ("W" if female else "M") + f"{number:03d}"


def draw_performer(seed: int, number: int, female: bool, large_motion: bool = False) -> Performer:
    """A speaker; the same seed and number give the same person."""
    generator = np.random.default_rng([seed, 11, number, int(large_motion)])
    shape = np.clip(generator.normal(0, 0.85, 150), -2, 2)
    texture = np.clip(generator.normal(0, 0.85, 251), -2, 2)
    texture[0] = generator.uniform(-2.2, 0.5)  # skin, from dark to light
    grow = 1.9 if large_motion else 1.0
    return Performer(
        speaker=speaker_name(number, female),
        shape=shape,
        texture=texture,
        pitch=float(generator.uniform(165, 220) if female else generator.uniform(100, 140)),
        style=generator.uniform(0.8, 1.15, EXPRESSION),
        nod=grow * float(generator.uniform(0.055, 0.09)),
        sway=grow * float(generator.uniform(0.03, 0.05)),
        rest_translation=np.array([0.0, -0.12, -1.5]) + generator.uniform(-1, 1, 3) * [0.04, 0.04, 0.15],
    )


def draw_prosody(generator: np.random.Generator, performer: Performer, emotion: str, level: int) -> Prosody:
    """A weak trace of emotion in the voice: pitch and loudness shift by less than they vary."""
    strength = LEVELS[level]
    pitch = performer.pitch * (1.0 + 1.0 * strength * _PITCH[emotion] + generator.normal(0, 0.035))
    loudness = 0.8 * (1.0 + strength * _LOUD[emotion]) * np.exp(generator.normal(0, 0.10))
    spread = 0.12 * (1.0 + 2.2 * max(_PITCH[emotion], 0.0) * strength) * np.exp(generator.normal(0, 0.2))
    rate = 1.0 + 0.15 * strength * _PITCH[emotion] + generator.normal(0, 0.05)
    return Prosody(float(pitch), float(spread), float(loudness), float(rate), 0.02)


def perform(
    generator: np.random.Generator,
    model: FaceModel,
    performer: Performer,
    utterance: Utterance,
    emotion: str,
    level: int,
) -> Performance:
    """Coefficients of a clip."""
    frames = round(utterance.seconds * FPS)
    style = int(generator.integers(2))
    full = np.zeros((frames, EXPRESSION))
    speech = mouth_track(utterance, frames)
    emotional = emotion_vector(model, emotion, style) * performer.style
    emotional *= np.exp(generator.normal(0, 0.22, EXPRESSION))  # no two takes are alike
    emotional[: len(model.names["expression"])] += generator.normal(0, TAKE_SPREAD, len(model.names["expression"]))
    time = np.arange(frames) / FPS
    wave = 1.0 + 0.15 * np.sin(2 * np.pi * (0.3 * time + generator.random()))
    full += LEVELS[level] * wave[:, None] * emotional
    for number, name in enumerate(MOUTH):
        column = model.column(name)
        full[:, column] = full[:, column] * 0.8 + speech[:, number] * (1.0 - 0.25 * min(float(full[0, column]), 1.0))
    unnamed = np.arange(len(model.names["expression"]), EXPRESSION)
    full[:, unnamed] += 0.12 * gaussian_filter1d(generator.normal(0, 1, (frames, len(unnamed))), 8.0, axis=0) * 4.0
    blink = blinks(generator, frames)
    full[:, list(model.blink_columns)] = blink
    pose, beats = head_track(generator, performer, utterance.stressed, frames)
    gaze = saccades(generator, frames)
    rho = np.concatenate([pose, gaze, gaze, blink], axis=1)
    if rho.shape != (frames, MOTION):
        raise ValueError(f"expected motion {(frames, MOTION)}, got {rho.shape}")
    return Performance(full, rho, beats, style)


def emotion_vector(model: FaceModel, emotion: str, style: int) -> NDArray[np.float64]:
    """(171,) mean expression of an emotion's sub-style: 0 its own, 1 the one it shares with its pair."""
    if emotion not in SUITE_ORDER:
        raise ValueError(f"unknown emotion {emotion!r}; expected one of {', '.join(SUITE_ORDER)}")
    if style == 0:
        return _vector(model, _FIRST_STYLE[emotion])
    first = next(a for a, b in PAIRS.items() if emotion in (a, b))
    return _vector(model, _SECOND_STYLE[first])


def mouth_track(utterance: Utterance, frames: int) -> NDArray[np.float64]:
    """(T, 8) targets of the mouth's columns: each phoneme is reached in its middle and blends into the next."""
    targets = np.array([[PHONEMES[name].mouth.get(column, 0.0) for column in MOUTH] for name in utterance.phonemes])
    middles = (utterance.starts + utterance.ends) / 2
    fine = np.arange(frames * 8) / (FPS * 8)
    track = np.stack([np.interp(fine, middles, targets[:, k]) for k in range(len(MOUTH))], axis=1)
    track = gaussian_filter1d(track, 5.0, axis=0, mode="nearest")  # 25 ms
    return np.asarray(track.reshape(frames, 8, -1).mean(axis=1))


def head_track(
    generator: np.random.Generator, performer: Performer, stressed: NDArray[np.float64], frames: int
) -> tuple[NDArray[np.float64], NDArray[np.int64]]:
    """Rotation and translation (T, 6), and the frames at which the head comes to rest.

    After each stressed onset, by 0 to 2 frames, the head arrives at a new place: a nod, turn or tilt of random sign.
    Between arrivals it moves with minimum jerk, so that its speed is least on the beats.
    """
    beats = np.round(stressed * FPS).astype(np.int64) + generator.integers(0, 3, len(stressed))
    beats = beats[(beats > 0) & (beats < frames)]
    knots = np.unique(np.r_[-12, beats, frames + 11])
    places = np.zeros((len(knots), 3))
    for number in range(len(knots)):
        axis = int(generator.choice(3, p=[0.5, 0.3, 0.2]))
        places[number] = 0.35 * generator.normal(0, performer.nod, 3)
        places[number, axis] += generator.choice([-1.0, 1.0]) * performer.nod * generator.uniform(0.7, 1.3)
    t = np.arange(frames)
    at = np.clip(np.searchsorted(knots, t, side="right") - 1, 0, len(knots) - 2)
    share = ((t - knots[at]) / (knots[at + 1] - knots[at]))[:, None]
    ease = share**3 * (10 - 15 * share + 6 * share**2)
    rotation = places[at] * (1 - ease) + places[at + 1] * ease
    drift = gaussian_filter1d(generator.normal(0, 1, (frames + 100, 6)), 25.0, axis=0)[50:-50] * np.sqrt(
        50 * np.sqrt(np.pi)
    )
    rotation += performer.sway * drift[:, :3] * [0.6, 1.2, 0.5] * 0.5
    shift = (
        performer.rest_translation
        + 0.03 * drift[:, 3:] * [1.0, 0.6, 1.5] * 0.5
        + rotation[:, [1, 0, 2]] * [-0.25, 0.25, 0.0]
    )
    return np.concatenate([rotation, shift], axis=1), beats


def blinks(generator: np.random.Generator, frames: int, rate: float = 0.25) -> NDArray[np.float64]:
    """(T, 2) lids: a Poisson process of closings of 4 to 6 frames."""
    result = np.zeros(frames)
    for start in np.flatnonzero(generator.random(frames) < rate / FPS).tolist():
        length = int(generator.integers(4, 7))
        shape = np.sin(np.pi * (np.arange(length) + 0.5) / length) ** 0.7
        stop = min(frames, start + length)
        result[start:stop] = np.maximum(result[start:stop], shape[: stop - start])
    return np.stack([result, result], axis=1)


def saccades(generator: np.random.Generator, frames: int, rate: float = 0.5) -> NDArray[np.float64]:
    """(T, 2) pitch and yaw of both eyes: steps to new places, radians."""
    steps = generator.random(frames) < rate / FPS
    steps[0] = True
    places = generator.normal(0, 1, (frames, 2)) * [0.05, 0.12]
    held = places[np.maximum.accumulate(np.where(steps, np.arange(frames), 0))]
    return np.asarray(gaussian_filter1d(held, 0.6, axis=0, mode="nearest"))


def _vector(model: FaceModel, amounts: dict[str, float]) -> NDArray[np.float64]:
    result = np.zeros(EXPRESSION)
    names = model.names["expression"]
    for name, amount in amounts.items():
        both = [f"{name}_left", f"{name}_right"]
        for column in [name] if name in names else both:
            result[model.column(column)] = amount
    return result
