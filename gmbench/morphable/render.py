"""Pictures of the face model: colour under a light, uv and normal maps."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from gmbench.morphable.camera import project
from gmbench.morphable.light import canonical_light, shade
from gmbench.morphable.model import LEFT_GAZE, RIGHT_GAZE, FaceModel, Floats, place
from gmbench.morphable.raster import Raster, rasterise

MAPS = ("color", "uv", "normal")
_BATCH = 32


@dataclass(frozen=True)
class Placed:
    """One frame's mesh on screen: ``vertices`` (V, 3) in camera axes, ``points`` (V, 2) pixels, ``raster``."""

    vertices: NDArray[np.float64]
    points: NDArray[np.float64]
    raster: Raster


class Renderer:
    """Draws one person: identity and texture are computed once.

    Args:
        model: face model.
        shape, texture: (150,), (251,) coefficients of the person.
        size: side of the pictures in pixels.
    """

    def __init__(self, model: FaceModel, shape: Floats, texture: Floats, size: int) -> None:
        self.model, self.size = model, size
        self.identity = model.identity(shape)
        self.albedo = model.albedo(texture)

    def placed(self, full: Floats, rho: Floats) -> Iterator[Placed]:
        """Meshes of frames with full expression (T, 171) and motion (T, 12), one at a time."""
        triangles = self.model.drawn_triangles
        for start in range(0, len(full), _BATCH):
            part = slice(start, start + _BATCH)
            gaze = np.concatenate([rho[part, LEFT_GAZE], rho[part, RIGHT_GAZE]], axis=1)
            for vertices in place(self.model.vertices(self.identity, full[part], gaze), rho[part]):
                points, depth = project(vertices, self.size)
                yield Placed(vertices, points, rasterise(points, depth, triangles, self.size, self.size))

    def frames(
        self, full: Floats, rho: Floats, light: Floats | None = None, maps: Sequence[str] = ("color",)
    ) -> Iterator[NDArray[np.uint8]]:
        """Maps of each frame side by side in channels: (H, W, 3 per map) uint8, black where the face is not.

        Args:
            full: (T, 171) full expression.
            rho: (T, 12) motion.
            light: (3, 9), by default the canonical light.
            maps: of :data:`MAPS`.

        Raises:
            ValueError: unknown map.
        """
        if unknown := set(maps) - set(MAPS):
            raise ValueError(f"unknown maps {sorted(unknown)}; expected some of {', '.join(MAPS)}")
        chosen = canonical_light() if light is None else light
        for placed in self.placed(full, rho):
            yield np.concatenate([self._map(name, placed, chosen) for name in maps], axis=-1)

    def _map(self, name: str, placed: Placed, light: Floats) -> NDArray[np.uint8]:
        if name == "uv":
            colours: Floats = self.model.uv_colours * self.model.face_mask[:, None]
        else:
            normals = self.model.normals(placed.vertices)
            colours = (normals + 1) * 127.5 if name == "normal" else shade(self.albedo, normals, light)
        return to_bytes(placed.raster.interpolate(colours, self.model.triangles))


def to_bytes(image: Floats) -> NDArray[np.uint8]:
    """Colours in 0..255 to uint8, rounded and clipped."""
    return np.asarray(np.clip(np.rint(image), 0, 255), np.uint8)
