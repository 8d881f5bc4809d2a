"""What codecs alone do to each metric, measured, and the warning in its facts that follows from it.

``codec_changes.csv`` has a row for a metric, a codec and a set of clips, written by ``python -m benchmarks.codecs``.
"""

import csv
import functools
import math
from dataclasses import dataclass, replace
from pathlib import Path

from gmbench.metrics.spec import MetricSpec

PATH = Path(__file__).with_name("codec_changes.csv")
RATES: dict[str, tuple[str, str]] = {
    "h264": ("H.264", "CRF 28, 36, 44"),
    "h265": ("H.265", "CRF 28, 36, 44"),
    "aac": ("AAC", "128, 64, 32 kbit/s"),
    "mp3": ("MP3", "128, 64, 32 kbit/s"),
    "opus": ("Opus", "64, 32, 12 kbit/s"),
}
"""By codec: how it is written, and its three rates from mild to strong."""
PERCENT = "%"
LEAST = 5.0
"""Per cent of its value that a metric must move by to be warned of."""


@dataclass(frozen=True)
class CodecChange:
    """A metric of clips that went through a codec at three rates.

    Attributes:
        metric, clips, codec: names; clips are ``corpus`` or ``real``.
        unit: ``%`` where ``values`` are changes in per cent of the value before; empty where that is zero or infinite
            (a clip compared with itself), for the values after the codec.
        values: at the three rates of :data:`RATES`.
    """

    metric: str
    clips: str
    codec: str
    unit: str
    values: tuple[float, ...]

    @property
    def moves(self) -> bool:
        """Whether a rate moves the metric by at least 5 %, or a clip from itself at all."""
        if self.unit:
            return max(self.values) >= LEAST
        return any(0 < abs(value) < math.inf for value in self.values)

    @property
    def listed(self) -> str:
        """The three values."""
        return "/".join(f"{value:.0f}" if self.unit else f"{value:.2g}" for value in self.values)


@functools.cache
def codec_changes() -> tuple[CodecChange, ...]:
    """All that was measured; nothing where the table is not there."""
    if not PATH.is_file():
        return ()
    with PATH.open(encoding="utf-8", newline="") as file:
        return tuple(
            CodecChange(
                row["metric"], row["clips"], row["codec"], row["unit"],
                tuple(float(row[name]) for name in ("mild", "middle", "strong")),
            )
            for row in csv.DictReader(file)
        )  # fmt: skip


def warning(metric: str) -> str:
    """What codecs do to a metric, in two sentences; empty where they hardly move it, or nobody measured."""
    moving = [change for change in codec_changes() if change.metric == metric and change.moves]
    if not moving:
        return ""
    relative = [change for change in moving if change.unit]
    sentences = []
    if relative:
        sentences.append(f"Codecs alone move it, by per cent at three rates: {_listed(relative)}.")
    if absolute := [change for change in moving if not change.unit]:
        sentences.append(f"Of clips and the same after a codec it is, at three rates: {_listed(absolute)}.")
    return " ".join(sentences)


def _listed(changes: list[CodecChange]) -> str:
    parts = []
    for clips in dict.fromkeys(change.clips for change in changes):
        each = [f"{RATES[change.codec][0]} {change.listed}" for change in changes if change.clips == clips]
        parts.append(f"{clips} clips {', '.join(each)}")
    return "; ".join(parts)


def warned(spec: MetricSpec) -> MetricSpec:
    """A declaration with the warning among its caveats."""
    text = warning(spec.name)
    return replace(spec, caveats=f"{spec.caveats.strip()} {text}".strip()) if text else spec
