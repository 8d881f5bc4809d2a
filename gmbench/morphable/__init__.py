"""The 3-D morphable face model: FaceVerse's layout, camera, light, rasteriser, fitting, and a synthetic model."""

import functools
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from gmbench.morphable.model import FaceModel


@functools.cache
def synthetic_model(seed: int = 0) -> "FaceModel":
    """The synthetic face model, made once a process in about a second."""
    from gmbench.morphable.convert import from_raw
    from gmbench.morphable.synthetic.make import synthesise

    return from_raw(synthesise(seed), "synthetic face model", "synthetic")
