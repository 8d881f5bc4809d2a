"""Identity and texture bases of the synthetic head: named directions by which people differ, then smooth random ones.

Identity directions are functions of position in the canonical face, so that eyeballs, insides and skin
move together.
"""

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from gmbench.morphable.synthetic.head import EYE_CENTRES, Points

SHAPES, TEXTURES = 150, 251
Field = Callable[[Points, Points], Points]


def bump(points: Points, centre: tuple[float, float, float], size: tuple[float, float, float]) -> Points:
    """(V, 1) Gaussian weight around a place and its mirror image."""
    mirrored = np.stack([np.abs(points[:, 0]) - abs(centre[0]), points[:, 1] - centre[1], points[:, 2] - centre[2]], 1)
    return np.exp(-0.5 * ((mirrored / size) ** 2).sum(axis=1))[:, None]


def _step(values: Points, start: float, end: float) -> Points:
    share = np.clip((values - start) / (end - start), 0, 1)
    return np.asarray((share * share * (3 - 2 * share))[:, None])


def shape_directions(points: Points, hair: Points) -> dict[str, Points]:
    """Displacements (V, 3) in centimetres of one standard deviation, by name.

    Args:
        points: (V, 3) vertices; an eyeball passes its centre instead.
        hair: (V, 1) share of hair.
    """
    p = points
    side = np.sign(p[:, :1]) * np.minimum(np.abs(p[:, :1]) / 1.0, 1.0)
    outward = np.c_[side, np.zeros(len(p)), np.zeros(len(p))]
    up, front, x = np.array([0.0, 1.0, 0.0]), np.array([0.0, 0.0, 1.0]), np.array([1.0, 0.0, 0.0])
    skull = np.array([0.0, 3.4, -3.6])
    radial = (p - skull) / (np.linalg.norm(p - skull, axis=1, keepdims=True) + 1e-9)
    jaw, head = _step(-p[:, 1], 1.0, 7.0), _step(p[:, 1], -14.0, -9.0)
    return {
        "head_width": p * x * 0.045 * head,
        "face_height": (p - [0, 1, 0]) * up * 0.045 * head,
        "head_depth": p * front * 0.04 * head,
        "jaw_width": outward * jaw * 0.55 * _step(np.abs(p[:, 0]), 1.5, 5.0),
        "chin_height": bump(p, (0, -8.5, 4.0), (3.0, 2.2, 4.0)) * up * -0.55,
        "chin_depth": bump(p, (0, -7.8, 4.5), (2.6, 2.0, 3.0)) * front * 0.45,
        "chin_width": bump(p, (2.0, -8.3, 3.8), (1.4, 1.8, 2.5)) * outward * 0.45,
        "cheekbones": bump(p, (5.2, 0.8, 2.5), (1.9, 1.5, 2.5)) * (outward * 0.35 + front * 0.25),
        "cheek_fullness": bump(p, (4.6, -3.2, 2.6), (1.9, 2.0, 2.5)) * (outward * 0.45 + front * 0.30),
        "nose_length": bump(p, (0, -1.0, 6.6), (1.4, 1.4, 1.8)) * up * -0.42,
        "nose_depth": bump(p, (0, -0.8, 6.8), (1.1, 1.6, 1.8)) * front * 0.50,
        "nose_width": bump(p, (1.4, -1.3, 5.4), (0.9, 1.1, 1.6)) * outward * 0.34,
        "nose_bridge": bump(p, (0, 1.8, 5.6), (0.9, 1.5, 1.5)) * front * 0.36,
        "nose_tip_up": bump(p, (0, -1.2, 7.2), (0.9, 0.8, 1.2)) * up * 0.34,
        "eye_spacing": bump(p, (3.15, 2.6, 3.0), (1.7, 1.4, 2.4)) * outward * 0.20,
        "eye_height": bump(p, (3.15, 2.6, 3.0), (2.6, 1.6, 2.4)) * up * 0.22,
        "eye_size": bump(p, (3.15, 2.6, 3.4), (1.3, 0.7, 1.4)) * (p - [0, 2.62, 0]) * up * 0.30,
        "eye_slant": bump(p, (4.4, 2.6, 3.0), (0.9, 0.8, 1.6)) * up * 0.16,
        "brow_height": bump(p, (3.0, 4.4, 4.6), (2.4, 1.0, 2.0)) * up * 0.28,
        "brow_ridge": bump(p, (2.2, 4.3, 4.8), (2.6, 0.9, 1.6)) * front * 0.32,
        "mouth_width": bump(p, (2.2, -4.3, 4.4), (1.3, 1.1, 1.8)) * outward * 0.32,
        "mouth_height": bump(p, (0, -4.3, 5.0), (3.0, 1.7, 2.4)) * up * 0.30,
        "lip_thickness": bump(p, (0, -4.3, 5.3), (2.3, 0.9, 1.4)) * ((p - [0, -4.27, 0]) * up * 0.28 + front * 0.14),
        "lower_lip": bump(p, (0, -5.1, 5.3), (1.7, 0.5, 1.2)) * (-up * 0.12 + front * 0.18),
        "forehead_height": bump(p, (0, 8.3, 3.0), (6.0, 2.0, 6.0)) * up * 0.45,
        "forehead_slope": bump(p, (0, 7.5, 4.0), (5.0, 1.8, 3.5)) * front * 0.42,
        "ear_size": bump(p, (8.2, 0.6, -3.6), (0.7, 3.2, 1.8)) * (outward * 0.30 + (p - [0, 0.6, 0]) * up * 0.08),
        "neck_width": _step(-p[:, 1], 8.0, 11.0) * (p - [0, 0, -4.3]) * [0.07, 0.0, 0.07],
        "hair_volume": hair * radial * 0.60,
        "hair_top": hair * _step(p[:, 1], 7.0, 12.0) * up * 0.70,
        "hair_sides": hair * bump(p, (8.0, 0.0, -5.0), (2.5, 5.0, 4.0)) * outward * 0.60,
        "hair_length": hair * _step(-p[:, 1], -4.0, 3.0) * (-up * 1.6 + outward * 0.5),
    }


