"""Expression basis of the synthetic head: named facial actions, then smooth random columns of decaying energy."""

import numpy as np
from numpy.typing import NDArray
from scipy import sparse
from scipy.sparse.csgraph import dijkstra

from gmbench.morphable.landmarks_478 import LEFT_EYE, LIPS_INNER, LIPS_OUTER, RIGHT_EYE
from gmbench.morphable.synthetic.head import EYE_CENTRES, EYE_RADIUS, Mesh, Points

COUNT = 171
ACTIONS = (
    "jaw_open", "pucker", "stretch", "upper_lip_up", "lower_lip_down", "lips_press", "corner_up_left",
    "corner_up_right",
    "corner_down_left", "corner_down_right", "cheek_raise_left", "cheek_raise_right", "squint_left", "squint_right",
    "blink_left", "blink_right", "brow_inner_up", "brow_outer_up_left", "brow_outer_up_right", "brow_lower_left",
    "brow_lower_right", "nose_wrinkle", "eye_wide_left", "eye_wide_right", "chin_raise", "dimple_left", "dimple_right",
    "cheek_puff", "jaw_side", "jaw_forward", "funnel", "lip_tuck",
)  # fmt: skip
"""Names of the first columns; the lids stand at 14 and 15, where FaceVerse has them."""

HINGE = np.array([0.0, -0.5, -3.5])
JAW_ANGLE = np.radians(16.0)
_LOWER_LIP = (
    *LIPS_INNER[1:10],
    *LIPS_OUTER[1:10],
    86,
    85,
    180,
    316,
    315,
    404,
    16,
    15,
    179,
    403,
    89,
    319,
    90,
    320,
    96,
    325,
    77,
    307,
)
_UPPER_LIP = (*LIPS_INNER[11:], *LIPS_OUTER[11:], 11, 12, 72, 302, 38, 268, 73, 303, 41, 271, 74, 304, 42, 272)
_MIRROR_X = np.array([-1.0, 1.0, 1.0])


def expression_basis(mesh: Mesh, generator: np.random.Generator) -> NDArray[np.float64]:
    """(V, 3, 171) displacements in centimetres of a unit coefficient, on the coarse mesh."""
    actions = _Actions(mesh)
    columns = [actions.column(name) for name in ACTIONS]
    columns += actions.random(COUNT - len(ACTIONS), generator)
    basis = np.stack(columns, axis=-1)
    inner = mesh.follow > 0
    basis[inner] = basis[mesh.parent[inner]] * mesh.follow[inner, None, None]
    return basis


