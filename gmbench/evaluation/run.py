"""Run a plan: extract what the store lacks, score every clip, return records."""

import logging
import math
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pandas as pd

from gmbench.emotions import canonical
from gmbench.errors import StoreError
from gmbench.evaluation.extraction.clip_group import ClipGroup, Outcome, extract_group
from gmbench.evaluation.planning.plan import Plan, PlannedClip
from gmbench.evaluation.results import records
from gmbench.evaluation.results.records import WHOLE_SET, Record
from gmbench.evaluation.scoring.metric import ClipData, ClipFeatures, FeatureReader, Metric, Score, Unscored
from gmbench.executor import one_thread, run
from gmbench.plugins import explain
from gmbench.store import Store

_log = logging.getLogger(__name__)
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
    reader = FeatureReader(store, plan.keys, failures)
    references = {c.clip: reader.features_of(c.reference) for c in plan.clips if c.reference is not None}
    identities = _identities(plan, references)
    result: list[Record] = []
    methods: dict[str, list[ClipData]] = {}
    for clip in plan.clips:
        data = ClipData(
            clip=clip.clip,
            generated=reader.features_of(clip.generated),
            reference=None if clip.reference is None else reader.features_of(clip.reference),
            samples=tuple(reader.features_of(sample) for sample in clip.samples),
            others=_others(clip.clip, references),
            reader=reader,
            label=clip.emotion,
            identity=identities.get(clip.speaker, references.get(clip.clip)),
        )
        methods.setdefault(clip.method, []).append(data)
        result += [_clip_record(plan, clip, data, metric) for metric in plan.metrics if metric.score is not None]
    for method, clips in methods.items():
        result += [_set_record(plan, method, clips, metric) for metric in plan.metrics if metric.score_set is not None]
    return records.frame(result)


def _identities(plan: Plan, references: dict[str, ClipFeatures]) -> dict[str, ClipFeatures]:
    """Each speaker's first neutral reference."""
    result: dict[str, ClipFeatures] = {}
    for clip in sorted(plan.clips, key=lambda clip: clip.clip):
        if clip.speaker and canonical(clip.emotion) == "neutral" and clip.clip in references:
            result.setdefault(clip.speaker, references[clip.clip])
    return result


def _clip_record(plan: Plan, clip: PlannedClip, data: ClipData, metric: Metric) -> Record:
    """One clip under one metric."""
    about = replace(
        _unscored_record(plan, clip.method, metric),
        clip=clip.clip,
        speaker=clip.speaker,
        emotion=clip.emotion,
        clips_expected=int(not metric.emotions or data.emotion in metric.emotions),
        generated_sha256=clip.generated.video_sha256,
        reference_sha256=clip.reference.video_sha256 if clip.reference else "",
        generated_size=_size(data.generated),
        reference_size=_size(data.reference) if data.has_reference else "",
    )
    borrowed = "audio" in metric.spec.needs and clip.generated.borrowed_audio
    return _scored(about, lambda: metric.score(data), ("reference_audio",) if borrowed else ())  # type: ignore[misc]


def _set_record(plan: Plan, method: str, clips: list[ClipData], metric: Metric) -> Record:
    """All clips of a method under one metric."""
    about = replace(_unscored_record(plan, method, metric), clip=WHOLE_SET, clips_expected=len(clips))
    return _scored(about, lambda: metric.score_set(clips))  # type: ignore[misc]


def _unscored_record(plan: Plan, method: str, metric: Metric) -> Record:
    """What every record of a method and a metric says."""
    key = metric.key(plan.detector, plan.protocol)
    return Record(
        method=method,
        dataset=plan.dataset,
        metric=str(key),
        protocol=plan.protocol.name,
        protocol_hash=plan.protocol.hash,
        backend=key.backend,
        weights_sha256=plan.weights_of(metric),
        metric_name=metric.name,
        metric_version=metric.spec.version,
    )


def _scored(record: Record, score: Callable[[], Score], flags: tuple[str, ...] = ()) -> Record:
    """The record with what a scorer gave, or why it gave nothing; ``flags`` are added to the scorer's."""
    try:
        result = score()
        if math.isnan(result.value):
            raise Unscored("failed", "the metric gave NaN; it must say why there is no value")
        return replace(
            record,
            value=float(result.value),
            flags=" ".join(dict.fromkeys((*result.flags, *flags))),
            frames_used=result.frames_used,
            frames_expected=result.frames_expected,
            clips_used=result.clips_used,
        )
    except Unscored as error:
        return replace(record, status=error.status, reason=str(error))
    except StoreError:
        raise
    except Exception as error:  # a bug in one metric, of another package perhaps, must not take the others down
        _log.debug("unexpected error in %s of %s", record.metric_name, record.clip, exc_info=True)
        return replace(record, status="failed", reason=f"{record.metric_name}: {explain(error)}")


def _size(features: ClipFeatures) -> str:
    """``width x height`` of a clip, empty where it cannot be read."""
    try:
        _, height, width = features.size
    except Unscored:
        return ""
    return f"{width}x{height}"


def _others(clip: str, references: dict[str, ClipFeatures]) -> tuple[ClipFeatures, ...]:
    """References of other clips, at most ``CHANCE_REFERENCES``, equally spaced in order of their names."""
    names = [name for name in sorted(references) if name != clip]
    step = max(1, math.ceil(len(names) / CHANCE_REFERENCES))
    return tuple(references[name] for name in names[::step])


def feature_keys(group: ClipGroup) -> list[str]:
    """Store keys of all that extraction makes of a group; they name contents, weights and versions."""
    keys, found = group.keys, []
    for source in (s for s in (group.reference, *group.candidates, *group.others) if s is not None):
        found += [keys.video(source), keys.audio(source), keys.landmarks(source)]
        found += [keys.frame(feature, source) for feature in group.frame_features]
        found += [keys.clip(feature, source) for feature in (*group.clip_features, *group.reference_features)]
        if group.reference is not None:
            found += [keys.pair(feature, source, group.reference) for feature in group.pair_features]
    return found


def _lost(group: ClipGroup, error: Exception) -> Outcome:
    """Failures of everything in a group whose worker died."""
    reason = f"the worker died while it read this clip ({type(error).__name__}); run again with --workers 1"
    return Outcome(group.name, dict.fromkeys(feature_keys(group), reason))
