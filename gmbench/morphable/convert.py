"""Read FaceVerse files: a restricted unpickler, the versions' layouts, and the change of axes.

FaceVerse v3 is an ``.npy`` file around a pickled dictionary. Pickles run code when they are read, so that only the
few functions that rebuild NumPy arrays are let through; everything else stops the reading. All other parts of
gmbench read the ``.npz`` that is written from it.
"""

import io
import pickle
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from gmbench.errors import InputError
from gmbench.morphable.landmarks_478 import COUNT, LEFT_LID_GAP, RIGHT_LID_GAP
from gmbench.morphable.model import EXPRESSION, SHAPE, TEXTURE, FaceModel

UNIT = 0.01
"""Model units per raw unit."""
DEFAULT_BLINK = (14, 15)
_ALLOWED = {
    ("numpy", "dtype"), ("numpy", "ndarray"),
    ("numpy.core.multiarray", "_reconstruct"), ("numpy._core.multiarray", "_reconstruct"),
    ("numpy.core.multiarray", "scalar"), ("numpy._core.multiarray", "scalar"),
    ("numpy.core.numeric", "_frombuffer"), ("numpy._core.numeric", "_frombuffer"),
    ("_codecs", "encode"),
}  # fmt: skip
_VERSIONS = {(120, 64): "v0", (150, 74): "v1", (150, 52): "v2", (150, 171): "v3", (156, 177): "v4"}


class _Restricted(pickle.Unpickler):
    def find_class(self, module: str, name: str) -> Any:
        if (module, name) not in _ALLOWED:
            raise pickle.UnpicklingError(f"{module}.{name} is not part of an array")
        return super().find_class(module, name)


def read_raw(path: Path) -> dict[str, Any]:
    """The dictionary of a FaceVerse ``.npy`` or ``.npz`` file.

    Raises:
        InputError: missing, of another layout, or it asks for code that does not belong into arrays.
    """
    if not path.exists():
        raise InputError(f"{path}: no such file; FaceVerse v3 is downloaded by the user from its project")
    if path.suffix == ".npz":
        with np.load(path, allow_pickle=False) as file:
            return {name: file[name] for name in file.files}
    data = path.read_bytes()
    try:
        stream = io.BytesIO(data)
        version = np.lib.format.read_magic(stream)
        read_header = np.lib.format.read_array_header_1_0 if version == (1, 0) else np.lib.format.read_array_header_2_0
        shape, _, dtype = read_header(stream)
        if shape != () or dtype != np.dtype(object):
            raise InputError(f"{path}: expected a dictionary stored by numpy.save, got an array {shape} of {dtype}")
        content = _Restricted(stream).load()
    except pickle.UnpicklingError as error:
        raise InputError(f"{path}: refused, {error}; get the file from FaceVerse's own project") from error
    except (ValueError, EOFError, AttributeError, IndexError, KeyError) as error:
        raise InputError(f"{path}: not a FaceVerse file ({error})") from error
    item = content.item() if isinstance(content, np.ndarray) and content.shape == () else content
    if not isinstance(item, dict):
        raise InputError(f"{path}: expected a dictionary, got {type(item).__name__}")
    return item


def from_raw(raw: Mapping[str, Any], source: str, version: str | None = None) -> FaceModel:
    """The face model of a raw dictionary in gmbench's axes: y and z negated, 0.01, triangles turned round.

    Args:
        raw: keys of FaceVerse.
        source: file's name, for messages.
        version: ``synthetic`` for our own; by default recognised by the sizes.

    Raises:
        InputError: a version without full head, keys missing, or no lid columns can be found.
    """
    kind = version or recognise(raw, source)
    keypoints = _check_keys(raw, source, kind)
    flip = np.array([1.0, -1.0, -1.0]) * UNIT
    mean = np.asarray(raw["meanshape"], np.float64).reshape(-1, 3)
    count = len(mean)
    triangles = np.asarray(raw["tri"], np.int64)
    model = FaceModel(
        mean=(mean * flip).astype(np.float32),
        shape_basis=_basis(raw, source, "idBase", SHAPE) * flip[:, None].astype(np.float32),
        expression_basis=_basis(raw, source, "exBase", EXPRESSION) * flip[:, None].astype(np.float32),
        texture_mean=np.asarray(raw["meantex"], np.float32).reshape(count, 3),
        texture_basis=_basis(raw, source, "texBase", TEXTURE),
        triangles=triangles[:, [0, 2, 1]],
        vertex_ends=np.asarray(raw["ver_inds"], np.int64),
        triangle_ends=np.asarray(raw["tri_inds"], np.int64),
        landmarks=np.asarray(raw[keypoints], np.int64),
        uv_colours=np.asarray(raw.get("uvtex", np.zeros((count, 3))), np.float32).reshape(count, 3),
        labels=_labels(raw, count),
        face_mask=np.asarray(raw.get("face_mask", np.ones(count)), np.float32).reshape(-1),
        blink_columns=DEFAULT_BLINK,
        names=_names(raw, kind),
    )
    if model.landmarks.shape != (COUNT,) or model.landmarks.max() >= count:
        raise InputError(f"{source}: {keypoints} must name {COUNT} of {count} vertices, got {model.landmarks.shape}")
    return replace(model, blink_columns=find_blink_columns(model, source))


