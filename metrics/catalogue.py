"""All facts that this package declares, by name."""

from metrics import beats, emotion, frechet, head_motion, landmarks, latents, perceptual, quality, sharpness, sync
from metrics.facts import Facts

_MODULES = (quality, perceptual, frechet, sharpness, sync, landmarks, emotion, latents, head_motion, beats)

FACTS: dict[str, Facts] = {facts.name: facts for module in _MODULES for facts in module.FACTS}
