"""Clips that are another's under a second name: numbers that look like a result and are a mistake in the folders."""

import itertools
from collections import Counter

import numpy as np
import pandas as pd

from gmbench.evaluation.planning.controls import CONTROLS
from gmbench.evaluation.planning.plan import Plan
from gmbench.evaluation.results.records import WHOLE_SET, distinct, plain
from gmbench.evaluation.results.references import pictures

COLUMNS = (
    "dataset", "method", "clip", "protocol_hash", "metric", "metric_name", "value", "generated_sha256",
    "reference_sha256",
)  # fmt: skip
"""All that is read of records."""
PICTURE_METRICS = ("psnr", "ssim")
"""Two clips of equal values to the last digit under these have the same pixels."""


def of_plan(plan: Plan) -> list[str]:
    """What can be said of a plan's files before the work starts."""
    rows = [
        (plan.dataset, clip.method, clip.clip, clip.generated.video_sha256, clip.reference.video_sha256)
        for clip in plan.clips
        if clip.reference is not None and not (clip.generated.video_change or clip.generated.audio_change)
    ]
    return _notes(pd.DataFrame(rows, columns=["dataset", "method", "clip", "generated", "reference"]))


def of_records(records: pd.DataFrame) -> list[str]:
    """Methods that are the reference, another method, or one clip under many names; by file and by pixel."""
    records = records[list(COLUMNS)]
    files = _of_methods(distinct(records, ["dataset", "method", "clip", "generated_sha256", "reference_sha256"]))
    files = plain(files).assign(generated=files["generated_sha256"], reference=pictures(files))
    files = files[["dataset", "method", "clip", "generated", "reference"]].drop_duplicates()
    seen = records[records["metric_name"].isin(PICTURE_METRICS) & records["value"].notna()]
    return [*_notes(files), *_same_pixels(plain(_of_methods(seen)), files)]


def _of_methods(records: pd.DataFrame) -> pd.DataFrame:
    """Records of single clips of methods, without controls."""
    return records[(records["clip"] != WHOLE_SET) & ~records["method"].isin(list(CONTROLS))]


def _notes(files: pd.DataFrame) -> list[str]:
    files = files[(files["generated"] != "") & ~files["method"].isin(list(CONTROLS))]
    notes = []
    for (_, method), own in files.groupby(["dataset", "method"], sort=True):
        clips = sorted(own.loc[own["generated"] == own["reference"], "clip"].unique())
        if clips:
            notes.append(
                f"{method}: {_share(clips, own)} are the reference's own files, byte for byte; is it the right folder?"
            )
        repeated = own.drop_duplicates("clip")
        repeated = repeated[repeated.duplicated("generated", keep=False)]
        if len(repeated):
            first = repeated[repeated["generated"] == repeated["generated"].iloc[0]]
            names = " and ".join(sorted(first["clip"])[:2])
            notes.append(f"{method}: {len(repeated)} clips are the same files under several names ({names})")
    return [*notes, *_pairs(files, "generated", "are the same files, byte for byte")]


def _same_pixels(seen: pd.DataFrame, files: pd.DataFrame) -> list[str]:
    """Equal pixels in files that differ, by the values of picture metrics."""
    notes = []
    other_file = seen["generated_sha256"] != pictures(seen)
    exact = seen[(seen["metric_name"] == "psnr") & np.isposinf(seen["value"]) & other_file]
    for (_, method), own in exact.groupby(["dataset", "method"], sort=True):
        everything = files[files["method"] == method]
        notes.append(f"{method}: {_share(sorted(own['clip'].unique()), everything)} equal the reference in every pixel")
    finite = seen[np.isfinite(seen["value"]) & (seen["value"] != 1)]
    if finite.empty:
        return notes
    keys = ["dataset", "method", "clip", "protocol_hash", "reference_sha256", "generated_sha256"]
    prints = finite.sort_values("metric").groupby(keys)["value"].agg(lambda values: repr(list(values))).reset_index()
    prints["pixels"] = prints["value"] + prints["protocol_hash"] + prints["reference_sha256"]
    named = prints.drop_duplicates(["dataset", "clip", "generated_sha256", "pixels"])  # equal files are said already
    return notes + _pairs(named, "pixels", "have the same pixels in other files")


def _pairs(files: pd.DataFrame, column: str, what: str) -> list[str]:
    """A sentence per pair of methods of a dataset with equal entries in a column for the same clips."""
    equal: Counter[tuple[str, str, str]] = Counter()
    shared = files[files.duplicated(["dataset", "clip", column], keep=False)]
    for (dataset, _, _), group in shared.groupby(["dataset", "clip", column], sort=True):
        equal.update((str(dataset), *pair) for pair in itertools.combinations(sorted(set(group["method"])), 2))
    counts = files.groupby("dataset")["clip"].nunique()
    return [f"{a} and {b}: {n} of {counts[dataset]} clips {what}" for (dataset, a, b), n in sorted(equal.items())]


def _share(clips: list[str], own: pd.DataFrame) -> str:
    return f"{len(clips)} of {own['clip'].nunique()} clips (for example {clips[0]})"
