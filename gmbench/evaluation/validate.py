"""How metrics respond to graded corruption of real clips: what a metric that measures something must do.

Each corruption has levels, of which the first leaves the clip as it is. A metric that should respond must get worse
with every level; the verdict says in a sentence where it does not.
"""

import itertools
import math
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from scipy.stats import spearmanr

from gmbench.clips import Pair
from gmbench.evaluation.comparison import plan_comparison
from gmbench.evaluation.planning.controls import pictures_of
from gmbench.evaluation.planning.inputs import Inputs
from gmbench.evaluation.planning.plan import Plan
from gmbench.evaluation.planning.planned_clip import PlannedClip
from gmbench.evaluation.protocol import Protocol
from gmbench.evaluation.results import records
from gmbench.evaluation.results.aggregate import SummaryRow, rows
from gmbench.evaluation.run import Progress, evaluate
from gmbench.evaluation.scoring.registry import metrics
from gmbench.media.codecs import SOUND_CODECS
from gmbench.metrics.key import MetricKey
from gmbench.store import default_root

UNCHANGED = "unchanged"
CODECS = ("reencode", "h265", *SOUND_CODECS)
"""Corruptions that are nothing but a codec."""
_DECIMALS = 9
"""Numbers that agree so far are the same: a Fréchet distance of equal sets is a rounding error, not zero."""
_PIXELS = ("psnr", "ssim", "ssim_u7", "lpips_alex", "lpips_vgg", "fid", "fvd")


@dataclass(frozen=True)
class Corruption:
    """A way to corrupt a clip.

    Attributes:
        name: of the curve.
        levels: from mild to severe; the first changes nothing.
        unit: of the levels.
        touches: metrics that must respond.
    """

    name: str
    levels: tuple[float, ...]
    unit: str
    touches: tuple[str, ...]


CORRUPTIONS = (
    Corruption("blur", (0, 1, 2, 4), "sigma, px", (*_PIXELS, "cpbd", "f_sim", "emo_prob", "emo_score")),
    Corruption("noise", (0, 5, 10, 20), "deviation of 255", (*_PIXELS, "f_sim", "emo_prob")),
    Corruption("reencode", (0, 28, 36, 44), "H.264 crf", ("psnr", "ssim", "ssim_u7", "lpips_alex", "lpips_vgg", "fid")),
    Corruption("h265", (0, 28, 36, 44), "H.265 crf", ("psnr", "ssim", "ssim_u7", "lpips_alex", "lpips_vgg", "fid")),
    Corruption("aac", (0, 128, 64, 32), "kbit/s", ()),
    Corruption("mp3", (0, 128, 64, 32), "kbit/s", ()),
    Corruption("opus", (0, 64, 32, 12), "kbit/s", ()),
    Corruption("rate", (25, 30, 15, 10, 5), "fps", ("psnr", "ssim", "ssim_u7", "fvd")),
    Corruption("shuffle", (1, 2, 4, 8), "frames a block", ("psnr", "ssim", "fvd", "sync_c", "sync_d", "sync_corr")),
    Corruption("late", (0, 1, 2, 5, 10), "frames", ("sync_c", "sync_d", "av_offset")),
    Corruption("early", (0, 1, 2, 5, 10), "frames", ("sync_c", "sync_d", "av_offset")),
    Corruption("labels", (0, 0.5, 1), "share permuted", ("acc_emo", "acc_emo_macro", "emo_prob", "emo_score")),
    Corruption("emotion_swap", (0, 1), "other clip", ("acc_emo", "acc_emo_macro", "emo_prob", "emo_score")),
    Corruption("identity_swap", (0, 1), "other clip", ("f_sim",)),
)


@dataclass(frozen=True)
class Curve:
    """A metric along a corruption.

    Attributes:
        values: one per level, NaN where undefined.
        rho: Spearman's rank correlation of level and how bad the value is; 1 is right, NaN without change.
        strict: each level is worse than the one before.
        expected: the metric should respond.
        verdict: empty, or one sentence on what is wrong.
    """

    metric: str
    corruption: str
    unit: str
    levels: tuple[float, ...]
    values: tuple[float, ...]
    rho: float
    strict: bool
    expected: bool
    verdict: str

    @classmethod
    def from_json(cls, row: dict[str, Any]) -> "Curve":
        """A curve from what :meth:`as_json` gave."""
        values = tuple(math.nan if v is None else float(v) for v in row["values"])
        rho = math.nan if row["rho"] is None else float(row["rho"])
        return cls(**(row | {"values": values, "rho": rho, "levels": tuple(row["levels"])}))

    def worsens(self, levels: Sequence[float] | None = None) -> bool:
        """Whether each of some levels, by default all, is worse than the one before; levels without a value aside."""
        name = MetricKey.parse(self.metric).name
        bad = dict(zip(self.levels, _badness(self.values, _direction(name)), strict=True))
        known = [bad[level] for level in levels or self.levels if not math.isnan(bad[level])]
        return all(b > a for a, b in itertools.pairwise(known))

    def as_json(self) -> dict[str, Any]:
        """All fields; infinity as ``"inf"``, NaN as null."""
        numbers = {"values": [records.json_number(v) for v in self.values], "rho": records.json_number(self.rho)}
        return asdict(self) | numbers