def _check_keys(raw: Mapping[str, Any], source: str, kind: str) -> str:
    """The landmarks' key; raises InputError for a version without full head, or where keys are missing."""
    if kind not in ("v3", "synthetic"):
        raise InputError(f"{source}: FaceVerse {kind}; gmbench needs v3: its full head and its 150 + 171 columns")
    keypoints = "mediapipe_keypoints"
    needed = {"meanshape", "meantex", "idBase", "exBase", "texBase", "tri", "ver_inds", "tri_inds", keypoints}
    if missing := sorted(needed - set(raw)):
        raise InputError(f"{source}: FaceVerse {kind} without {', '.join(missing)}")
    return keypoints


def _basis(raw: Mapping[str, Any], source: str, name: str, columns: int) -> NDArray[np.float32]:
    """The first columns of a basis as (V, 3, columns); raises InputError where its shape does not fit."""
    values, rows = np.asarray(raw[name], np.float32), np.size(raw["meanshape"])
    if values.ndim != 2 or values.shape[0] != rows or values.shape[1] < columns:
        raise InputError(f"{source}: {name} has shape {values.shape}, expected ({rows}, {columns} or more)")
    return values[:, :columns].reshape(rows // 3, 3, columns)


def _labels(raw: Mapping[str, Any], count: int) -> NDArray[np.float32]:
    parsing = raw.get("parsing", np.zeros(count))
    parsing = parsing["skin"] if isinstance(parsing, dict) else parsing
    return np.asarray(parsing, np.float32).reshape(count, -1)[:, 0]


def _names(raw: Mapping[str, Any], kind: str) -> dict[str, Any]:
    """Version, names of the bases' columns, and the constants of the eyes."""
    return {
        "version": kind,
        "expression": list(raw.get("exp_name_list", [])),
        "identity": list(raw.get("id_name_list", [])),
        "texture": list(raw.get("tex_name_list", [])),
        "eye_push": 0.01 if kind == "v3" else 0.0,
        "eye_shift": 0.005 if kind == "v3" else 0.0,
    }


def recognise(raw: Mapping[str, Any], source: str) -> str:
    """FaceVerse version by the widths of the bases; raises InputError where none fits."""
    try:
        widths = np.shape(raw["idBase"])[-1], np.shape(raw["exBase"])[-1]
    except KeyError as error:
        raise InputError(f"{source}: not a FaceVerse dictionary, {error} is missing") from None
    if widths not in _VERSIONS:
        versions = ", ".join(f"{v}: {s}/{e}" for (s, e), v in _VERSIONS.items())
        raise InputError(f"{source}: {widths[0]} shape and {widths[1]} expression columns fit no version ({versions})")
    return _VERSIONS[widths]


def lid_gaps(model: FaceModel) -> NDArray[np.float64]:
    """(171, 2) gap of the left and the right lids with each column raised to 1, in shares of the gap at rest."""
    pairs = np.array([LEFT_LID_GAP, RIGHT_LID_GAP])
    upper, lower = model.landmarks[pairs[:, 0]], model.landmarks[pairs[:, 1]]
    rest = (model.mean[upper] - model.mean[lower]).astype(np.float64)
    moved = rest[..., None] + model.expression_basis[upper] - model.expression_basis[lower]  # (2, 3, 171)
    facing = np.einsum("ec,eck->ke", rest, moved) / (rest**2).sum(axis=1)  # signed, along the gap at rest
    return np.abs(facing)


def find_blink_columns(model: FaceModel, source: str) -> tuple[int, int]:
    """Columns that close the left and the right lid: one gap shrinks by over 50 %, the other by under 5 %.

    Columns 14 and 15 are tried first, then all.

    Raises:
        InputError: no such pair.
    """
    shrink = 1.0 - lid_gaps(model)
    left = (shrink[:, 0] > 0.5) & (np.abs(shrink[:, 1]) < 0.05)
    right = (shrink[:, 1] > 0.5) & (np.abs(shrink[:, 0]) < 0.05)
    for a, b in (DEFAULT_BLINK, DEFAULT_BLINK[::-1]):
        if left[a] and right[b]:
            return a, b
    if not left.any() or not right.any():
        raise InputError(f"{source}: no expression column closes one eye alone; is exBase the 171-column basis?")
    return int(np.argmax(np.where(left, shrink[:, 0], -1))), int(np.argmax(np.where(right, shrink[:, 1], -1)))
