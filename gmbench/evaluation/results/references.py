"""What methods were compared with: records are paired, and share a dataset's name, where their references agree.

A record's ``reference_sha256`` names the content behind it: of the reference's picture, and of its sound and landmark
file where the metric reads them, joined by ``+``; of all references for a metric of the whole set. Two folders called
``real`` that hold other clips are two datasets; clips that join a folder later leave it the same dataset.
"""

import re
from collections.abc import Iterable, Mapping

import numpy as np
import pandas as pd

from gmbench.evaluation.results.records import WHOLE_SET, categories, distinct, groups, where
from gmbench.store import digest

DIFFERENT = "compared with different references"
_CONTENTS = ("dataset", "clip", "reference_sha256")
_MARK = re.compile(r"~[0-9a-f]{6}$")
"""Behind the name of a dataset whose plain name belongs to other content."""
Contents = Mapping[str, set[str]]
"""Digests of the references' pictures by clip: one each, but where a reference was replaced between evaluations."""


def contents(records: pd.DataFrame) -> Contents:
    """Which pictures stood behind each clip, where records say so."""
    kinds = distinct(records, ["clip", "reference_sha256"])
    known = kinds[(kinds["clip"] != WHOLE_SET) & (kinds["reference_sha256"] != "")]
    found: dict[str, set[str]] = {}
    for clip, sha in zip(known["clip"], pictures(known), strict=True):
        found.setdefault(str(clip), set()).add(str(sha))
    return found


def pictures(records: pd.DataFrame) -> pd.Series:
    """Digest of the reference's picture, for each record of a clip."""
    places, texts = pd.factorize(records["reference_sha256"])
    firsts = np.array([str(text).partition("+")[0] for text in texts], object)
    return pd.Series(firsts[places], records.index, dtype=object)


def named_apart(fixed: pd.DataFrame | None, other: pd.DataFrame) -> pd.DataFrame:
    """The other records under names of datasets that fit those of fixed ones.

    A dataset is the one of its name of which at least half of the common clips have the same references. Where all of
    that name have other references it is called ``<name>~<digest>``; without a common clip it keeps its name.
    """
    if fixed is None or fixed.empty or other.empty:
        return other
    there, here = (
        {name: contents(part) for (name,), part in groups(table[[*_CONTENTS]], ["dataset"])} for table in (fixed, other)
    )
    names = {name: _fitting(name, mine, there) for name, mine in here.items()}
    if all(old == new for old, new in names.items()):
        return other
    return other.assign(dataset=categories([names[name] for name in other["dataset"]]))


def _fitting(name: str, mine: Contents, there: Mapping[str, Contents]) -> str:
    """The name for a dataset among others that are there."""
    stem = _MARK.sub("", name)
    rivals = sorted((d for d in there if _MARK.sub("", d) == stem), key=lambda d: (d != name, d))
    shared = {rival: [mine[clip] & there[rival][clip] for clip in mine if clip in there[rival]] for rival in rivals}
    same = [rival for rival in rivals if shared[rival] and 2 * sum(map(bool, shared[rival])) >= len(shared[rival])]
    if same:
        return max(same, key=lambda rival: sum(map(bool, shared[rival])))
    if not shared.get(name):
        return name
    return f"{stem}~{digest(*sorted((clip, sorted(shas)) for clip, shas in mine.items()))[:6]}"


def renamed(before: pd.DataFrame, after: pd.DataFrame) -> list[str]:
    """A warning per dataset that :func:`named_apart` gave another name."""
    pairs = dict(zip(before["dataset"], after["dataset"], strict=True))
    return [
        f"{new} is not the {old} of earlier evaluations: clips of one name were {DIFFERENT}. It is kept apart; "
        f"remove what you do not need with 'gmbench records drop', or name datasets with --dataset"
        for old, new in sorted(pairs.items())
        if old != new
    ]


def differing(records: pd.DataFrame, methods: Iterable[str] | None = None) -> set[str]:
    """Clips of one dataset that methods share, but with other references behind them, under some metric."""
    chosen = records if methods is None else records[records["method"].isin(list(methods))]
    found: set[str] = set()
    for _, group in groups(chosen[["clip", "metric", "reference_sha256"]], ["metric"]):
        kinds = group[group["clip"] != WHOLE_SET].groupby("clip")["reference_sha256"].nunique()
        found.update(map(str, kinds.index[kinds > 1]))
    return found


def warnings(records: pd.DataFrame) -> list[str]:
    """A sentence per dataset and protocol whose methods were compared with other references in some clips.

    And one per method whose row joins numbers of several versions of its videos.
    """
    result = []
    records = records[["dataset", "protocol_hash", "method", "clip", "metric", "generated_sha256", "reference_sha256"]]
    of_clips = where(records, records["clip"] != WHOLE_SET)
    sets = records[records["clip"] == WHOLE_SET].groupby(["dataset", "protocol_hash", "metric"])["reference_sha256"]
    for name, group in (kinds := sets.nunique())[kinds > 1].groupby("dataset"):
        metrics = ", ".join(sorted(set(group.index.get_level_values("metric"))))
        result.append(f"{name}: {metrics} of whole sets were {DIFFERENT} or other clips; never compare their rows")
    for (dataset, _), part in groups(of_clips, ["dataset", "protocol_hash"]):
        clips = sorted(differing(part))
        if clips:
            result.append(
                f"{dataset}: {len(clips)} of {part['clip'].nunique()} clips were {DIFFERENT} (for example {clips[0]}); "
                "pairs and tests leave them out, means do not: evaluate all methods again with one reference"
            )
        files = distinct(part, ["method", "clip", "generated_sha256"])
        versions = files[files["generated_sha256"] != ""].groupby(["method", "clip"])["generated_sha256"].nunique()
        for method, several in versions[versions > 1].groupby("method"):
            result.append(
                f"{method}: numbers of several versions of its videos stand in one row ({len(several)} clips): metrics "
                "that were evaluated earlier are of former files; evaluate them again"
            )
    return result
