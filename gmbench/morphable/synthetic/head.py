"""The mesh of the synthetic head: MediaPipe's canonical face, completed to a head with its insides.

``data/canonical_*.csv`` is the canonical face model of MediaPipe (Apache-2.0): 468 vertices with uv, 898
triangles; centimetres, x to the right of the image, y up, z towards the camera. Its filled eyes and mouth are cut out;
skull, ears, neck, lids' edges, mouth, teeth, eyeballs and shoulders are grown here.
"""

from dataclasses import dataclass
from importlib import resources

import numpy as np
from numpy.typing import NDArray
from scipy import sparse

from gmbench.morphable.landmarks_478 import LEFT_EYE, LIPS_INNER, OVAL, RIGHT_EYE

Points = NDArray[np.float64]
Triangles = NDArray[np.int64]

EYE_RADIUS = 1.35
EYE_CENTRES = {"left": np.array([3.15, 2.62, 2.32]), "right": np.array([-3.15, 2.62, 2.32])}
IRIS_ANGLE = 0.47
EYE_RINGS = (0.19, 0.23, IRIS_ANGLE, 0.52, 0.95, 1.4, 1.8, 2.248894, 2.47, 2.65, 2.85, 3.0)
"""Polar angles of an eyeball's rings in radians: pupil, iris, white. They balance: the mean vertex is the centre."""
EYE_SECTORS = 16
_SKULL_CENTRE = np.array([0.0, 3.4, -3.6])
_SKULL_RADII = np.array([7.9, 9.6, 9.6])
_SKULL_RINGS = np.array([0.06, 0.15, 0.27, 0.4, 0.55, 0.7, 0.85])
TEETH = 10


@dataclass
class Mesh:
    """Vertices with labels while the head is being built.

    Attributes:
        vertices: (V, 3) centimetres.
        triangles: (F, 3), counter-clockwise seen from outside.
        part: (V,) name of the part.
        parent: (V,) for lids' edges and the mouth: the rim vertex that the vertex follows; else itself.
        follow: (V,) how much it follows.
    """

    vertices: Points
    triangles: Triangles
    part: NDArray[np.str_]
    parent: NDArray[np.int64]
    follow: Points

    def add(
        self,
        points: Points,
        triangles: Triangles,
        part: str,
        parent: NDArray[np.int64] | None = None,
        follow: float = 0.0,
    ) -> None:
        """Append vertices; triangles count from the first new vertex, negative ones as ``-1 - v`` from the old."""
        first, count = len(self.vertices), len(points)
        self.vertices = np.vstack([self.vertices, points])
        self.triangles = np.vstack([self.triangles, np.where(triangles < 0, -1 - triangles, triangles + first)])
        self.part = np.concatenate([self.part, np.full(count, part, "<U16")])
        self.parent = np.concatenate([self.parent, np.arange(first, first + count) if parent is None else parent])
        self.follow = np.concatenate([self.follow, np.full(count, follow)])


def read_canonical() -> tuple[Points, Points, Triangles]:
    """Vertices (468, 3), uv (468, 2) and triangles (898, 3) of the canonical face."""
    folder = resources.files("gmbench.morphable").joinpath("data")
    with folder.joinpath("canonical_vertices.csv").open() as file:
        table = np.loadtxt(file, delimiter=",", skiprows=1)
    with folder.joinpath("canonical_triangles.csv").open() as file:
        triangles = np.loadtxt(file, delimiter=",", skiprows=1, dtype=np.int64)
    return table[:, :3], table[:, 3:], triangles


def build() -> Mesh:
    """The coarse head without eyeballs and shoulders: face, skull, ears, neck, mouth, teeth."""
    vertices, _, triangles = read_canonical()
    vertices = _at_rest(vertices)
    for ring in (RIGHT_EYE, LEFT_EYE, LIPS_INNER):
        triangles = triangles[~np.isin(triangles, ring).all(axis=1)]
    count = len(vertices)
    mesh = Mesh(vertices, triangles, np.full(count, "face", "<U16"), np.arange(count), np.zeros(count))
    _add_skull(mesh)
    _add_lid_edges(mesh)
    _add_mouth(mesh)
    _add_teeth(mesh)
    for side in (-1.0, 1.0):
        _add_ear(mesh, side)
    _add_neck(mesh)
    return mesh


