"""All facts that this package declares, by name."""

from metrics import beats, head_motion, landmarks, quality, sharpness
from metrics.facts import Facts

FACTS: dict[str, Facts] = {
    facts.name: facts for module in (quality, sharpness, landmarks, head_motion, beats) for facts in module.FACTS
}
