"""Why numbers are missing: the reasons in records, gathered so that they can be read."""

import re
from collections import defaultdict
from dataclasses import dataclass

import pandas as pd

from gmbench.evaluation.planning.controls import CONTROLS

_READ = ("method", "status", "reason", "metric", "clip")


@dataclass(frozen=True)
class MissingNumbers:
    """Numbers of one method that are missing for one reason.

    Attributes:
        status: ``missing``, ``failed`` or ``undefined``.
        reason: in words; of the first clip, where they differ in a file's name or a number only.
        metrics: keys that lack a value; clips: those that lack it under each of these metrics, in order of their names.
    """

    method: str
    status: str
    reason: str
    metrics: tuple[str, ...]
    clips: tuple[str, ...]


def reasons_of(records: pd.DataFrame) -> list[MissingNumbers]:
    """The reasons of all missing numbers of records, those of most numbers first.

    Reasons that differ in nothing but a clip's file or a number are one. Clips that do not count for a metric, as
    those of other emotions, lack nothing.
    """
    lacking = records.loc[(records["status"] != "ok") & (records["clips_expected"] > 0), [*_READ]]
    clips: dict[tuple[str, str, str], dict[str, list[str]]] = defaultdict(lambda: defaultdict(list))
    first: dict[tuple[str, str, str], str] = {}
    for row in lacking.sort_values(["method", "metric", "clip"], kind="stable").itertuples(index=False):
        key = (str(row.method), str(row.status), _kind(str(row.reason), str(row.clip)))
        clips[key][str(row.metric)].append(str(row.clip))
        first.setdefault(key, str(row.reason))
    result = []
    for key, by_metric in clips.items():
        alike: dict[tuple[str, ...], list[str]] = defaultdict(list)
        for metric, names in by_metric.items():
            alike[tuple(names)].append(metric)
        method, status, _ = key
        result += [MissingNumbers(method, status, first[key], tuple(m), names) for names, m in alike.items()]
    return sorted(result, key=lambda group: (-len(group.metrics) * len(group.clips), group.method, group.reason))


def nothing_computed(records: pd.DataFrame) -> bool:
    """Whether no method has a single number; controls count only where there is nothing else."""
    methods = records[~records["method"].isin(list(CONTROLS))]
    return not (methods if len(methods) else records)["value"].notna().any()


def _kind(reason: str, clip: str) -> str:
    """A reason without what is a clip's own: its file and the numbers."""
    name = clip.rpartition("/")[2]
    file, colon, rest = reason.partition(": ")
    if colon and name in file:
        reason = rest
    return re.sub(r"\d+(\.\d+)?", "0", reason.replace(clip, "*"))
