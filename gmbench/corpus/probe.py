"""Is the corpus what it is meant to be? How well classifiers tell the emotion from sound, shape, skin, and all.

The bands come from the corpus' purpose: sound alone must hint, shape alone and skin alone must leave doubt, all
together must suffice, so that every part of a method has something to contribute.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace

import cv2
import numpy as np
from numpy.typing import NDArray

from gmbench.audio.spectra import mel_spectrogram
from gmbench.corpus.drawing import draw
from gmbench.corpus.takes import CorpusSettings, TakeContent, draw_content, takes
from gmbench.media import Audio
from gmbench.morphable.camera import project
from gmbench.morphable.model import TRANSLATION, FaceModel, place
from gmbench.morphable.raster import rasterise

BANDS = {
    "audio": (0.35, 0.50),
    "geometry": (0.60, 0.80),
    "appearance": (0.40, 0.60),
    "geometry+appearance": (0.90, 1.0),
    "all": (0.90, 1.0),
}
"""Accuracy among eight emotions that each probe should reach; drawn anew, one moves by about 0.02."""
_UNWRAPPED = 24


@dataclass(frozen=True)
class ProbeFeatures:
    """Features per clip: ``audio``, ``geometry``, ``appearance`` (N, d) and ``emotion``, ``speaker`` (N,)."""

    audio: NDArray[np.float64]
    geometry: NDArray[np.float64]
    appearance: NDArray[np.float64]
    emotion: NDArray[np.str_]
    speaker: NDArray[np.str_]


def collect(
    model: FaceModel, settings: CorpusSettings, report: Callable[[int, int], None] | None = None
) -> ProbeFeatures:
    """Draw each take of a corpus, three frames of it, and measure sound, coefficients and skin."""
    rows: dict[str, list[NDArray[np.float64] | str]] = {
        n: [] for n in ("audio", "geometry", "appearance", "emotion", "speaker")
    }
    chosen = takes(settings)
    for done, take in enumerate(chosen, start=1):
        content = draw_content(model, settings, take)
        full = content.performance.full
        rows["audio"].append(_audio_features(content.sound))
        rows["geometry"].append(np.concatenate([full.mean(axis=0), full.std(axis=0)]))
        rows["appearance"].append(_skin(model, content))
        rows["emotion"].append(take.emotion)
        rows["speaker"].append(content.performer.speaker)
        if report is not None:
            report(done, len(chosen))
    return ProbeFeatures(**{name: np.array(values) for name, values in rows.items()})


def accuracies(features: ProbeFeatures, folds: int = 4, trees: int = 400) -> dict[str, float]:
    """Cross-validated accuracy of each probe; features are centred per speaker, as person-specific methods see them."""
    from sklearn.model_selection import StratifiedKFold, cross_val_score

    names = ("audio", "geometry", "appearance")
    centred = {name: _whiten(_centre(getattr(features, name), features.speaker)) for name in names}
    inputs = {name: [name] for name in names} | {"geometry+appearance": list(names[1:]), "all": list(names)}
    split = StratifiedKFold(folds, shuffle=True, random_state=0)
    return {
        name: float(
            cross_val_score(
                _classifier(trees),
                np.concatenate([centred[part] for part in parts], axis=1),
                features.emotion,
                cv=split,
            ).mean()
        )
        for name, parts in inputs.items()
    }


def _classifier(trees: int) -> object:
    from sklearn.ensemble import RandomForestClassifier

    return RandomForestClassifier(trees, random_state=0, min_samples_leaf=2)


def _whiten(features: NDArray[np.float64]) -> NDArray[np.float64]:
    """The 24 strongest directions."""
    from sklearn.decomposition import PCA

    count = min(24, *features.shape)
    return np.asarray(PCA(count, random_state=0).fit_transform(features / (features.std() + 1e-9)))


def _centre(features: NDArray[np.float64], speakers: NDArray[np.str_]) -> NDArray[np.float64]:
    result = np.array(features, np.float64)
    for speaker in np.unique(speakers):
        result[speakers == speaker] -= result[speakers == speaker].mean(axis=0)
    return result


def _audio_features(sound: Audio) -> NDArray[np.float64]:
    """Mean and spread of the mel bands, loudness, and pitch from the autocorrelation of voiced windows."""
    mel = mel_spectrogram(sound).astype(np.float64)
    signal = sound.astype(np.float64) / 32768
    pitches, levels = [], []
    for start in range(0, len(signal) - 1024, 640):
        window = signal[start : start + 1024] * np.hanning(1024)
        level = float(np.sqrt((window**2).mean()))
        levels.append(level)
        if level > 0.02:
            correlation = np.fft.irfft(np.abs(np.fft.rfft(window, 2048)) ** 2)[50:230]
            pitches.append(16000 / (50 + int(correlation.argmax())))
    pitch = [np.median(pitches), np.std(pitches)] if pitches else [0.0, 0.0]
    loud = np.log(np.maximum(levels, 1e-4))
    extra = np.array([pitch[0] / 20, pitch[1] / 20, 3 * np.percentile(loud, 90), len(pitches) / 10])
    return np.concatenate([extra * 3, 0.1 * mel.mean(axis=1), 0.1 * mel.std(axis=1)])


def _skin(model: FaceModel, content: TakeContent) -> NDArray[np.float64]:
    """The skin unrolled onto the mean face, mean of three frames, drawn at rest: only paint and light differ."""
    performer, performance = content.performer, content.performance
    frames = len(performance.rho)
    chosen = np.array([frames // 6, frames // 2, frames - frames // 6 - 1])
    rho = np.zeros_like(performance.rho[chosen])
    rho[:, TRANSLATION] = performer.rest_translation
    still = replace(performance, full=np.zeros_like(performance.full[chosen]), rho=rho)
    look = replace(content.look, light=content.look.light[chosen])
    size = look.background.shape[0]
    vertices = model.vertices(model.identity(performer.shape), still.full, still.rho[:, 6:10])
    frames_drawn = draw(model, performer, still, look, content.generator)
    maps = []
    for points, drawn in zip(place(vertices, still.rho), frames_drawn, strict=True):
        pixels, depth = project(points, size)
        raster = rasterise(pixels, depth, model.drawn_triangles, size, size)
        where = raster.interpolate(model.mean * [10.0, -10.0, -10.0], model.triangles)
        maps.append(_unroll(drawn.image, where, raster.covered))
    return np.nanmean(np.stack(maps), axis=0).ravel()


def _unroll(image: NDArray[np.uint8], where: NDArray[np.float32], covered: NDArray[np.bool_]) -> NDArray[np.float64]:
    """(24, 24, 3) log colours by place on the face (14 by 17 centimetres), less the face's mean."""
    front = covered & (where[..., 2] > 1.0)
    columns = np.clip(((where[..., 0][front] + 7) / 14 * _UNWRAPPED).astype(int), 0, _UNWRAPPED - 1)
    rows = np.clip(((8 - where[..., 1][front]) / 17 * _UNWRAPPED).astype(int), 0, _UNWRAPPED - 1)
    colours = np.log(image[front].astype(np.float64) + 8)
    total, count = np.zeros((_UNWRAPPED, _UNWRAPPED, 3)), np.zeros((_UNWRAPPED, _UNWRAPPED, 1))
    np.add.at(total, (rows, columns), colours)
    np.add.at(count, (rows, columns), 1.0)
    mean = total.sum(axis=(0, 1)) / max(count.sum(), 1)
    filled = np.where(count > 0, total / np.maximum(count, 1), mean)
    return np.asarray(cv2.GaussianBlur(filled - mean, (0, 0), 0.7))
