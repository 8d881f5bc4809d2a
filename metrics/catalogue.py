"""All facts that this package declares, by name."""

from gmbench.metrics import (
    beats,
    emotion,
    frechet,
    head_motion,
    landmarks,
    latents,
    perceptual,
    quality,
    sharpness,
    sync,
)
from gmbench.metrics.spec import MetricSpec

_MODULES = (quality, perceptual, frechet, sharpness, sync, landmarks, emotion, latents, head_motion, beats)

SPECS: dict[str, MetricSpec] = {spec.name: spec for module in _MODULES for spec in module.SPECS}
