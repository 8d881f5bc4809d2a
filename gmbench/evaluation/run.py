"""Run a plan: extract what the store lacks, score every clip, return records."""

import contextlib
import functools
import itertools
import logging
import math
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pandas as pd

from gmbench.devices import CPU, dealt, kind_of
from gmbench.devices.serving import served
from gmbench.emotions import canonical
from gmbench.errors import StoreError
from gmbench.evaluation.extraction.clip_group import ClipGroup
from gmbench.evaluation.extraction.features import ClipSource
from gmbench.evaluation.extraction.group_extraction import extract_group, extract_served
from gmbench.evaluation.extraction.outcome import UNEXPECTED, Outcome, report_errors
from gmbench.evaluation.extraction.worker_needs import absolute, as_planned, worker_needs
from gmbench.evaluation.planning.plan import Plan
from gmbench.evaluation.planning.planned_clip import PlannedClip
from gmbench.evaluation.results import records
from gmbench.evaluation.results.records import WHOLE_SET, Record
from gmbench.evaluation.scoring.clip_data import ClipData, ClipFeatures, FeatureReader, Unscored
from gmbench.evaluation.scoring.flags import clip_flags, set_flags
from gmbench.evaluation.scoring.metric import Metric, Score
from gmbench.executor import one_thread, run
from gmbench.face import landmarks as face_landmarks
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
        stack.enter_context(one_thread())  # finding the libraries takes longer than a group that is stored
        function: Callable[[ClipGroup], Outcome] = extract_group
        tasks: Sequence[ClipGroup] = groups
        if scheduler is None and workers > 1 and plan.protocol.device != CPU:
            server = stack.enter_context(served(dealt(plan.protocol.device, 0)))
            function = functools.partial(extract_served, server)
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
    scorer = _Scorer(plan, reader, outcome)
    table = records.frame(_scores(plan, reader, scorer))
    scorer.check_missing(max_missing)
    return table


def _scores(plan: Plan, reader: FeatureReader, scorer: "_Scorer") -> Iterator[Record]:
    """All records; features of one clip and of what is compared with it are in memory at a time."""
    data = _PlannedData(plan, reader)
    of_clips = [metric for metric in plan.metrics if metric.score is not None]
    of_sets = [metric for metric in plan.metrics if metric.score_set is not None]
    for _, clips in itertools.groupby(sorted(plan.clips, key=lambda clip: clip.clip), key=lambda clip: clip.clip):
        for clip in clips:
            features = data.of(clip, reader.features_of)
            yield from (scorer.of_clip(clip, features, metric) for metric in of_clips)
        scorer.forget()
    for method, members in itertools.groupby(plan.clips, key=lambda clip: clip.method):
        whole_set = _WholeSet(list(members), data)
        yield from (scorer.of_set(method, whole_set, metric) for metric in of_sets)


class _PlannedData:
    """What metrics may read of planned clips."""

    def __init__(self, plan: Plan, reader: FeatureReader) -> None:
        self._reader = reader
        self._references = {clip.clip: clip.reference for clip in plan.clips if clip.reference is not None}
        self._names = sorted(self._references)
        self._places = {name: place for place, name in enumerate(self._names)}
        self._chance: dict[ClipSource, ClipFeatures] = {}
        self._identities: dict[str, ClipSource] = {}
        for clip in sorted(plan.clips, key=lambda clip: clip.clip):
            if clip.speaker and canonical(clip.emotion) == "neutral" and clip.clip in self._references:
                self._identities.setdefault(clip.speaker, self._references[clip.clip])

    def of(self, clip: PlannedClip, features_of: Callable[[ClipSource], ClipFeatures]) -> ClipData:
        """Of one clip; the speaker's first neutral reference, or the clip's own, stands for the identity."""
        identity = self._identities.get(clip.speaker, self._references.get(clip.clip))
        return ClipData(
            clip=clip.clip,
            generated=features_of(clip.generated),
            reference=None if clip.reference is None else features_of(clip.reference),
            samples=tuple(map(features_of, clip.samples)),
            others=self._others(clip.clip),
            reader=self._reader,
            label=clip.emotion,
            identity=None if identity is None else features_of(identity),
        )

    def unread(self, clip: PlannedClip) -> ClipData:
        """Of one clip, with features that nobody has read yet."""
        return self.of(clip, lambda source: ClipFeatures(source, self._reader))

    def _others(self, clip: str) -> tuple[ClipFeatures, ...]:
        """References of other clips, at most ``CHANCE_REFERENCES``, equally spaced in order of their names.

        At most twice as many serve all clips, and stay in memory.
        """
        own = self._places.get(clip, len(self._names))
        count = len(self._names) - (own < len(self._names))
        step = max(1, math.ceil(count / CHANCE_REFERENCES))
        chosen = [self._references[self._names[place + (place >= own)]] for place in range(0, count, step)]
        return tuple(self._chance.setdefault(s, ClipFeatures(s, self._reader)) for s in chosen)


class _WholeSet(Sequence[ClipData]):
    """All clips of a method; each is made when it is asked for, so that no features stay in memory."""

    def __init__(self, clips: Sequence[PlannedClip], data: _PlannedData) -> None:
        self._clips, self._data = clips, data

    def __len__(self) -> int:
        return len(self._clips)

    def __getitem__(self, index: Any) -> Any:
        chosen = self._clips[index]
        return list(map(self._data.unread, chosen)) if isinstance(index, slice) else self._data.unread(chosen)


class _Scorer:
    """Turns what scorers give into records, and counts the clips whose features are not in the store."""

    def __init__(self, plan: Plan, reader: FeatureReader, outcome: Outcome) -> None:
        self._plan, self._reader, self._outcome = plan, reader, outcome
        self._templates: dict[tuple[str, str], Record] = {}
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

    def of_set(self, method: str, clips: Sequence[ClipData], metric: Metric) -> Record:
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

    def forget(self) -> None:
        """Drop what was read and computed of the clips so far."""
        self._reader.forget()
        self._reference_values.clear()

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
        if (method, metric.name) not in self._templates:
            self._templates[method, metric.name] = self._template(method, metric)
        return self._templates[method, metric.name]

    def _template(self, method: str, metric: Metric) -> Record:
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

    def _device_flags(self, name: str) -> tuple[str, ...]:
        """``on_cuda`` where networks on a GPU are behind a metric's numbers: they differ in the last digits."""
        protocol = self._plan.protocol
        if protocol.device == CPU:
            return ()
        metric = next(metric for metric in self._plan.metrics if metric.name == name)
        finds = face_landmarks.backend(protocol.landmarks).on_device and metric.reads_landmarks(protocol)
        return (f"on_{kind_of(protocol.device)}",) if finds or metric.weights(protocol) else ()

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
                flags=" ".join(dict.fromkeys((*result.flags, *flags(), *self._device_flags(record.metric_name)))),
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


def _lost(group: ClipGroup, error: Exception) -> Outcome:
    """Failures of everything in a group whose worker died."""
    reason = f"the worker died while it read this clip ({type(error).__name__}); run again with --workers 1"
    return Outcome(group.name, dict.fromkeys(group.feature_keys(), reason))
