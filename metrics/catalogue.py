"""All facts that this package declares, by name."""

from gmbench.metrics import (
    beats,
    blinks,
    drift,
    emotion,
    expression,
    face_dynamics,
    frechet,
    head_motion,
    image_quality,
    landmarks,
    latents,
    linear_sync,
    perceptual,
    quality,
    sharpness,
    silence,
    sync,
    theval,
    time_warping,
)
from gmbench.metrics.codecs import warned
from gmbench.metrics.spec import MetricSpec

_MODULES = (
    quality, perceptual, frechet, sharpness, image_quality, sync, linear_sync, landmarks, silence, emotion, latents,
    head_motion, face_dynamics, blinks, expression, beats, time_warping, drift, theval,
)  # fmt: skip

SPECS: dict[str, MetricSpec] = {spec.name: warned(spec) for module in _MODULES for spec in module.SPECS}
