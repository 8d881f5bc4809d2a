"""The face model in gmbench's axes and file: shape, expression, eyes, texture, landmarks.

Model axes: x to the right of the image, y down, z away from the camera; a unit is about a decimetre. Normals are
cross products in the triangles' own order, which points into the head, as FaceVerse's light expects.
"""

import functools
import json
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import sparse

from gmbench.errors import InputError
from gmbench.morphable.camera import project, rotation_matrix
from gmbench.store import whole_file, write_atomically

SHAPE, EXPRESSION, BETA, TEXTURE, MOTION = 150, 171, 169, 251, 12
ROTATION, TRANSLATION = slice(0, 3), slice(3, 6)
LEFT_GAZE, RIGHT_GAZE, BLINK = slice(6, 8), slice(8, 10), slice(10, 12)
"""Places in the motion vector rho (12): r1, t, r2 (left eye: pitch, yaw), r3 (right eye), blink (left, right)."""
_ARRAYS = (
    "mean", "shape_basis", "expression_basis", "texture_mean", "texture_basis", "triangles", "vertex_ends",
    "triangle_ends", "landmarks", "uv_colours", "labels", "face_mask",
)  # fmt: skip

Floats = NDArray[np.floating]


@dataclass(frozen=True)
class FaceModel:
    """A face model, or the rows of one that belong to some vertices.

    Attributes:
        mean: (V, 3) float32.
        shape_basis, expression_basis, texture_basis: (V, 3, 150), (V, 3, 171), (V, 3, 251) float32.
        texture_mean: (V, 3) RGB in 0..255.
        triangles: (F, 3).
        vertex_ends, triangle_ends: ends of head, left eye, right eye, and what else follows.
        landmarks: (478,) vertices of the FaceMesh landmarks.
        uv_colours: (V, 3) uv as colours in 0..255.
        labels: (V,) number of the part.
        face_mask: (V,) 1 on the face.
        blink_columns: expression columns that close the left and the right lid.
        names: ``version``, names of basis columns, and the eyes' constants.
    """

    mean: Floats
    shape_basis: Floats
    expression_basis: Floats
    texture_mean: Floats
    texture_basis: Floats
    triangles: NDArray[np.int64]
    vertex_ends: NDArray[np.int64]
    triangle_ends: NDArray[np.int64]
    landmarks: NDArray[np.int64]
    uv_colours: Floats
    labels: Floats
    face_mask: Floats
    blink_columns: tuple[int, int]
    names: dict[str, Any] = field(default_factory=dict)

    @property
    def drawn_triangles(self) -> NDArray[np.int64]:
        """Triangles of head and eyeballs: what FaceVerse draws."""
        return self.triangles[: self.triangle_ends[2]]

    @property
    def drawn_vertices(self) -> int:
        """Number of the first vertices, those of head and eyeballs."""
        return int(self.vertex_ends[2])

    @functools.cached_property
    def incidence(self) -> sparse.csr_matrix:
        """(V, F) matrix that adds up what a vertex' triangles hold, rebuilt from the triangles."""
        count = len(self.triangles)
        columns = np.repeat(np.arange(count), 3)
        return sparse.csr_matrix((np.ones(3 * count), (self.triangles.ravel(), columns)), shape=(len(self.mean), count))

    def split(self, full: Floats) -> tuple[Floats, Floats]:
        """Full expression (..., 171) to beta (..., 169) and blink (..., 2) left, right."""
        return np.delete(full, self.blink_columns, axis=-1), full[..., list(self.blink_columns)]

    def join(self, beta: Floats, blink: Floats) -> Floats:
        """The inverse of :meth:`split`."""
        full = np.empty((*beta.shape[:-1], EXPRESSION), np.result_type(beta, blink))
        full[..., self.beta_columns] = beta
        full[..., list(self.blink_columns)] = blink
        return full

    @property
    def beta_columns(self) -> NDArray[np.int64]:
        """(169,) columns of the full expression that are not lids."""
        return np.delete(np.arange(EXPRESSION), self.blink_columns)

    def column(self, name: str) -> int:
        """Number of a named expression column in the full expression; raises InputError for an unknown name."""
        names = self.names.get("expression", [])
        if name not in names:
            raise InputError(
                f"this face model has no expression column {name!r}; named ones: {', '.join(names) or 'none'}"
            )
        return int(names.index(name))

    def identity(self, shape: Floats) -> NDArray[np.float32]:
        """Vertices (V, 3) of a person without expression."""
        return np.asarray(self.mean + self.shape_basis @ np.asarray(shape, np.float32), np.float32)

    def albedo(self, texture: Floats) -> NDArray[np.float32]:
        """Colours (V, 3) of a person in 0..255, clipped."""
        return np.clip(self.texture_mean + self.texture_basis @ np.asarray(texture, np.float32), 0, 255)

    def eye_centres(self, identity: Floats) -> NDArray[np.float64]:
        """(2, 3) centres of the left and the right eyeball of a person without expression."""
        head, left, right = self.vertex_ends[:3]
        centres = np.stack([identity[head:left].mean(axis=0), identity[left:right].mean(axis=0)]).astype(np.float64)
        centres[:, 2] += self.names.get("eye_shift", 0.0)
        return centres

    def vertices(self, identity: Floats, full: Floats, gaze: Floats) -> NDArray[np.float32]:
        """Vertices (T, V, 3) in the head's own axes.

        Args:
            identity: (V, 3) from :meth:`identity`.
            full: (T, 171) full expression.
            gaze: (T, 4) pitch, yaw of the left eye and of the right, radians.
        """
        count = len(full)
        flat = self.expression_basis.reshape(-1, EXPRESSION)
        result = identity + (np.asarray(full, np.float32) @ flat.T).reshape(count, -1, 3)
        ends, push = self.vertex_ends, self.names.get("eye_push", 0.0)
        for number, centre in enumerate(self.eye_centres(identity)):
            rows = slice(ends[number], ends[number + 1])
            turn = eye_matrix(gaze[:, 2 * number : 2 * number + 2])
            result[:, rows] = (result[:, rows] - centre) @ turn.transpose(0, 2, 1) + centre + push
        return np.asarray(result, np.float32)

    def normals(self, vertices: Floats) -> NDArray[np.float32]:
        """Unit normals (V, 3) of placed vertices (V, 3)."""
        a, b, c = (vertices[self.triangles[:, i]] for i in range(3))
        summed = self.incidence @ np.cross(b - a, c - a)
        return np.asarray(summed / (np.linalg.norm(summed, axis=1, keepdims=True) + 1e-9), np.float32)

    def landmark_points(self, shape: Floats, full: Floats, rho: Floats, side: float) -> NDArray[np.float64]:
        """Landmarks (T, 478, 2) in pixels of frames with the given coefficients; rho is (T, 12)."""
        rows = self.rows(self.landmarks)
        identity = self.identity(shape)
        placed = place(rows.posed(identity, full, rho, self), rho)
        return np.asarray(project(placed, side)[0])

    def rows(self, vertices: NDArray[np.integer]) -> "Rows":
        """The bases' rows of some vertices, for fitting."""
        ends = self.vertex_ends
        eye = np.where((vertices >= ends[0]) & (vertices < ends[1]), 0, -1)
        eye = np.where((vertices >= ends[1]) & (vertices < ends[2]), 1, eye)
        return Rows(
            np.asarray(vertices),
            self.mean[vertices].astype(np.float64),
            self.shape_basis[vertices].astype(np.float64),
            self.expression_basis[vertices].astype(np.float64),
            eye,
        )

    def save(self, path: Path) -> None:
        """Write ``path`` (.npz, no pickles) and a JSON file beside it; raises StoreError where the disk is full."""
        with whole_file(path) as file:
            np.savez(file, **{name: getattr(self, name) for name in _ARRAYS})
        facts = {"blink_columns": list(self.blink_columns), **self.names}
        write_atomically(path.with_suffix(".json"), (json.dumps(facts, indent=1, sort_keys=True) + "\n").encode())


