"""The 68-point scheme: its vertices on the MediaPipe mesh, a 3-D template, and the eat128 template.

``data/points68.csv`` documents the mapping: for each iBUG 300-W point (0-based) its part of the face,
the vertex of MediaPipe's 468-vertex mesh that stands for it, and that vertex in MediaPipe's canonical
face model (Apache-2.0): centimetres, x to the right of the image, y up, z towards the camera.
"""

import csv
import functools
from importlib import resources

import numpy as np
from numpy.typing import NDArray

EAT_ANCHORS = np.array([[38.83, 38.83], [90.17, 38.00], [66.0, 68.0], [66.35, 95.85]])
"""Right-eye centre, left-eye centre, nose tip and mid-mouth of the EAT template, 163-pixel canvas."""


@functools.cache
def _table() -> list[dict[str, str]]:
    text = resources.files("gmbench.face").joinpath("data/points68.csv").read_text("utf-8")
    return list(csv.DictReader(text.splitlines()))


@functools.cache
def mesh_vertices() -> NDArray[np.int64]:
    """(68,) vertex numbers on the MediaPipe mesh."""
    return np.array([int(row["vertex"]) for row in _table()])


@functools.cache
def template_3d() -> NDArray[np.float64]:
    """(68, 3) points of the canonical face, centimetres, y up, z towards the camera."""
    return np.array([[float(row[axis]) for axis in "xyz"] for row in _table()])


@functools.cache
def eat_template() -> NDArray[np.float64]:
    """(68, 2) template of the eat128 alignment in canvas pixels.

    The frontal view of the canonical face, mapped affinely to the four published anchors: the
    original template files are not public, the anchors decide the scale (51.3 pixels between the eyes).
    """
    flat = template_3d()[:, :2]
    anchors = np.stack([flat[36:42].mean(0), flat[42:48].mean(0), flat[30], flat[48:68].mean(0)])
    homogeneous = np.c_[anchors, np.ones(4)]
    affine, *_ = np.linalg.lstsq(homogeneous, EAT_ANCHORS, rcond=None)
    return np.asarray(np.c_[flat, np.ones(68)] @ affine)
