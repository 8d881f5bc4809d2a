"""Assemble the synthetic head into one file of FaceVerse v3's keys, dimensions and raw axes."""

from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import sparse

from gmbench.morphable.landmarks_478 import COUNT, LEFT_BROW, LIPS_INNER, LIPS_OUTER, RIGHT_BROW
from gmbench.morphable.synthetic import expressions, head, identities
from gmbench.morphable.synthetic.head import EYE_SECTORS, Mesh, Points

MILLIMETRES = 10.0
"""Raw units per centimetre: a raw unit is 0.01 model units, and a model unit is a decimetre."""
LABELS = (
    "face",
    "skull",
    "lid",
    "mouth",
    "teeth_upper",
    "teeth_lower",
    "ear",
    "neck",
    "eye_left",
    "eye_right",
    "shoulders",
)
_SKIN, _HAIR = np.array([205.0, 158.0, 132.0]), np.array([72.0, 52.0, 40.0])
_LIP, _INSIDE, _TOOTH = np.array([178.0, 98.0, 92.0]), np.array([78.0, 26.0, 28.0]), np.array([232.0, 226.0, 210.0])
_BROW, _CLOTH = np.array([70.0, 48.0, 38.0]), np.array([92.0, 100.0, 118.0])
_EYE = np.array(
    [[14.0, 12, 12], [16, 14, 14], [118, 96, 76], [76, 60, 48], [222, 216, 212], [238, 234, 232], [230, 220, 214]]
)
"""Colour of an eyeball's rings: pupil, iris, white."""


def synthesise(seed: int = 0) -> dict[str, Any]:
    """The raw dictionary of the synthetic face model; the same seed gives the same arrays.

    Keys as in FaceVerse v3 (see :mod:`gmbench.morphable.convert`), raw axes: millimetres, y up, z towards the camera.
    Extra keys: ``exp_name_list`` names the expression columns, ``id_name_list`` and ``tex_name_list`` the bases', and
    a fourth part, the shoulders, follows the eyeballs in ``ver_inds`` and ``tri_inds``.
    """
    generator = np.random.default_rng([seed, 3])
    mesh = head.build()
    expression = expressions.expression_basis(mesh, generator)
    triangles, edges = head.subdivide(mesh.triangles, len(mesh.vertices))
    middle = head.midpoints(len(mesh.vertices), edges)
    skin = np.vstack([mesh.vertices, head.curved_midpoints(mesh.vertices, mesh.triangles, edges)])
    part = np.concatenate([mesh.part, _edge_parts(mesh, edges)])
    expression = (middle @ expression.reshape(len(mesh.vertices), -1)).reshape(len(skin), 3, -1)
    pieces = [(skin, triangles)]
    rings = np.full(len(skin), -1)
    for side in ("left", "right"):
        points, faces, ring = head.build_eyeball(side)
        pieces.append((points, faces))
        part = np.concatenate([part, np.full(len(points), f"eye_{side}")])
        rings = np.concatenate([rings, ring])
    pieces.append(head.build_shoulders())
    part = np.concatenate([part, np.full(len(pieces[-1][0]), "shoulders")])
    rings = np.concatenate([rings, np.full(len(pieces[-1][0]), -1)])
    counts = np.cumsum([len(points) for points, _ in pieces])
    vertices = np.vstack([points for points, _ in pieces])
    faces = np.vstack([t + first for (_, t), first in zip(pieces, [0, *counts[:-1]], strict=True)])
    expression = np.concatenate([expression, np.zeros((len(vertices) - len(skin), 3, expressions.COUNT))])

    hair, shares = _shares(vertices, part, rings, mesh, middle)
    vertices = vertices + hair * _hair_lift(vertices)
    eyes = {side: part == f"eye_{side}" for side in ("left", "right")}
    identity = identities.shape_basis(vertices, hair, eyes, generator)
    identity[part == "shoulders"] = 0.0
    texture = identities.texture_basis(shares, vertices, generator)
    meantex = _colours(part, rings, shares, generator)
    incidence = [[] for _ in range(len(vertices))]  # type: list[list[int]]
    for number, corners in enumerate(faces):
        for corner in corners:
            incidence[corner].append(number)
    width = max(len(around) for around in incidence)
    uv = _uv(vertices, part)
    return {
        "meanshape": (vertices * MILLIMETRES).astype(np.float32),
        "meantex": meantex.astype(np.float32).ravel(),
        "idBase": (identity * MILLIMETRES).reshape(len(vertices) * 3, -1).astype(np.float32),
        "exBase": (expression * MILLIMETRES).reshape(len(vertices) * 3, -1).astype(np.float32),
        "texBase": texture.reshape(len(vertices) * 3, -1).astype(np.float32),
        "tri": faces.astype(np.int64),
        "point_buf": np.array([around + [len(faces)] * (width - len(around)) for around in incidence]),
        "ver_inds": counts,
        "tri_inds": np.cumsum([len(t) for _, t in pieces]),
        "mediapipe_keypoints": _keypoints(counts),
        "uvtex": np.c_[uv, np.zeros(len(uv))] * 255.0,
        "parsing": np.searchsorted(sorted(LABELS), part).astype(np.float32)[:, None].repeat(3, axis=1),
        "face_mask": (np.isin(part, ["face", "lid"]) & (hair[:, 0] < 0.5)).astype(np.float32),
        "uv": uv,
        "tri_uv": faces.astype(np.int64),
        "exp_name_list": list(expressions.ACTIONS),
        "id_name_list": list(identities.shape_directions(np.zeros((1, 3)), np.zeros((1, 1)))),
        "tex_name_list": list(identities.texture_directions(dict.fromkeys(shares, np.zeros((1, 1))), np.zeros((1, 3)))),
    }