def subdivide(triangles: Triangles, vertices: int) -> tuple[Triangles, NDArray[np.int64]]:
    """Split each triangle into four; returns the triangles and the edges (E, 2) whose middles are the new vertices."""
    edges = np.sort(np.concatenate([triangles[:, [0, 1]], triangles[:, [1, 2]], triangles[:, [2, 0]]]), axis=1)
    unique, inverse = np.unique(edges, axis=0, return_inverse=True)
    ab, bc, ca = vertices + inverse.reshape(3, -1)
    a, b, c = triangles.T
    parts = [(a, ab, ca), (ab, b, bc), (ca, bc, c), (ab, bc, ca)]
    return np.concatenate([np.stack(part, axis=1) for part in parts]), unique


def midpoints(vertices: int, edges: NDArray[np.int64]) -> sparse.csr_matrix:
    """(V + E, V) matrix that keeps the vertices and adds the middles of the edges."""
    rows = np.repeat(np.arange(len(edges)), 2)
    middle = sparse.csr_matrix((np.full(2 * len(edges), 0.5), (rows, edges.ravel())), shape=(len(edges), vertices))
    return sparse.vstack([sparse.identity(vertices), middle]).tocsr()


def curved_midpoints(points: Points, triangles: Triangles, edges: NDArray[np.int64]) -> Points:
    """Middles (E, 3) of the cubic curves that leave both ends of an edge in their tangent planes.

    Source: the edge rule of curved PN triangles, Vlachos et al., 2001.
    """
    normals = vertex_normals(points, triangles)
    start, end = points[edges[:, 0]], points[edges[:, 1]]
    along = end - start
    lift = [n * (n * along).sum(axis=1, keepdims=True) for n in (normals[edges[:, 0]], normals[edges[:, 1]])]
    return (start + end) / 2 + (lift[1] - lift[0]) / 8


def vertex_normals(points: Points, triangles: Triangles) -> Points:
    """Unit normals (V, 3): normalised sum of the cross products of the incident triangles."""
    a, b, c = (points[triangles[:, i]] for i in range(3))
    across = np.cross(b - a, c - a)
    normals = np.zeros_like(points)
    for corner in range(3):
        np.add.at(normals, triangles[:, corner], across)
    return normals / (np.linalg.norm(normals, axis=1, keepdims=True) + 1e-9)


def build_eyeball(side: str) -> tuple[Points, Triangles, NDArray[np.int64]]:
    """Vertices, triangles and each vertex' ring (0 is the pole at the front) of one eyeball.

    Vertices: the pole, then rings of ``EYE_SECTORS`` starting at the right of the image, going over the top.
    """
    around = 2 * np.pi * np.arange(EYE_SECTORS) / EYE_SECTORS
    points, ring = [np.array([[0.0, 0.0, 1.0]])], [np.zeros(1, np.int64)]
    for number, polar in enumerate(EYE_RINGS, start=1):
        circle = np.stack([np.cos(around), np.sin(around)], axis=1) * np.sin(polar)
        points.append(np.c_[circle, np.full(EYE_SECTORS, np.cos(polar))])
        ring.append(np.full(EYE_SECTORS, number))
    next_ = (np.arange(EYE_SECTORS) + 1) % EYE_SECTORS
    fan = np.stack([np.zeros(EYE_SECTORS, np.int64), 1 + np.arange(EYE_SECTORS), 1 + next_], axis=1)
    bands = [
        _band(
            1 + number * EYE_SECTORS + np.arange(EYE_SECTORS), 1 + (number + 1) * EYE_SECTORS + np.arange(EYE_SECTORS)
        )
        for number in range(len(EYE_RINGS) - 1)
    ]
    points.append(np.array([[0.0, 0.0, -1.0]]))
    ring.append(np.array([len(EYE_RINGS)]))
    last, pole = 1 + (len(EYE_RINGS) - 1) * EYE_SECTORS, len(EYE_RINGS) * EYE_SECTORS + 1
    bands.append(np.stack([last + np.arange(EYE_SECTORS), np.full(EYE_SECTORS, pole), last + next_], axis=1))
    sphere = np.vstack(points) * EYE_RADIUS + EYE_CENTRES[side]
    return sphere, np.vstack([fan, *bands]), np.concatenate(ring)


