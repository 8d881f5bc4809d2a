"""A person's texture and the light of frames, from colours sampled at visible vertices: two linear problems in turn."""

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from gmbench.morphable.camera import project
from gmbench.morphable.light import AMBIENT, BANDS, canonical_light, harmonics
from gmbench.morphable.model import LEFT_GAZE, RIGHT_GAZE, TEXTURE, FaceModel, Floats, place
from gmbench.morphable.raster import rasterise

_A0C0 = np.pi / np.sqrt(4 * np.pi)
_STEEP, _UNEXPLAINED = 8.0, 12.0  # levels of 0..255: a pixel, and off the texture
_PLAIN_ROUNDS = 2
_TOLERANCE = 0.05  # model units that a vertex may lie behind the surface and still be seen


@dataclass(frozen=True)
class Samples:
    """Colours (n, 3) and basis of light (n, 9) at the visible ``vertices`` (n,) of a frame.

    ``weight`` (n,) is small where colours are steep: a fit that is off by a pixel there takes a neighbour's colour.
    """

    vertices: NDArray[np.int64]
    colours: NDArray[np.float64]
    basis: NDArray[np.float64]
    weight: NDArray[np.float64]


def sample(model: FaceModel, identity: Floats, full: Floats, rho: Floats, frame: NDArray[np.uint8]) -> Samples:
    """Colours of one frame (S, S, 3) at the face's visible vertices; full expression (171,), motion (12,)."""
    side = frame.shape[0]
    gaze = np.concatenate([rho[LEFT_GAZE], rho[RIGHT_GAZE]])
    placed = place(model.vertices(identity, full[None], gaze[None]), rho[None])[0]
    points, depth = project(placed, side)
    raster = rasterise(points, depth, model.drawn_triangles, side, side)
    columns, rows = np.floor(points).astype(int).T
    inside = (columns >= 0) & (columns < side) & (rows >= 0) & (rows < side)
    inside &= (np.arange(len(points)) < model.drawn_vertices) & (model.face_mask > 0.5)
    visible = np.flatnonzero(inside)
    visible = visible[np.abs(raster.depth[rows[visible], columns[visible]] - depth[visible]) < _TOLERANCE]
    normals = model.normals(placed)[visible].astype(np.float64)
    colours = frame[rows[visible], columns[visible]].astype(np.float64)
    weight = 1 / (1 + _steepness(frame)[rows[visible], columns[visible]] / _STEEP**2)
    return Samples(visible, colours, harmonics(normals), weight)


def _steepness(frame: NDArray[np.uint8]) -> NDArray[np.float64]:
    """(S, S) squared change of the colours from pixel to pixel, the largest of each pixel's neighbourhood."""
    smooth = cv2.GaussianBlur(frame.astype(np.float64), (0, 0), 0.8)
    down, right = np.gradient(smooth, axis=(0, 1))
    return np.asarray(cv2.dilate((down**2 + right**2).mean(axis=2), np.ones((3, 3))), np.float64)


def fit_light(samples: Samples, albedo: Floats, weight: float = 30.0) -> NDArray[np.float64]:
    """Light (3, 9) of a frame for known albedo (V, 3): least squares per channel, held near the canonical light."""
    result = np.empty((3, BANDS))
    start = canonical_light()
    for channel in range(3):
        colour = albedo[samples.vertices, channel].astype(np.float64)
        design = samples.basis * colour[:, None] / 255
        target = samples.colours[:, channel] / 255 - colour / 255 * AMBIENT * _A0C0
        system = design.T @ design + weight * np.diag([0.1, *[1.0] * 8]) / 255
        result[channel] = np.linalg.solve(
            system, design.T @ target + weight * np.diag([0.1, *[1.0] * 8]) / 255 @ start[channel]
        )
    return result


def fit_texture(
    model: FaceModel, frames: list[Samples], weight: float = 0.1, rounds: int = 4
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Texture coefficients (251,) of a person and the light (k, 3, 9) of each frame, by ridge regression in turn.

    From the third round on, colours that the texture does not explain (wrinkles, make-up) count less.

    Args:
        model: face model.
        frames: samples of at least one frame.
        weight: of the squared coefficients against colours in 0..1.
    """
    texture: NDArray[np.float64] = np.zeros(TEXTURE)
    lights = np.stack([canonical_light()] * len(frames))
    albedo = model.albedo(texture)
    for turn in range(rounds):
        gram, right = weight * np.eye(TEXTURE), np.zeros(TEXTURE)
        for light, samples in zip(lights, frames, strict=True):
            shading = samples.basis @ light.T + AMBIENT * _A0C0  # (n, 3)
            basis = model.texture_basis[samples.vertices].astype(np.float64) / 255  # (n, 3, 251)
            share = samples.weight
            if turn >= _PLAIN_ROUNDS:
                off = samples.colours - albedo[samples.vertices] * shading
                share = share / (1 + (off**2).mean(axis=1) / _UNEXPLAINED**2)
            share = np.sqrt(share)[:, None]
            design = (basis * (shading * share)[..., None]).reshape(-1, TEXTURE)
            missing = (samples.colours / 255 - model.texture_mean[samples.vertices] / 255 * shading) * share
            gram += design.T @ design
            right += design.T @ missing.ravel()
        texture = np.asarray(np.linalg.solve(gram, right), np.float64)
        albedo = model.albedo(texture)
        lights = np.stack([fit_light(samples, albedo) for samples in frames])
    return texture, lights