@dataclass(frozen=True)
class Validation:
    """How metrics responded: ``records`` of every level of every corruption, and ``curves`` drawn from them.

    ``plan`` holds the clips before they were corrupted.
    """

    plan: Plan
    records: pd.DataFrame
    curves: list[Curve]


def validate(
    inputs: Inputs,
    protocol: Protocol,
    metrics: Sequence[str] = (),
    corruptions: Sequence[Corruption] = CORRUPTIONS,
    clips: int = 24,
    *,
    store: Path | None = None,
    workers: int = 1,
    scheduler: str | None = None,
    progress: Progress | None = None,
    error_log: Path | None = None,
    on_plan: Callable[[Plan], None] | None = None,
) -> Validation:
    """Corrupt the references of ``inputs`` and see how each metric responds.

    Args:
        inputs: only their references are used.
        protocol, metrics: see :func:`gmbench.evaluation.comparison.plan_comparison`.
        corruptions: each at all of its levels.
        clips: at most so many, the same number of each emotion.
        store, workers, scheduler, progress, error_log, on_plan: see :func:`gmbench.evaluation.comparison.compare`.

    Raises:
        InputError, WeightsError, StoreError: as :func:`gmbench.evaluation.comparison.compare`.
    """
    references = tuple(spread(inputs.references, clips))
    plan = plan_comparison(Inputs({}, references, inputs.dataset, inputs.warnings), protocol, metrics, ["ground_truth"])
    if on_plan is not None:
        on_plan(plan)
    spoilt = corrupted(plan, corruptions)
    table = evaluate(spoilt, store or default_root(), workers, scheduler, progress=progress, error_log=error_log)
    return Validation(plan, table, curves(table, corruptions))


def chosen(names: Sequence[str] | None) -> tuple[Corruption, ...]:
    """Corruptions by name, all by default; raises InputError for an unknown one."""
    from gmbench.errors import InputError
    from gmbench.names import closest

    known = {c.name: c for c in CORRUPTIONS}
    for name in names or []:
        if name not in known:
            raise InputError(f"unknown corruption {name!r}; {closest(name, known)}")
    return tuple(known[name] for name in names) if names else CORRUPTIONS


def spread(pairs: Sequence[Pair], most: int) -> list[Pair]:
    """At most so many clips, as many of each emotion, and equally spaced within it."""
    groups: dict[str, list[Pair]] = {}
    for pair in sorted(pairs, key=lambda pair: pair.clip):
        groups.setdefault(pair.emotion, []).append(pair)
    counts = dict.fromkeys(groups, 0)
    while sum(counts.values()) < min(most, len(pairs)):
        open_groups = [name for name in groups if counts[name] < len(groups[name])]
        counts[min(open_groups, key=lambda name: counts[name])] += 1
    chosen = [
        (group, np.linspace(0, len(group) - 1, counts[name]).round().astype(int)) for name, group in groups.items()
    ]
    return sorted((group[i] for group, places in chosen for i in places), key=lambda pair: pair.clip)


def corrupted(plan: Plan, corruptions: Sequence[Corruption]) -> Plan:
    """A plan whose methods are the levels of corruptions of its ground-truth clips."""
    base = [clip for clip in plan.clips if clip.method == "ground_truth"]
    clips = [replace(clip, method=UNCHANGED) for clip in base]
    for corruption in corruptions:
        for level in corruption.levels[1:]:
            for number, clip in enumerate(base):
                spoilt = _spoilt(clip, number, base, corruption.name, level)
                clips.append(replace(spoilt, method=f"{corruption.name}={level:g}"))
    return replace(plan, clips=tuple(sorted(clips, key=lambda clip: (clip.method, clip.clip))))


