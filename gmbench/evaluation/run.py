"""Run a plan: extract what the store lacks, score every clip, return records."""

import math
from collections.abc import Callable
from pathlib import Path

import pandas as pd

from gmbench.evaluation import records
from gmbench.evaluation.extract import Group, Outcome, extract_group
from gmbench.evaluation.metric import ClipData, Metric, Reader, Side, Unscored
from gmbench.evaluation.plan import Plan, PlannedClip
from gmbench.executor import one_thread, run
from gmbench.store import Store

CHANCE_REFERENCES = 20
"""At most this many other references stand for chance."""

Progress = Callable[[int, int], None]
"""Called with groups done and all groups."""


def evaluate(
    plan: Plan,
    store: Path,
    workers: int = 1,
    scheduler: str | None = None,
    batch: int = 16,
    progress: Progress | None = None,
) -> pd.DataFrame:
    """Records of a plan.

    Order of clips, batch size, number of workers and earlier interrupted runs do not change them.

    Raises:
        StoreError: results cannot be kept.
    """
    failures = extract(plan, store, workers, scheduler, batch, progress)
    with one_thread():
        return score(plan, Store(store), failures)


def extract(
    plan: Plan,
    store: Path,
    workers: int = 1,
    scheduler: str | None = None,
    batch: int = 16,
    progress: Progress | None = None,
) -> dict[str, str]:
    """Extract what the store lacks; returns reasons by key of what could not be extracted."""
    groups = plan.groups(store, batch)
    failures: dict[str, str] = {}
    for done, (index, result) in enumerate(run(extract_group, groups, workers, scheduler), start=1):
        outcome = result if isinstance(result, Outcome) else _lost(groups[index], result)
        failures |= outcome.failures
        if progress is not None:
            progress(done, len(groups))
    return failures


def score(plan: Plan, store: Store, failures: dict[str, str]) -> pd.DataFrame:
    """Score all clips from stored features."""
    reader = Reader(store, plan.keys, failures)
    references = {c.clip: reader.side(c.reference) for c in plan.clips if c.reference is not None}
    rows = []
    for clip in plan.clips:
        data = ClipData(
            clip=clip.clip,
            generated=reader.side(clip.generated),
            reference=None if clip.reference is None else reader.side(clip.reference),
            samples=tuple(reader.side(sample) for sample in clip.samples),
            others=_others(clip.clip, references),
            reader=reader,
        )
        rows += [_record(plan, clip, data, metric) for metric in plan.metrics]
    return records.frame(rows)


def _record(plan: Plan, clip: PlannedClip, data: ClipData, metric: Metric) -> dict[str, object]:
    value, used, expected, status, reason = math.nan, 0, 0, "ok", ""
    flags: tuple[str, ...] = ()
    try:
        result = metric.score(data)
        value, used, expected = result.value, result.frames_used, result.frames_expected
        flags = result.flags
        if "audio" in metric.facts.needs and clip.generated.borrowed_audio:
            flags = (*flags, "reference_audio")
    except Unscored as error:
        status, reason = error.status, str(error)
    reads_faces = bool({"landmarks", "pose"} & set(metric.facts.needs))
    sees_crop = plan.protocol.crop != "full" and bool(metric.frame_features or metric.pair_features)
    return {
        "method": clip.method,
        "dataset": plan.dataset,
        "clip": clip.clip,
        "speaker": clip.speaker,
        "emotion": clip.emotion,
        "metric": metric.key(plan.detector, plan.protocol),
        "value": value,
        "status": status,
        "reason": reason,
        "flags": " ".join(dict.fromkeys(flags)),
        "frames_used": used,
        "frames_expected": expected,
        "protocol": plan.protocol.name,
        "protocol_hash": plan.protocol.hash,
        "backend": metric.backend(plan.detector, plan.protocol),
        "weights_sha256": plan.weights_sha256 if reads_faces or sees_crop else "",
        "metric_name": metric.name,
        "metric_version": metric.facts.version,
        "generated_sha256": clip.generated.video_sha256,
        "reference_sha256": clip.reference.video_sha256 if clip.reference else "",
        "generated_size": _size(data.generated),
        "reference_size": _size(data.reference) if data.has_reference else "",
    }


def _size(side: Side) -> str:
    """``width x height`` of a side, empty where it cannot be read."""
    try:
        _, height, width = side.size
    except Unscored:
        return ""
    return f"{width}x{height}"


def _others(clip: str, references: dict[str, Side]) -> tuple[Side, ...]:
    """References of other clips, at most ``CHANCE_REFERENCES``, equally spaced in order of their names."""
    names = [name for name in sorted(references) if name != clip]
    step = max(1, math.ceil(len(names) / CHANCE_REFERENCES))
    return tuple(references[name] for name in names[::step])


def _lost(group: Group, error: Exception) -> Outcome:
    """Failures of everything in a group whose worker died."""
    reason = f"the worker died while it read this clip ({type(error).__name__}); run again with --workers 1"
    keys = group.keys
    sources = [s for s in (group.reference, *group.candidates, *group.others) if s is not None]
    failures: dict[str, str] = {}
    for source in sources:
        owed = [keys.video(source), keys.audio(source), keys.landmarks(source)]
        owed += [keys.frame(feature, source) for feature in group.frame_features]
        if group.reference is not None:
            owed += [keys.pair(feature, source, group.reference) for feature in group.pair_features]
        failures |= dict.fromkeys(owed, reason)
    return Outcome(group.name, failures)
