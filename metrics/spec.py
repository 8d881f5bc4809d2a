"""What a metric declares about itself; read by tables, by ``gmbench metrics`` and by the records."""

from dataclasses import dataclass
from typing import Literal

Direction = Literal["higher", "lower", "reference"]
"""``reference``: neither up nor down is better; the value of the real video is the target."""

Need = Literal["reference", "audio", "landmarks", "pose", "emotion", "network", "interpolation"]
"""``emotion``: a label of the clip; ``network``: a feature extractor; ``interpolation``: sequences between emotions."""

Group = Literal["", "picture", "lips", "motion", "emotion", "identity"]
"""What a metric looks at; ``--metrics lips`` and ``metrics="lips"`` name all of a group that are shown by default."""

ARROWS: dict[str, str] = {"higher": "↑", "lower": "↓", "reference": "→ GT"}


@dataclass(frozen=True)
class MetricSpec:
    """The declaration of one metric.

    Attributes:
        name: key in records and on the command line.
        title: column header.
        version: raised whenever a change can move a number.
        direction: what a better method does to the value.
        unit: unit of the value, empty for a pure number.
        range: smallest and largest possible value, as text.
        needs: inputs besides the generated video.
        aggregation: how clip values become one number.
        source: paper and equation or section.
        interpretation: how to read the number.
        caveats: what misleads.
        default: part of an evaluation that names no metrics.
        group: what it looks at, empty where a package does not say.
        responds_to: corruptions of ``gmbench validate`` that must make it worse, besides those that list it.
    """

    name: str
    title: str
    version: int
    direction: Direction
    unit: str
    range: str
    needs: tuple[Need, ...]
    aggregation: str
    source: str
    interpretation: str
    caveats: str
    default: bool = True
    group: Group = ""
    responds_to: tuple[str, ...] = ()

    @property
    def arrow(self) -> str:
        """Direction as the arrow used in table headers."""
        return ARROWS[self.direction]
