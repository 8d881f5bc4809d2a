"""What a camera would see: the head under varying light, signs of emotion on the skin, shoulders, background, noise.

The signs (frown lines, folds beside the nose, cheek and lip tint) are painted on the skin and not part of the
face model: no rendering of the coefficients shows them. They tell the two emotions of a
pair apart, and the pairs only vaguely.
"""

import functools
from collections.abc import Iterator
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import gaussian_filter1d

from gmbench.corpus.performance import LEVELS, PAIRS, Performance, Performer
from gmbench.media import Frames
from gmbench.morphable.camera import project
from gmbench.morphable.light import canonical_light, shade
from gmbench.morphable.model import LEFT_GAZE, RIGHT_GAZE, ROTATION, TRANSLATION, FaceModel, place
from gmbench.morphable.raster import rasterise

SIGNS = ("frown", "fold", "cheek", "lip")
_SHARPER = 2  # pictures are drawn at twice the size and shrunk
_PAIR_SIGNS = {"angry": (0.8, 0.8), "fear": (0.8, 0.2), "happy": (0.2, 0.8), "contempt": (0.2, 0.2)}
_FLUSH, _PALE = np.array([0.05, -0.15, -0.12], np.float32), np.array([-0.10, -0.01, 0.05], np.float32)
_RED = np.array([0.05, -0.18, -0.12], np.float32)
_BANDS = np.array([0.5, 1.0, 1.0, 1.0, 0.4, 0.4, 0.4, 0.4, 0.4])
"""How far light varies, by spherical harmonic."""
_BATCH = 32


@dataclass(frozen=True)
class Look:
    """Everything of a clip's pictures that is not in its coefficients.

    Attributes:
        signs: (4,) strength of :data:`SIGNS` in about [0, 1]; cheek and lip in about [-1, 1].
        light: (T, 3, 9) spherical harmonics.
        background: (S, S, 3) float.
        cloth: (3,) colour of the clothes.
        noise: standard deviation of the pixels' noise.
    """

    signs: NDArray[np.float64]
    light: NDArray[np.float64]
    background: NDArray[np.float64]
    cloth: NDArray[np.float64]
    noise: float = 1.5


@dataclass(frozen=True)
class DrawnFrame:
    """One frame: ``image`` (S, S, 3), ``head`` and ``shoulders`` (S, S) masks in 0..255."""

    image: Frames
    head: NDArray[np.uint8]
    shoulders: NDArray[np.uint8]


def skin_signs(generator: np.random.Generator, emotion: str, level: int) -> NDArray[np.float64]:
    """(4,) signs of a take."""
    first = next(a for a, b in PAIRS.items() if emotion in (a, b))
    frown, fold = _PAIR_SIGNS[first]
    side = 1.0 if emotion == first else -1.0
    strength = 0.6 + 0.4 * LEVELS[level]
    noise = generator.normal(0, 1, 4) * [0.40, 0.40, 0.14, 0.30]
    mean = np.array(
        [0.5 + (frown - 0.5) * strength, 0.5 + (fold - 0.5) * strength, side * strength, 0.6 * side * strength]
    )
    return np.clip(mean + noise, [0, 0, -1.6, -1.6], [1.2, 1.2, 1.6, 1.6])


def draw_look(
    generator: np.random.Generator, performer: Performer, emotion: str, level: int, frames: int, size: int, seed: int
) -> Look:
    """A clip's look; background and clothes belong to the speaker."""
    background, cloth, base = _surroundings(performer.speaker, size, seed)
    drift = gaussian_filter1d(generator.normal(0, 1, (frames, 9)), 15.0, axis=0, mode="nearest") * 5.0
    light = base + _BANDS * (0.02 * drift + 0.04 * generator.normal(0, 1, 9))[:, None, :]
    return Look(skin_signs(generator, emotion, level), light, background, cloth)


@functools.lru_cache(maxsize=1)
def _surroundings(speaker: str, size: int, seed: int) -> tuple[NDArray[np.float64], ...]:
    """Background (S, S, 3), clothes (3,) and mean light (3, 9) of a speaker; not to be written to."""
    generator = np.random.default_rng([seed, 17, *speaker.encode()])
    background = cv2.GaussianBlur(generator.uniform(40, 215, (size, size, 3)), (0, 0), size / 7)
    background = (background - background.mean()) * 3.0 + generator.uniform(80, 180, 3)
    cloth = generator.uniform(25, 200, 3)
    light = canonical_light() + _BANDS * (0.07 * generator.normal(0, 1, 9) + 0.012 * generator.normal(0, 1, (3, 9)))
    return np.clip(background, 0, 255), cloth, light