def build_shoulders() -> tuple[Points, Triangles]:
    """Neck opening, shoulders and chest: an open loft of ellipses."""
    sectors = 32
    around = 2 * np.pi * np.arange(sectors) / sectors
    rings = [  # height, half-width, half-depth, centre z
        (-13.2, 5.9, 5.7, -4.6), (-14.6, 7.4, 6.4, -4.6), (-16.0, 11.5, 7.0, -5.0), (-18.0, 17.5, 7.6, -5.4),
        (-21.0, 21.0, 8.4, -5.5), (-26.0, 22.5, 9.4, -5.5), (-34.0, 22.5, 10.5, -5.5), (-48.0, 22.5, 10.5, -5.5),
    ]  # fmt: skip
    points = [
        np.stack([wide * np.cos(around), np.full(sectors, height), z + deep * np.sin(around)], axis=1)
        for height, wide, deep, z in rings
    ]
    start = np.arange(sectors)
    bands = [_band(n * sectors + start, (n + 1) * sectors + start) for n in range(len(rings) - 1)]
    return np.vstack(points), np.vstack(bands)[:, ::-1]


def _at_rest(vertices: Points) -> Points:
    """The canonical mouth is a little open and the eyes narrow; the mean face shuts the one and widens the others."""
    vertices = vertices.copy()
    ring = np.array(LIPS_INNER)
    lower, upper = ring[1:10], ring[:10:-1]
    middle = (vertices[lower] + vertices[upper]) / 2
    for group, sign in ((lower, -0.5), (upper, 0.5)):
        vertices[group] = middle + [0.0, sign * 0.03, 0.0]
    for eye in (RIGHT_EYE, LEFT_EYE):
        vertices[list(eye[:8:-1]), 1] += 0.12 * np.sin(np.linspace(0, np.pi, 9)[1:-1])
    return vertices


def _band(inner: NDArray[np.int64], outer: NDArray[np.int64]) -> Triangles:
    """Triangles between two closed rings of one length, facing the side from which they run counter-clockwise."""
    next_inner, next_outer = np.roll(inner, -1), np.roll(outer, -1)
    return np.concatenate([np.stack([inner, outer, next_outer], 1), np.stack([inner, next_outer, next_inner], 1)])


def _grow(mesh: Mesh, rim: NDArray[np.int64], rings: list[Points], part: str, follow: list[float]) -> None:
    """Rings of vertices behind a rim, each a copy of the rim at its own place, joined in order."""
    size, triangles, last = len(rim), [], -1 - rim
    for number in range(len(rings)):
        current = number * size + np.arange(size)
        triangles.append(_band(current, last))
        last = current
    mesh.add(np.vstack(rings), np.vstack(triangles), part, np.tile(rim, len(rings)))
    mesh.follow[-size * len(rings) :] = np.repeat(follow, size)


def _add_skull(mesh: Mesh) -> None:
    """Rings from the outline of the face around an ellipsoid to a pole at the back of the head."""
    rim = np.array(OVAL)
    direction = (mesh.vertices[rim] - _SKULL_CENTRE) / _SKULL_RADII
    radius = np.linalg.norm(direction, axis=1, keepdims=True)
    direction /= radius
    pole = np.array([0.0, -0.12, -1.0]) / np.hypot(0.12, 1.0)
    angle = np.arccos(np.clip(direction @ pole, -1, 1))[:, None]
    low = np.clip((1.5 - mesh.vertices[rim, 1:2]) / 8.0, 0, 1)  # the jaw's underside turns in quickly
    rings = []
    for s in _SKULL_RINGS:
        turned = (np.sin((1 - s) * angle) * direction + np.sin(s * angle) * pole) / np.sin(angle)
        end = 1.0 - 0.22 * low * np.sin(np.pi * s)
        rings.append(_SKULL_CENTRE + _SKULL_RADII * turned * (end + (radius - end) * (1 - s) ** (2 + 5 * low)))
    first = len(mesh.vertices)
    _grow(mesh, rim, rings, "skull", [0.0] * len(rings))
    mesh.parent[first:] = np.arange(first, len(mesh.vertices))
    last = len(mesh.vertices) - len(rim) + np.arange(len(rim))
    fan = np.stack([np.zeros(len(rim), np.int64), -1 - last, -1 - np.roll(last, -1)], axis=1)
    mesh.add((_SKULL_CENTRE + _SKULL_RADII * pole)[None], fan, "skull")


def _add_lid_edges(mesh: Mesh) -> None:
    """A band from each lid to its eyeball, so that no gap opens between them."""
    for ring, side in ((RIGHT_EYE, "right"), (LEFT_EYE, "left")):
        rim = np.array(ring if side == "left" else ring[::-1])[::-1]
        offset = mesh.vertices[rim] - EYE_CENTRES[side]
        inner = offset * (0.97 * EYE_RADIUS / np.linalg.norm(offset, axis=1, keepdims=True))
        _grow(mesh, rim, [EYE_CENTRES[side] + inner], "lid", [1.0])


