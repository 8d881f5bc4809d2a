"""What a metric declares about itself; read by tables, by ``gmbench metrics`` and by the records."""

import math
import re
from dataclasses import dataclass, replace
from typing import Literal

Direction = Literal["higher", "lower", "reference"]
"""``reference``: neither up nor down is better; the value of the real video is the target."""

Best = Literal["higher", "lower", "reference", "zero", "none"]
"""The best value of a metric: the highest, the lowest, that of the real clip, 0, or none at all (chance levels)."""

Need = Literal["reference", "audio", "speech", "landmarks", "pose", "emotion", "network", "interpolation"]
"""``speech``: voice activity of the sound; ``emotion``: a label of the clip; ``network``: a feature extractor;
``interpolation``: sequences between emotions."""

Group = Literal["", "picture", "lips", "motion", "emotion", "identity", "time", "theval"]
"""What a metric looks at.

``time``: how a clip changes from its start to its end or from frame to frame, and what remains of a distance when
timing may differ. ``theval``: THEval's own formulas and score. ``--metrics lips`` and ``metrics="lips"`` name all of a
group that are shown by default, or all of it where none is.
"""

ARROWS: dict[str, str] = {"higher": "↑", "lower": "↓", "reference": "→ real", "zero": "→ 0", "none": ""}


@dataclass(frozen=True)
class MetricSpec:
    """The declaration of one metric.

    Attributes:
        name: key in records and on the command line.
        title: column header.
        version: raised whenever a change can move a number.
        direction: what papers read as better, and what a damaged clip undoes.
        best: where the best value lies, if that is not as far in ``direction`` as can be; methods are ranked by their
            distance to it. More sharpness than the real clip's, for example, is not better.
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
        what: the metric in one line; by default the first sentence of ``interpretation``.
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
    best: Best | None = None
    what: str = ""

    @property
    def aim(self) -> Best:
        """Where the best value lies."""
        return self.best or self.direction

    @property
    def arrow(self) -> str:
        """The aim as the arrow used in table headers."""
        return ARROWS[self.aim]

    @property
    def bounds(self) -> tuple[float, float]:
        """The range in numbers, infinite where it says nothing.

        Example:
            >>> from gmbench.metrics.quality import SPECS
            >>> SPECS[0].range, SPECS[0].bounds
            ('(-inf, inf]', (-inf, inf))
        """
        found = re.match(r"[\[(](-?[\d.]+|-inf), (-?[\d.]+|inf)[\])]", self.range)
        return (float(found[1]), float(found[2])) if found else (-math.inf, math.inf)

    @property
    def one_line(self) -> str:
        """What the metric is, in one line."""
        return self.what or re.split(r"(?<=[.;]) ", self.interpretation)[0].replace(";", ".")


def gap_of(spec: MetricSpec) -> MetricSpec:
    """The declaration of ``<name>_gap``: the absolute difference of a clip's value and the real clip's, less is better.

    Per clip, so that one clip's excess cannot make up for another's lack, as it can in a difference of means.
    """
    return replace(
        spec,
        name=f"{spec.name}_gap",
        title=f"|{spec.title} - GT|",
        what=f"Distance of {spec.title} to the real clip's.",
        direction="lower",
        best=None,
        range="[0, inf)",
        needs=("reference", *spec.needs),
        aggregation="absolute difference of the clip's values -> clip mean",
        interpretation="0 is the real clip's own value.",
        default=False,
    )
