"""Run a plan: extract what the store lacks, score every clip, return records."""

import contextlib
import logging
import math
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

import pandas as pd

from gmbench.emotions import canonical
from gmbench.errors import StoreError
from gmbench.evaluation.extraction.clip_group import ClipGroup
from gmbench.evaluation.extraction.features import ClipSource
from gmbench.evaluation.extraction.group_extraction import extract_group
from gmbench.evaluation.extraction.outcome import UNEXPECTED, Outcome, report_errors
from gmbench.evaluation.extraction.worker_needs import absolute, as_planned, worker_needs
from gmbench.evaluation.planning.plan import Plan, PlannedClip
from gmbench.evaluation.results import records
from gmbench.evaluation.results.records import WHOLE_SET, Record
from gmbench.evaluation.scoring.flags import clip_flags, set_flags
from gmbench.evaluation.scoring.metric import ClipData, ClipFeatures, FeatureReader, Metric, Score, Unscored
from gmbench.executor import one_thread, run
from gmbench.store import Store

_log = logging.getLogger(__name__)

MAX_MISSING = 0.0
"""Share of a metric's clips that may lack features without a known reason: after an extraction there are none."""
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
    error_log: Path | None = None,
) -> pd.DataFrame:
    """Records of a plan.

    Order of clips, batch size, number of workers and earlier interrupted runs do not change them.

    Args:
        error_log: file for the tracebacks of unexpected errors; see :func:`report_errors`.

    Raises:
        StoreError: results cannot be kept.
    """
    outcome = extract(plan, store, workers, scheduler, batch, progress)
    try:
        with one_thread():
            return score(plan, Store(store), outcome)
    finally:
        report_errors(outcome, error_log)


def extract(
    plan: Plan,
    store: Path,
    workers: int = 1,
    scheduler: str | None = None,
    batch: int = 16,
    progress: Progress | None = None,
) -> Outcome:
    """Extract what the store lacks; returns what could not be extracted, and why."""
    groups = plan.groups(store, batch)
    total = Outcome(plan.dataset)
    with contextlib.ExitStack() as stack:
        function: Callable[[ClipGroup], Outcome] = extract_group
        tasks: Sequence[ClipGroup] = groups
        if scheduler is not None:
            function = stack.enter_context(worker_needs(groups, plan.keys, store))
            tasks = [absolute(group) for group in groups]
        for done, (index, result) in enumerate(run(function, tasks, workers, scheduler), start=1):
            outcome = result if isinstance(result, Outcome) else _lost(groups[index], result)
            total.add(outcome if scheduler is None else as_planned(outcome, groups[index]))
            if progress is not None:
                progress(done, len(groups))
    return total


def score(plan: Plan, store: Store, outcome: Outcome, max_missing: float = MAX_MISSING) -> pd.DataFrame:
    """Score all clips from stored features.

    Args:
        outcome: of the extraction; a scorer's unexpected error is a failed record and leaves its traceback here.
        max_missing: share of a metric's clips that may lack features for no known reason.

    Raises:
        StoreError: more than that lack them, as when the store was emptied after the extraction.
    """
    reader = FeatureReader(store, plan.keys, outcome.failures)
    references = {c.clip: reader.features_of(c.reference) for c in plan.clips if c.reference is not None}
    identities = _identities(plan, references)
    methods: dict[str, list[ClipData]] = {}
    scorer = _Scorer(plan, reader, outcome)
    result: list[Record] = []
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
        result += [scorer.of_clip(clip, data, metric) for metric in plan.metrics if metric.score is not None]
    for method, clips in methods.items():
        result += [scorer.of_set(method, clips, metric) for metric in plan.metrics if metric.score_set is not None]
    scorer.check_missing(max_missing)
    return records.frame(result)


def _identities(plan: Plan, references: dict[str, ClipFeatures]) -> dict[str, ClipFeatures]:
    """Each speaker's first neutral reference."""
    result: dict[str, ClipFeatures] = {}
    for clip in sorted(plan.clips, key=lambda clip: clip.clip):
        if clip.speaker and canonical(clip.emotion) == "neutral" and clip.clip in references:
            result.setdefault(clip.speaker, references[clip.clip])
    return result