def _edge_parts(mesh: Mesh, edges: NDArray[np.int64]) -> NDArray[np.str_]:
    """A new vertex belongs to the skin if either end does, else to the part of its ends."""
    first, second = mesh.part[edges[:, 0]], mesh.part[edges[:, 1]]
    return np.where((first == "face") | (second == "face"), "face", first)


def _shares(
    vertices: Points, part: NDArray[np.str_], rings: NDArray[np.int64], mesh: Mesh, middle: sparse.csr_matrix
) -> tuple[Points, dict[str, Points]]:
    """Shares (V, 1) of hair, skin, brows, lips and irises."""
    x, y, z = vertices.T
    hairline = np.where(z > -1.0, 7.6 - 0.035 * x**2 + 0.0 * z, np.clip(1.5 + 1.4 * (z + 4.0), -5.5, 5.5))
    hair = np.clip((y - hairline) / 0.9 + 0.5, 0, 1) * np.isin(part, ["skull", "face"])
    hair = np.where((z < -6.0) & (y > -5.5) & (part == "skull"), 1.0, hair)[:, None]
    canonical = mesh.vertices
    brows = np.zeros(len(vertices))
    for ids in (RIGHT_BROW, LEFT_BROW):
        line = (canonical[list(ids[4:])] + canonical[list(ids[:4])]) / 2  # from the temple to the nose
        place = np.linspace(0, 3, 40)
        dense = np.stack([np.interp(place, np.arange(4), line[:, c]) for c in range(3)], axis=1)
        distance = np.linalg.norm((vertices[:, None] - dense[None]) * [1.0, 1.0, 0.3], axis=-1) / (0.24 + 0.06 * place)
        brows = np.maximum(brows, np.exp(-(distance.min(axis=1) ** 3)))
    brows = (brows * (part == "face"))[:, None]
    lips = np.zeros((len(vertices), 1))
    coarse = middle @ _inside_lips(canonical, canonical)
    lips[: len(coarse), 0] = np.clip(1.5 * coarse - 0.5, 0, 1)
    lips *= (part == "face")[:, None]
    skin = np.isin(part, ["face", "skull", "lid", "ear", "neck"])[:, None] * (1 - hair) * (1 - lips) * (1 - 0.9 * brows)
    iris = np.isin(rings, [2, 3])[:, None].astype(float)
    return hair, {"skin": skin, "hair": hair, "brow": brows, "lips": lips, "iris": iris}


def _inside_lips(vertices: Points, canonical: Points) -> Points:
    """Whether a vertex lies between the outer and the inner rim of the lips, softly."""
    from matplotlib.path import Path

    ring = canonical[list(LIPS_OUTER)][:, :2]
    inside = Path(ring).contains_points(vertices[:, :2], radius=1e-6) | Path(ring).contains_points(
        vertices[:, :2], radius=-1e-6
    )
    rim = np.linalg.norm(vertices[:, None] - canonical[[*LIPS_OUTER, *LIPS_INNER]][None], axis=-1).min(1) < 1e-6
    return ((inside | rim) & (vertices[:, 2] > 3.4)).astype(float)


def _hair_lift(vertices: Points) -> Points:
    """Displacement (V, 3) of hair over the skull."""
    centre = np.array([0.0, 3.0, -3.6])
    offset = vertices - centre
    return offset / (np.linalg.norm(offset, axis=1, keepdims=True) + 1e-9) * 0.75


def _colours(
    part: NDArray[np.str_], rings: NDArray[np.int64], shares: dict[str, Points], generator: np.random.Generator
) -> Points:
    """(V, 3) mean colours in 0..255."""
    colour = np.tile(_SKIN, (len(part), 1))
    colour[part == "mouth"] = _INSIDE
    teeth = np.char.startswith(part, "teeth")
    colour[teeth] = _TOOTH
    colour[part == "shoulders"] = _CLOTH
    colour = colour * (1 - shares["brow"]) + _BROW * shares["brow"]
    colour = colour * (1 - shares["lips"]) + _LIP * shares["lips"]
    streaks = 1.0 + 0.14 * generator.normal(0, 1, (len(part), 1))
    colour = colour * (1 - shares["hair"]) + _HAIR * streaks * shares["hair"]
    ball = rings >= 0
    colour[ball] = _EYE[np.minimum(rings[ball], len(_EYE) - 1)]
    return np.clip(colour, 0, 255)


def _uv(vertices: Points, part: NDArray[np.str_]) -> Points:
    """(V, 2) in [0, 1]: the face unrolled around the vertical axis."""
    angle = np.arctan2(vertices[:, 0], vertices[:, 2] + 4.0)
    return np.stack([0.5 + angle / (2 * np.pi), np.clip(0.5 - vertices[:, 1] / 30.0, 0, 1)], axis=1)


def _keypoints(counts: NDArray[np.int64]) -> NDArray[np.int64]:
    """(478,) vertices of the landmarks: the canonical vertices, then both irises."""
    quarter = EYE_SECTORS // 4
    around = np.array([0, 1, 1 + quarter, 1 + 2 * quarter, 1 + 3 * quarter])  # centre, image right, top, left, bottom
    rim = around + np.where(around > 0, 2 * EYE_SECTORS, 0)  # third ring: the edge of the iris
    left, right = counts[0] + rim, counts[1] + rim
    result = np.concatenate([np.arange(468), right, left])
    if len(result) != COUNT:
        raise ValueError(f"expected {COUNT} landmarks, got {len(result)}")
    return result
