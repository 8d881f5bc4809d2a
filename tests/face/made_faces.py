"""Landmarks of faces of a chosen place and size, as a detector would give them."""

from gmbench.face.faces import Face
from gmbench.face.landmarks_68 import eat_template


def face_points(x=64.0, y=64.0, size=40.0):
    """(68, 2) points of a frontal face whose box has its centre at (x, y) and is ``size`` wide."""
    template = eat_template()
    low, high = template.min(axis=0), template.max(axis=0)
    return (template - (low + high) / 2) * (size / (high[0] - low[0])) + [x, y]


def made_face(x=64.0, y=64.0, size=40.0):
    """A face of :func:`face_points`."""
    return Face(face_points(x, y, size))
