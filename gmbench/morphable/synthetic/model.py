"""The synthetic head as a face model in gmbench's axes."""

import functools

from gmbench.morphable.convert import from_raw
from gmbench.morphable.model import FaceModel
from gmbench.morphable.synthetic.make import synthesise


@functools.cache
def synthetic_model(seed: int = 0) -> FaceModel:
    """The synthetic face model, made once per process in about a second; the same seed gives the same model."""
    return from_raw(synthesise(seed), "synthetic face model", "synthetic")
