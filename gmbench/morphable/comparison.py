"""A rendering of the fit against the picture: how each vertex should move on the screen, and how the light changes."""

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from gmbench.morphable.camera import project
from gmbench.morphable.energy import EXP, GAZE, Vector
from gmbench.morphable.light import harmonics, shade
from gmbench.morphable.model import MOTION, FaceModel, Floats, place
from gmbench.morphable.raster import rasterise

LEVELS = 12.0
"""Colour difference, in levels of 0..255, from which on a pixel counts less and less: wrinkles, make-up, hair."""
BLUR = 0.8
"""Standard deviation in pixels of the blur of picture and rendering, whose edges are of other sharpness."""
_LIGHT_HELD = 1e5  # keeps bands of the light that the face does not tell
_LEAST_PIXELS = 0.05


@dataclass(frozen=True)
class Look:
    """One frame compared.

    Attributes:
        pull: (n, 5) of the chosen vertices: the matrix (xx, xy, yy) of the squared colour differences by their shift on
            the screen, and half its gradient (x, y). Sums over the pixels that a vertex has a share in.
        light: (3, 9) that explains the picture better.
        value: robust squared difference, summed over the pixels.
        error: mean absolute difference of the colours in levels.
    """

    pull: NDArray[np.float32]
    light: NDArray[np.float64]
    value: float
    error: float


class Comparison:
    """Compares pictures with renderings of one person.

    Args:
        model: face model.
        shape, texture: (150,), (251,) coefficients of the person.
        side: of the square pictures.
    """

    def __init__(self, model: FaceModel, shape: Floats, texture: Floats, side: int) -> None:
        self.model, self.side = model, side
        self.identity, self.albedo = model.identity(shape), model.albedo(texture)
        ends = model.vertex_ends
        chosen = (model.face_mask > 0.5) & (np.arange(len(model.mean)) < ends[2])
        chosen[ends[0] : ends[2]] = True
        self.vertices: NDArray[np.int64] = np.flatnonzero(chosen)
        """The vertices that pictures move: of the face and of the eyeballs."""
        self._face = chosen[model.triangles].all(axis=1)

    def __call__(self, unknowns: Vector, light: Vector, picture: NDArray[np.uint8]) -> Look:
        """Compare a picture (S, S, 3) with the rendering of unknowns (181,) under a light (3, 9)."""
        model, triangles = self.model, self.model.triangles
        gaze = unknowns[None, GAZE]
        rho = np.concatenate([unknowns[None, :10], np.zeros((1, MOTION - 10))], axis=1)
        placed = place(model.vertices(self.identity, unknowns[None, EXP], gaze), rho)[0]
        points, depth = project(placed, self.side)
        raster = rasterise(points, depth, model.drawn_triangles, self.side, self.side)
        normals = model.normals(placed)
        drawn = raster.interpolate(shade(self.albedo, normals, light), triangles)
        seen = picture.astype(np.float32)
        drawn = np.where(raster.covered[..., None], drawn, seen).astype(np.float32)
        seen, drawn = (cv2.GaussianBlur(image, (0, 0), BLUR) for image in (seen, drawn))
        used = raster.covered & self._face[raster.triangle]
        along_x, along_y = (change[used] for change in _gradient((seen + drawn) / 2))
        error = (seen - drawn)[used]
        square = (error**2).mean(axis=1) / LEVELS**2
        weight = 1 / (1 + square)
        corners, shares = triangles[raster.triangle[used]].ravel(), raster.weights[used]

        def spread(values: Floats) -> Vector:
            """Weighted values (p,) of the pixels, as sums (V,) over the vertices' shares in them."""
            shared = (shares * (weight * values)[:, None]).ravel()
            return np.asarray(np.bincount(corners, shared, len(placed)), np.float64)

        pull = [
            spread((a * b).sum(axis=1))
            for a, b in ((along_x, along_x), (along_x, along_y), (along_y, along_y), (along_x, error), (along_y, error))
        ]
        pixels = spread(np.ones(len(error)))
        lit = np.flatnonzero(pixels > _LEAST_PIXELS)
        missing = np.stack([spread(error[:, channel])[lit] for channel in range(3)], axis=1) / pixels[lit, None]
        changed = light + _light_change(self.albedo[lit], harmonics(normals[lit]), missing, pixels[lit])
        value = 3 * LEVELS**2 * float(np.log1p(square).sum())
        pulled = np.stack(pull, axis=1)[self.vertices].astype(np.float32)
        return Look(pulled, changed, value, float(np.abs(error).mean()) if len(error) else 0.0)


def _gradient(image: NDArray[np.float32]) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Central differences along x and y, 0 at the border."""
    x, y = np.zeros_like(image), np.zeros_like(image)
    x[:, 1:-1] = (image[:, 2:] - image[:, :-2]) / 2
    y[1:-1] = (image[2:] - image[:-2]) / 2
    return x, y


def _light_change(albedo: Floats, basis: Floats, missing: Vector, weight: Vector) -> Vector:
    """(3, 9) change of the light that adds the missing colours (n, 3) by weighted least squares."""
    result = np.empty((3, basis.shape[1]))
    for channel in range(3):
        design = basis.astype(np.float64) * albedo[:, channel, None]
        weighted = design * weight[:, None]
        system = weighted.T @ design + _LIGHT_HELD * np.eye(len(basis.T))
        result[channel] = np.linalg.solve(system, weighted.T @ missing[:, channel])
    return result