def _spoilt(clip: PlannedClip, number: int, base: list[PlannedClip], name: str, level: float) -> PlannedClip:
    real = clip.generated
    if name in ("late", "early", *SOUND_CODECS):
        change = f"late:{-level:g}" if name == "early" else f"{name}:{level:g}"
        return replace(clip, generated=replace(real, audio_change=change))
    if name == "labels":
        emotions = sorted({other.emotion for other in base if other.emotion})
        if not emotions or number % 2 >= 2 * level:  # every second clip at one half
            return clip
        step = 1 + number // 2 % max(1, len(emotions) - 1)
        return replace(clip, emotion=_next(emotions, clip.emotion, step))
    if name == "emotion_swap":
        other = _other(clip, base, lambda c: c.speaker == clip.speaker and c.emotion != clip.emotion)
        return replace(clip, generated=pictures_of(other.generated, real))
    if name == "identity_swap":
        other = _other(clip, base, lambda c: c.speaker != clip.speaker and c.emotion == clip.emotion)
        return replace(clip, generated=pictures_of(other.generated, real))
    return replace(clip, generated=replace(real, video_change=f"{name}:{level:g}"))


def _next(emotions: list[str], emotion: str, step: int) -> str:
    if emotion not in emotions:
        return emotion
    return emotions[(emotions.index(emotion) + step) % len(emotions)]


def _other(clip: PlannedClip, base: list[PlannedClip], fits: Any) -> PlannedClip:
    """The next clip that fits, itself where none does."""
    later = [c for c in base if c.clip > clip.clip and fits(c)] or [c for c in base if fits(c)]
    return later[0] if later else clip


def curves(table: pd.DataFrame, corruptions: Sequence[Corruption]) -> list[Curve]:
    """Every metric along every corruption, from the records of a corrupted plan."""
    by_method: dict[str, dict[str, SummaryRow]] = {}
    for row in rows(table):
        by_method.setdefault(row.method, {})[row.metric] = row
    result = []
    for metric in by_method.get(UNCHANGED, {}):
        direction = _direction(MetricKey.parse(metric).name)
        for corruption in corruptions:
            names = [UNCHANGED, *(f"{corruption.name}={level:g}" for level in corruption.levels[1:])]
            levels = [by_method.get(name, {}).get(metric) for name in names]
            values = tuple(row.value if row is not None else math.nan for row in levels)
            result.append(_curve(metric, direction, corruption, values))
    return result


def _curve(metric: str, direction: str, corruption: Corruption, values: tuple[float, ...]) -> Curve:
    name = MetricKey.parse(metric).name
    expected = name in corruption.touches or corruption.name in _responds_to(name)
    steps = _severity(corruption)
    bad = [round(value, _DECIMALS) for value in _badness(values, direction)]
    order = np.argsort(steps, kind="stable")
    known = [i for i in order if not math.isnan(bad[i])]
    moved = len({bad[i] for i in known}) > 1
    rho = float(spearmanr([steps[i] for i in known], [bad[i] for i in known])[0]) if moved else math.nan
    ordered = [bad[i] for i in known]
    strict = moved and all(b > a for a, b in zip(ordered, ordered[1:], strict=False))
    verdict = _verdict(name, corruption, len(known), len(values), rho, strict, expected, values)
    return Curve(
        metric, corruption.name, corruption.unit, corruption.levels, values, rho, strict, expected, verdict
    )  # fmt: skip


def _direction(name: str) -> str:
    """What a metric's damage undoes; of an unknown one any change is bad."""
    metric = metrics().get(name)
    return metric.spec.direction if metric is not None else "reference"


def _responds_to(name: str) -> tuple[str, ...]:
    """Corruptions that a metric itself declares to respond to."""
    metric = metrics().get(name)
    return metric.spec.responds_to if metric is not None else ()


def _severity(corruption: Corruption) -> list[float]:
    """Levels as they grow worse; a frame rate is worse the further it is from 25, a bit rate the lower it is."""
    if corruption.name in SOUND_CODECS:
        return [float(place) for place in range(len(corruption.levels))]
    if corruption.name != "rate":
        return list(corruption.levels)
    return [0.0 if level == 25 else 1.0 if level == 30 else 2.0 + 25 - level for level in corruption.levels]


def _badness(values: tuple[float, ...], direction: str) -> list[float]:
    """Growing from good to bad; for metrics whose target is the real video, the distance from it."""
    if direction == "higher":
        return [-v for v in values]
    if direction == "lower":
        return list(values)
    return [abs(v - values[0]) for v in values]


def _verdict(
    name: str, corruption: Corruption, known: int, levels: int, rho: float, strict: bool, expected: bool,
    values: tuple[float, ...],
) -> str:  # fmt: skip
    title = metrics()[name].spec.title if name in metrics() else name
    if not expected:
        return ""
    if known < 2:
        return f"{title} could not be computed under {corruption.name}."
    if math.isnan(rho):
        return f"{title} does not respond to {corruption.name}."
    listed = ", ".join(f"{v:.4g}" for v in values)
    if rho < 0:
        return f"{title} responds the wrong way to {corruption.name}: {listed}."
    if not strict:
        return f"{title} does not get worse with every level of {corruption.name}: {listed}."
    return f"{title}: {levels - known} levels of {corruption.name} have no value." if known < levels else ""