def draw(
    model: FaceModel, performer: Performer, performance: Performance, look: Look, generator: np.random.Generator,
    frames: range | None = None,
) -> Iterator[DrawnFrame]:  # fmt: skip
    """The frames of a clip, one at a time; all, or some in a row."""
    size = look.background.shape[0]
    large = size * _SHARPER
    identity, albedo = model.identity(performer.shape), model.albedo(performer.texture)
    head_end = model.drawn_vertices
    albedo[head_end:] = look.cloth * (albedo[head_end:] / np.maximum(albedo[head_end:].mean(axis=0), 1))
    canonical = model.mean * [10.0, -10.0, -10.0]
    lips = model.texture_basis[:, 1, model.names["texture"].index("lip_redness")] / -12.0
    head_triangles = model.triangle_ends[2]
    background = cv2.resize(look.background, (large, large), interpolation=cv2.INTER_CUBIC)
    rho = performance.rho
    torso = _torso(rho)
    drawn = range(len(rho)) if frames is None else frames
    for start in drawn[::_BATCH]:
        part = slice(start, min(start + _BATCH, drawn.stop))
        gaze = np.concatenate([rho[part, LEFT_GAZE], rho[part, RIGHT_GAZE]], axis=1)
        vertices = model.vertices(identity, performance.full[part], gaze)
        placed = place(vertices, rho[part])
        placed[:, head_end:] = place(vertices[:, head_end:], torso[part])
        for number, points in enumerate(placed):
            pixels, depth = project(points, large)
            raster = rasterise(pixels, depth, model.triangles, large, large)
            colours = shade(albedo, model.normals(points), look.light[start + number])
            values = raster.interpolate(np.c_[colours, canonical, lips], model.triangles)
            picture = background.copy()
            picture[raster.covered] = _paint(values[raster.covered], look.signs)
            picture = cv2.resize(picture, (size, size), interpolation=cv2.INTER_AREA)
            picture += look.noise * generator.standard_normal(picture.shape, np.float32)
            head = raster.covered & (raster.triangle < head_triangles)
            yield DrawnFrame(
                np.clip(np.rint(picture), 0, 255).astype(np.uint8),
                _shrink(head, size),
                _shrink(raster.covered & ~head, size),
            )


def _torso(rho: NDArray[np.float64]) -> NDArray[np.float64]:
    """Motion (T, 12) of the shoulders: half of the head's shift, a tenth of its turns, and breath."""
    result = np.zeros_like(rho)
    rest = rho[:, TRANSLATION].mean(axis=0)
    result[:, TRANSLATION] = rest + 0.5 * (rho[:, TRANSLATION] - rest)
    result[:, ROTATION] = 0.1 * rho[:, ROTATION]
    result[:, 4] += 0.01 * np.sin(2 * np.pi * 0.3 * np.arange(len(rho)) / 25)
    return result


def _shrink(mask: NDArray[np.bool_], size: int) -> NDArray[np.uint8]:
    return np.asarray(cv2.resize(mask.astype(np.uint8) * 255, (size, size), interpolation=cv2.INTER_AREA), np.uint8)


def _paint(values: NDArray[np.float32], signs: NDArray[np.float64]) -> NDArray[np.float32]:
    """Colours (N, 3) with the signs; ``values`` (N, 7): colour, place on the mean face in centimetres, lip."""
    colour = values[..., :3]
    x, y, z = np.abs(values[..., 3]), values[..., 4], values[..., 5]
    lip = np.clip(values[..., 6:7], 0, 1)
    frown, fold, cheek, tint = (float(s) for s in signs)
    front = z > 1.0
    glabella = np.exp(-(((x - 0.75) / 0.22) ** 2) - ((y - 4.3) / 1.0) ** 2)
    lines = np.exp(-(((y - 6.2) / 0.9) ** 2) - (x / 3.2) ** 2) * (np.sin(y * 5.5) > 0.3)
    along = np.clip((-0.4 - y) / 3.8, 0, 1)
    crease = np.exp(-(((x - 1.9 - 1.4 * along - 0.5 * along * along) / 0.36) ** 2)) * ((y < -0.3) & (y > -4.3))
    dark = 1.0 - front * (0.42 * frown * np.maximum(glabella, 0.8 * lines) + 0.34 * fold * crease)
    spot = (np.exp(-(((x - 4.2) / 1.7) ** 2) - ((y + 0.9) / 1.6) ** 2) * front)[..., None]
    warm = 1.0 + spot * (_FLUSH * max(cheek, 0.0) + _PALE * max(-cheek, 0.0))
    lips = 1.0 + lip * (tint if tint > 0 else 0.4 * tint) * _RED
    return np.asarray(colour * dark[..., None] * warm * lips, np.float32)