class _Scorer:
    """Turns what scorers give into records, and counts the clips whose features are not in the store."""

    def __init__(self, plan: Plan, reader: FeatureReader, outcome: Outcome) -> None:
        self._plan, self._reader, self._outcome = plan, reader, outcome
        self._clips: Counter[str] = Counter()
        self._missing: Counter[str] = Counter()
        self._reference_values: dict[tuple[str, str, ClipSource], float] = {}

    def of_clip(self, clip: PlannedClip, data: ClipData, metric: Metric) -> Record:
        """One clip under one metric."""
        about = replace(
            self._unscored(clip.method, metric),
            clip=clip.clip,
            speaker=clip.speaker,
            emotion=clip.emotion,
            clips_expected=int(not metric.emotions or data.emotion in metric.emotions),
            generated_sha256=clip.generated.video_sha256,
            reference_sha256=self._plan.reference_of(clip, metric),
            generated_size=_size(data.generated),
            reference_size=_size(data.reference) if data.has_reference else "",
            reference_value=self._reference_value(clip, data, metric),
        )
        return self._scored(about, lambda: metric.score(data), lambda: clip_flags(data, metric), 1)  # type: ignore[misc]

    def _reference_value(self, clip: PlannedClip, data: ClipData, metric: Metric) -> float:
        """The reference's own value where it is the metric's best one; NaN where there is none."""
        if metric.spec.aim != "reference" or clip.reference is None or metric.score is None:
            return math.nan
        key = (metric.name, clip.clip, clip.reference)
        if key not in self._reference_values:
            before = self._reader.not_extracted
            try:
                self._reference_values[key] = metric.score(data.of_reference()).value
            except Unscored:
                self._reference_values[key] = math.nan
            except Exception as error:  # as for a generated clip
                self._outcome.reason(error, f"reference of {clip.clip}", metric.name)
                self._reference_values[key] = math.nan
            self._reader.not_extracted = before  # what a clip of the method lacks is counted there
        return self._reference_values[key]

    def of_set(self, method: str, clips: list[ClipData], metric: Metric) -> Record:
        """All clips of a method under one metric."""
        about = replace(
            self._unscored(method, metric),
            clip=WHOLE_SET,
            clips_expected=len(clips),
            reference_sha256=self._plan.references_of(method, metric),
        )
        return self._scored(
            about,
            lambda: metric.score_set(clips),  # type: ignore[misc]
            lambda: set_flags(clips, metric),
            len(clips),
        )

    def check_missing(self, most: float) -> None:
        """Refuse numbers of a store that does not hold what was extracted; raises StoreError."""
        shares = {name: self._missing[name] / self._clips[name] for name in self._missing}
        bad = sorted((name for name in shares if shares[name] > most), key=lambda name: -shares[name])
        if bad:
            raise StoreError(
                f"{self._reader.store.root}: the features of {self._missing[bad[0]]} of {self._clips[bad[0]]} clips "
                f"for metric {bad[0]} are not there, though extraction reported no failure ({len(bad)} metrics lack "
                "features); run the stage 'extract' again (dvc repro --force --single-item "
                f"extract@{self._plan.dataset}), or raise evaluation.max_missing to score what is there"
            )

    def _unscored(self, method: str, metric: Metric) -> Record:
        """What every record of a method and a metric says."""
        plan = self._plan
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

    def _scored(
        self, record: Record, score: Callable[[], Score], flags: Callable[[], tuple[str, ...]], clips: int
    ) -> Record:
        """The record with what a scorer gave, or why it gave nothing."""
        before = self._reader.not_extracted
        try:
            result = _checked(score())
            return replace(
                record,
                value=result.value,
                flags=" ".join(dict.fromkeys((*result.flags, *flags()))),
                frames_used=result.frames_used,
                frames_expected=result.frames_expected,
                clips_used=result.clips_used,
            )
        except Unscored as error:
            return replace(record, status=error.status, reason=str(error))
        except UNEXPECTED as error:  # a bug in a scorer must not take the other metrics down
            about = f"{record.method}/{record.clip}"
            reason = self._outcome.reason(error, about, record.metric_name, own=False)
            return replace(record, status="failed", reason=reason)
        finally:
            self._clips[record.metric_name] += clips
            self._missing[record.metric_name] += min(clips, self._reader.not_extracted - before)


def _checked(score: Score) -> Score:
    """The score in plain Python types, as records hold them; raises Unscored for NaN, TypeError for anything else."""
    if not isinstance(score, Score):
        raise TypeError(f"expected a Score, got {type(score).__name__}")
    value = float(score.value)
    if math.isnan(value):
        raise Unscored("failed", "the metric gave NaN; it must say why there is no value")
    if isinstance(score.flags, str):
        raise TypeError(f"expected a tuple of flags, got {score.flags!r}")
    counts = (int(score.frames_used), int(score.frames_expected))
    return Score(value, *counts, tuple(str(flag) for flag in score.flags), int(score.clips_used))


def _size(features: ClipFeatures) -> str:
    """``width x height`` of a clip, empty where it cannot be read."""
    try:
        _, height, width = features.size
    except Exception:  # the records of its metrics say why
        return ""
    return f"{width}x{height}"


def _others(clip: str, references: dict[str, ClipFeatures]) -> tuple[ClipFeatures, ...]:
    """References of other clips, at most ``CHANCE_REFERENCES``, equally spaced in order of their names."""
    names = [name for name in sorted(references) if name != clip]
    step = max(1, math.ceil(len(names) / CHANCE_REFERENCES))
    return tuple(references[name] for name in names[::step])


def _lost(group: ClipGroup, error: Exception) -> Outcome:
    """Failures of everything in a group whose worker died."""
    reason = f"the worker died while it read this clip ({type(error).__name__}); run again with --workers 1"
    return Outcome(group.name, dict.fromkeys(group.feature_keys(), reason))