def shape_basis(
    points: Points, hair: Points, eyes: dict[str, NDArray[np.bool_]], generator: np.random.Generator
) -> Points:
    """(V, 3, 150): the named directions, then smooth random ones; an eyeball moves as its centre does."""
    places = points.copy()
    for side, mask in eyes.items():
        places[mask] = EYE_CENTRES[side]
    columns = list(shape_directions(places, hair).values())
    face = np.array([[0.0, -1.0, 3.5]])
    for number in range(SHAPES - len(columns)):
        size, reach = 0.16 / (1 + 0.04 * number), 2.4 + 3.0 / (1 + 0.05 * number)
        field = np.zeros_like(points)
        for _ in range(3):
            centre = face + generator.normal(0, 1, 3) * [5.0, 5.5, 3.0]
            direction = generator.normal(0, 1, 3)
            weight = np.exp(-0.5 * ((places - centre) ** 2).sum(1) / reach**2)[:, None]
            other = np.exp(-0.5 * ((places - centre * [-1, 1, 1]) ** 2).sum(1) / reach**2)[:, None]
            field += weight * direction + 0.8 * other * direction * [-1, 1, 1]
        columns.append(field * size)
    return np.stack(columns, axis=-1)


def texture_directions(parts: dict[str, Points], points: Points) -> dict[str, Points]:
    """Changes (V, 3) of RGB in 0..255 of one standard deviation, by name; ``parts`` are shares (V, 1)."""
    skin, hair, brow, lips, iris = (parts[name] for name in ("skin", "hair", "brow", "lips", "iris"))
    beard = skin * _step(-points[:, 1], 2.2, 4.6) * _step(points[:, 2], -3.0, 0.5) * (1 - lips)
    cheeks = bump(points, (4.2, -0.8, 3.4), (1.6, 1.6, 2.5)) * skin
    sockets = bump(points, (3.15, 2.2, 3.6), (1.6, 1.0, 1.5)) * skin
    lightness = np.array([34.0, 36.0, 36.0])
    return {
        "skin_lightness": (skin + 0.8 * lips) * lightness,
        "skin_warmth": skin * [5.0, -3.0, -10.0],
        "skin_redness": skin * [7.0, -5.0, -4.0],
        "hair_lightness": hair * [30.0, 24.0, 16.0] + brow * [14.0, 11.0, 8.0],
        "hair_redness": hair * [16.0, -3.0, -10.0] + brow * [7.0, -1.0, -4.0],
        "hair_grey": hair * [18.0, 20.0, 24.0] + brow * [6.0, 7.0, 9.0],
        "brow_darkness": brow * [-22.0, -20.0, -18.0],
        "lip_redness": lips * [10.0, -12.0, -8.0],
        "lip_darkness": lips * [-18.0, -14.0, -12.0],
        "eye_blue": iris * [-14.0, 2.0, 22.0],
        "eye_green": iris * [-6.0, 12.0, -2.0],
        "eye_lightness": iris * [24.0, 22.0, 18.0],
        "beard": beard * [-26.0, -24.0, -20.0],
        "blush": cheeks * [7.0, -2.0, -1.0],
        "dark_sockets": sockets * [-16.0, -15.0, -10.0],
        "freckled_nose": bump(points, (1.0, 0.5, 5.5), (2.2, 1.5, 2.0)) * skin * [-8.0, -10.0, -12.0],
    }


def texture_basis(parts: dict[str, Points], points: Points, generator: np.random.Generator) -> Points:
    """(V, 3, 251): the named directions, then smooth random blotches of skin and hair."""
    columns = list(texture_directions(parts, points).values())
    surface = parts["skin"] + parts["hair"]
    for number in range(TEXTURES - len(columns)):
        reach, size = 1.0 + 4.0 / (1 + 0.03 * number), 5.0 / (1 + 0.02 * number)
        centre = points[generator.integers(len(points))]
        weight = np.exp(-0.5 * ((points - centre) ** 2).sum(1) / reach**2)[:, None]
        tint = generator.normal() * np.array([1.0, 0.95, 0.9]) + generator.normal(0, 0.15, 3)
        columns.append(weight * surface * tint * size)
    return np.stack(columns, axis=-1)