class _Actions:
    """Displacement fields over the skin; distances run along the surface, so the mouth's slit separates the lips."""

    def __init__(self, mesh: Mesh) -> None:
        self.mesh, self.points = mesh, mesh.vertices
        self.skin = np.isin(mesh.part, ["face", "skull"])
        edges = mesh.triangles[self.skin[mesh.triangles].all(axis=1)]
        pairs = np.unique(
            np.sort(np.concatenate([edges[:, [0, 1]], edges[:, [1, 2]], edges[:, [2, 0]]]), axis=1), axis=0
        )
        length = np.linalg.norm(self.points[pairs[:, 0]] - self.points[pairs[:, 1]], axis=1)
        size = len(self.points)
        self.graph = sparse.csr_matrix((length, (pairs[:, 0], pairs[:, 1])), shape=(size, size))
        self.jaw = self._jaw_weights()

    def near(self, ids: object, radius: float) -> Points:
        """(V, 1) weights: 1 at the given vertices, falling smoothly to 0 at a distance along the skin."""
        seeds = np.atleast_1d(np.asarray(ids, np.int64))
        distance = dijkstra(self.graph, directed=False, indices=seeds, min_only=True, limit=radius)
        share = np.clip(1.0 - distance / radius, 0.0, 1.0)
        return (share * share * (3 - 2 * share))[:, None]

    def column(self, name: str) -> Points:
        """(V, 3) displacement of an action; ``_left`` and ``_right`` mirror one rule."""
        stem, _, side = name.rpartition("_")
        if side in ("left", "right") and hasattr(self, f"_{stem}"):
            return np.asarray(getattr(self, f"_{stem}")(side))
        return np.asarray(getattr(self, f"_{name}")())

    def random(self, count: int, generator: np.random.Generator) -> list[Points]:
        """Smooth displacements around random places of the face, weaker and finer one after another."""
        face = np.flatnonzero(self.mesh.part == "face")
        face = face[~np.isin(face, [*RIGHT_EYE, *LEFT_EYE])]
        still = 1.0 - np.maximum(self.near(list(RIGHT_EYE), 0.6), self.near(list(LEFT_EYE), 0.6))
        result = []
        for number in range(count):
            size = 0.20 / (1.0 + 0.05 * number)
            field = np.zeros_like(self.points)
            for seed in generator.choice(face, 3, replace=False):
                field += self.near(seed, 3.5 + 3.0 * generator.random()) * generator.normal(0, 1, 3) * [0.7, 0.8, 1.0]
            result.append(field * still * size)
        return result

    def _jaw_weights(self) -> Points:
        """(V, 1) how much the skin follows the jaw."""
        x, y, z = self.points.T
        line = -4.5 + 0.33 * np.clip(np.abs(x) - 1.5, 0, None)
        below = np.clip((line - y) / 1.9, 0, 1)
        front = np.clip((z + 3.5) / 3.0, 0, 1)
        weights = (below * below * (3 - 2 * below) * front)[:, None] * self.skin[:, None]
        lip = np.maximum(self.near(list(_LOWER_LIP), 1.0), weights)
        taper = 1.0 - 0.55 * np.clip(np.abs(x) / 2.4, 0, 1)[:, None] ** 3
        weights = np.where(lip > weights, lip * taper, weights)
        weights[list(_UPPER_LIP)] = np.minimum(
            weights[list(_UPPER_LIP)], 0.35 * (np.abs(x[list(_UPPER_LIP)])[:, None] / 2.4) ** 4
        )
        weights[[78, 308, 61, 291]] = 0.42
        weights[self.mesh.part == "teeth_lower"] = 0.92
        weights[self.mesh.part == "mouth"] = 0.5
        return weights

    def _corner(self, side: str) -> tuple[int, NDArray[np.float64]]:
        return (291, np.ones(3)) if side == "left" else (61, _MIRROR_X)

    def _jaw_open(self) -> Points:
        offset = self.points - HINGE
        sine, cosine = np.sin(JAW_ANGLE), np.cos(JAW_ANGLE)
        turned = np.stack([
            offset[:, 0], cosine * offset[:, 1] - sine * offset[:, 2], sine * offset[:, 1] + cosine * offset[:, 2]
        ], axis=1)  # fmt: skip
        return (turned - offset) * self.jaw - self.near([61, 291], 2.2) * self.points * [0.04, 0.0, 0.0]

    def _jaw_side(self) -> Points:
        return self.jaw * [0.8, 0.0, 0.0]

    def _jaw_forward(self) -> Points:
        return self.jaw * [0.0, 0.0, 0.7]

    def _pucker(self) -> Points:
        lips = self.near([*LIPS_OUTER, *LIPS_INNER], 1.6)
        return lips * (self.points * [-0.42, 0.0, 0.0] + [0.0, 0.0, 0.85])

    def _funnel(self) -> Points:
        upper, lower = self.near(list(_UPPER_LIP), 0.9), self.near(list(_LOWER_LIP), 0.9)
        lips = self.near([*LIPS_OUTER, *LIPS_INNER], 1.5)
        return (
            lips * (self.points * [-0.25, 0.0, 0.0] + [0.0, 0.0, 0.5])
            + upper * [0, 0.30, 0.15]
            - lower * [0, 0.35, -0.15]
        )

    def _stretch(self) -> Points:
        return self.near([61], 2.6) * [-0.75, -0.05, -0.30] + self.near([291], 2.6) * [0.75, -0.05, -0.30]

    def _upper_lip_up(self) -> Points:
        middle = np.exp(-((self.points[:, :1] / 2.0) ** 4))
        return self.near(list(_UPPER_LIP), 1.5) * middle * [0.0, 0.55, 0.12]

    def _lower_lip_down(self) -> Points:
        middle = np.exp(-((self.points[:, :1] / 2.0) ** 4))
        return self.near(list(_LOWER_LIP), 1.5) * middle * [0.0, -0.6, 0.05]

    def _lips_press(self) -> Points:
        ring = self.near(list(LIPS_INNER), 0.9)
        toward = -np.clip(self.points[:, 1:2] + 4.27, -0.7, 0.7) * 0.55
        return ring * np.c_[np.zeros(len(ring)), toward, np.full(len(ring), -0.28)]

    def _lip_tuck(self) -> Points:
        return self.near(list(_LOWER_LIP), 0.8) * [0.0, 0.30, -0.55]

    def _chin_raise(self) -> Points:
        return self.near([199, 175, 200], 2.6) * [0.0, 0.45, 0.15] + self.near(list(_LOWER_LIP), 1.1) * [
            0.0,
            0.28,
            0.25,
        ]

    def _corner_up(self, side: str) -> Points:
        corner, mirror = self._corner(side)
        fold = 425 if side == "left" else 205
        return (
            self.near([corner], 2.5) * [0.62, 0.85, -0.35] * mirror
            + self.near([fold], 2.4) * [0.12, 0.32, 0.30] * mirror
        )

    def _corner_down(self, side: str) -> Points:
        corner, mirror = self._corner(side)
        return self.near([corner], 2.4) * [0.10, -0.80, -0.05] * mirror

    def _dimple(self, side: str) -> Points:
        corner, mirror = self._corner(side)
        return self.near([corner], 1.7) * [0.55, 0.18, -0.55] * mirror

    def _cheek_raise(self, side: str) -> Points:
        ids, mirror = ([330, 347, 280], np.ones(3)) if side == "left" else ([101, 118, 50], _MIRROR_X)
        return self.near(ids, 2.4) * [0.08, 0.50, 0.42] * mirror

    def _cheek_puff(self) -> Points:
        return self.near([207, 50], 3.0) * [-0.55, 0.0, 0.55] + self.near([427, 280], 3.0) * [0.55, 0.0, 0.55]

    def _nose_wrinkle(self) -> Points:
        wings = self.near([48, 64, 102, 278, 294, 331], 1.3) * [0.0, 0.38, 0.10]
        return (
            wings
            + self.near([196, 419, 6], 1.5) * [0.0, 0.12, 0.12]
            + self.near([55, 285, 9], 1.5) * [0.0, -0.25, 0.08]
        )

    def _brow_inner_up(self) -> Points:
        return self.near([55, 107, 65, 66, 285, 336, 295, 296], 2.0) * [0.0, 0.75, 0.0]

    def _brow_outer_up(self, side: str) -> Points:
        ids = [276, 300, 283, 293, 282, 334] if side == "left" else [46, 70, 53, 63, 52, 105]
        return self.near(ids, 2.0) * [0.0, 0.72, 0.0]

    def _brow_lower(self, side: str) -> Points:
        sets = {"left": ([285, 336], [295, 296, 282, 334]), "right": ([55, 107], [65, 66, 52, 105])}
        inner, middle = sets[side]
        mirror = np.ones(3) if side == "left" else _MIRROR_X
        return (
            self.near(inner, 1.9) * [-0.30, -0.55, 0.15] * mirror
            + self.near(middle, 1.8) * [-0.08, -0.35, 0.12] * mirror
        )

    def _lids(self, side: str, upper: float, lower: float, radius: float) -> Points:
        """Both lids move by shares of the gap between them, over the eyeball's surface."""
        ring = LEFT_EYE if side == "left" else RIGHT_EYE
        below, above = np.array(ring[1:8]), np.array(ring[:8:-1])
        move = np.zeros_like(self.points)
        gap = self.points[above] - self.points[below]
        move[above], move[below] = -upper * gap, lower * gap
        for ids, height in ((above, upper), (below, lower)):
            nearest = np.argmin(np.linalg.norm(self.points[:, None, :2] - self.points[None, ids, :2], axis=-1), axis=1)
            weights = self.near(ids, radius if height > 0.5 else 0.8)
            around = weights[:, 0] > 0
            around[list(ring)] = False
            same = (self.points[:, 1] > EYE_CENTRES[side][1]) == (ids is above)
            chosen = around & same
            move[chosen] += (weights * move[ids][nearest])[chosen] * 0.6
        moved = self.points + move - EYE_CENTRES[side]
        distance = np.linalg.norm(moved, axis=1)
        sunk = (distance < EYE_RADIUS + 0.10) & (np.abs(move).sum(axis=1) > 0)
        move[sunk] += moved[sunk] * ((EYE_RADIUS + 0.10) / distance[sunk, None] - 1)
        return move

    def _blink(self, side: str) -> Points:
        return self._lids(side, 0.93, 0.07, 1.3)

    def _squint(self, side: str) -> Points:
        cheek = 347 if side == "left" else 118
        return self._lids(side, 0.04, 0.34, 1.2) + self.near([cheek], 1.5) * [0.0, 0.18, 0.08]

    def _eye_wide(self, side: str) -> Points:
        fold = [257, 258, 259, 286, 414] if side == "left" else [27, 28, 29, 56, 190]
        return self._lids(side, -0.36, -0.06, 1.1) + self.near(fold, 1.0) * [0.0, 0.20, 0.0]