@dataclass(frozen=True)
class Rows:
    """Rows of a face model in float64: ``mean`` (n, 3), bases (n, 3, k), and ``eye`` (n,): 0 left, 1 right, -1 none."""

    vertices: NDArray[np.integer]
    mean: NDArray[np.float64]
    shape_basis: NDArray[np.float64]
    expression_basis: NDArray[np.float64]
    eye: NDArray[np.int64]

    def posed(self, identity: Floats, full: Floats, rho: Floats, model: FaceModel) -> NDArray[np.float64]:
        """Vertices (T, n, 3) in the head's axes."""
        flat = self.expression_basis.reshape(-1, EXPRESSION)
        result = identity[self.vertices] + (full @ flat.T).reshape(len(full), -1, 3)
        push = model.names.get("eye_push", 0.0)
        for number, centre in enumerate(model.eye_centres(identity)):
            rows = self.eye == number
            gaze = rho[:, RIGHT_GAZE if number else LEFT_GAZE]
            result[:, rows] = (result[:, rows] - centre) @ eye_matrix(gaze).transpose(0, 2, 1) + centre + push
        return np.asarray(result, np.float64)


def eye_matrix(gaze: Floats) -> NDArray[np.float64]:
    """(..., 2) pitch, yaw in radians to Ry(yaw) Rx(pitch) (..., 3, 3)."""
    return rotation_matrix(np.concatenate([gaze, np.zeros_like(gaze[..., :1])], axis=-1))


def place(vertices: Floats, rho: Floats) -> NDArray[np.float64]:
    """Head vertices (T, V, 3) turned and moved by rho (T, 12): R v + t."""
    turn = rotation_matrix(rho[:, ROTATION])
    return np.asarray(vertices @ turn.transpose(0, 2, 1) + rho[:, None, TRANSLATION])


def load(path: Path) -> FaceModel:
    """Read a converted face model.

    Raises:
        InputError: missing, or not such a file; the message says how to make one.
    """
    facts = path.with_suffix(".json")
    remedy = "make one with 'gmbench facemodel synth' or 'gmbench facemodel convert'"
    if not path.exists() or not facts.exists():
        raise InputError(f"{path}: no face model here ({facts.name} must lie beside it); {remedy}")
    try:
        with np.load(path, allow_pickle=False) as file:
            arrays = {name: file[name] for name in _ARRAYS}
        names = json.loads(facts.read_text("utf-8"))
    except (OSError, ValueError, KeyError) as error:
        raise InputError(f"{path}: not a converted face model ({error}); {remedy}") from error
    left, right = names.pop("blink_columns")
    return FaceModel(**arrays, blink_columns=(left, right), names=names)
