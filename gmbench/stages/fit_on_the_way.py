"""Coefficients of a picture or video that is in no dataset: landmarks, identity and fit at once."""

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from gmbench.config import FitSection
from gmbench.errors import InputError
from gmbench.media import Video
from gmbench.morphable import fitting
from gmbench.morphable.energy import LandmarkEnergy
from gmbench.morphable.landmarks_478 import SPARSE
from gmbench.morphable.model import FaceModel
from gmbench.stages.landmarks import detect

Floats = NDArray[np.float32]


def fit_file(path: Path, model: FaceModel, landmarks: str, fit: FitSection) -> tuple[Floats, Floats]:
    """Expressions (T, 169) and motion (T, 12) of all frames at 25 fps, from landmarks alone.

    ``fit.refine`` is not used. Frames without a face have what lies between their neighbours' in short gaps, else that
    of the nearest frame with one.

    Args:
        path: a picture or a video of any shape; what is not square counts as if it had margins.
        model: that the coefficients are to belong to.
        landmarks: name of the landmark backend.
        fit: steps and landmarks of the fit; the identity comes from up to ``id_frames`` frames of this file alone.

    Raises:
        InputError: no frame shows a face. MediaError: the file cannot be read, or the backend gives no 478 points.
    """
    info = Video(path).info
    mesh = detect((path, landmarks))[0]["mesh"].astype(np.float64)
    side = max(info.width, info.height)
    mesh += [(side - info.width) / 2, (side - info.height) / 2]
    seen = np.flatnonzero(np.isfinite(mesh).any(axis=(1, 2)))
    if not len(seen):
        raise InputError(f"{path}: no frame shows a face")
    energy = LandmarkEnergy(model, side, SPARSE if fit.landmarks == "sparse" else None)
    chosen = seen[np.unique(np.linspace(0, len(seen) - 1, fit.id_frames).astype(int))]
    shape = fitting.fit_identity(energy, mesh[chosen])
    track = fitting.fit_track(energy, shape, mesh, fit.steps, fit.smooth)
    return track.beta, track.rho