def _add_mouth(mesh: Mesh) -> None:
    """The inside of the lips and a pocket behind them."""
    rim = np.array(LIPS_INNER)
    lips = mesh.vertices[rim]
    middle = lips.mean(axis=0)
    spread = lips - middle
    outward = np.sign(np.sin(-2 * np.pi * np.arange(len(rim)) / len(rim)).round(9))[:, None] * [0.0, 1.0, 0.0]
    rings = [
        lips + [0.0, 0.0, -0.3],
        lips * [1.04, 1.0, 1.0] + 1.3 * outward + [0.0, 0.0, -0.75],
        middle + spread * [0.9, 1.0, 1.0] + 1.5 * outward + [0.0, 0.0, -3.0],
    ]
    _grow(mesh, rim, rings, "mouth", [1.0, 0.9, 0.6])
    last = len(mesh.vertices) - len(rim) + np.arange(len(rim))
    fan = np.stack([np.zeros(len(rim), np.int64), -1 - last, -1 - np.roll(last, -1)], axis=1)
    mesh.add(middle[None] + [0.0, 0.0, -3.5], fan, "mouth")


def _add_teeth(mesh: Mesh) -> None:
    """Two curved strips; three rows each, so that gums show above long teeth."""
    across = np.linspace(-2.1, 2.1, TEETH + 1)
    depth = 4.6 - 0.30 * across**2
    for part, heights in (("teeth_upper", (-3.3, -3.8, -4.5)), ("teeth_lower", (-4.4, -4.95, -5.4))):
        back = 0.0 if part == "teeth_upper" else 0.2
        rows = np.concatenate([np.stack([across, np.full(TEETH + 1, y), depth - back], axis=1) for y in heights])
        grid = np.arange(3 * (TEETH + 1)).reshape(3, TEETH + 1)
        a, b, c, d = (grid[:-1, :-1].ravel(), grid[:-1, 1:].ravel(), grid[1:, :-1].ravel(), grid[1:, 1:].ravel())
        mesh.add(rows, np.concatenate([np.stack([a, c, d], 1), np.stack([a, d, b], 1)]), part)


def _add_ear(mesh: Mesh, side: float) -> None:
    """A leaf with a raised rim beside the head."""
    sectors = 14
    around = 2 * np.pi * np.arange(sectors) / sectors
    profile = [(1.0, 0.0), (1.02, 0.9), (0.8, 1.15), (0.5, 0.55)]  # radius, height over the head
    rings = []
    for radius, height in profile:
        up, back = 3.1 * radius * np.sin(around), 1.75 * radius * np.cos(around)
        narrow = 1.0 - 0.25 * np.clip(-np.sin(around), 0, 1)
        out = height * (0.55 + 0.45 * np.cos(around))
        rings.append(np.stack([side * (7.5 + out), 0.6 + up, -3.4 - back * narrow - 0.12 * up], axis=1))
    points = np.vstack([*rings, [[side * 7.75, 0.4, -3.1]]])
    start = np.arange(sectors)
    bands = [_band((n + 1) * sectors + start, n * sectors + start) for n in range(len(rings) - 1)]
    last = (len(rings) - 1) * sectors + start
    fan = np.stack([np.full(sectors, len(points) - 1), last, np.roll(last, -1)], axis=1)
    triangles = np.vstack([*bands, fan])
    mesh.add(points, triangles if side > 0 else triangles[:, ::-1], "ear")


def _add_neck(mesh: Mesh) -> None:
    """A tube from inside the head to inside the collar."""
    sectors = 24
    around = 2 * np.pi * np.arange(sectors) / sectors
    rings = [
        (-5.0, 4.4, 3.8, -4.4),
        (-8.5, 4.7, 4.7, -3.5),
        (-11.0, 4.9, 4.9, -3.7),
        (-14.5, 5.5, 5.3, -4.4),
        (-19.0, 6.6, 5.8, -5.0),
    ]
    points = [
        np.stack([wide * np.cos(around), np.full(sectors, height), z + deep * np.sin(around)], axis=1)
        for height, wide, deep, z in rings
    ]
    start = np.arange(sectors)
    bands = [_band(n * sectors + start, (n + 1) * sectors + start) for n in range(len(rings) - 1)]
    mesh.add(np.vstack(points), np.vstack(bands)[:, ::-1], "neck")
