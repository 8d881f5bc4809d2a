"""What the page shows of parts of a set: means by emotion, level and speaker, which emotion a classifier saw, and how
the clips' values are spread. Plain data, read when the page first shows it."""

import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from gmbench.emotions import SUITE_ORDER, canonical
from gmbench.evaluation.results.records import WHOLE_SET
from gmbench.evaluation.scoring.flags import SEEN
from gmbench.reporting.metric_lookup import metric_of
from gmbench.reporting.summary import Summary

MAX_PARTS = 60
"""Speakers shown at most, those with the most clips."""
MAX_DOTS = 120
"""Clips up to which each is a dot of its own; of more, the page draws the density alone."""
BINS = 24
NO_LABEL = "no label"


def breakdowns(summary: Summary, keys: Sequence[str], levels: Mapping[str, int]) -> dict[str, Any]:
    """Parts of one dataset under one protocol.

    Args:
        keys: metrics, in the order of tables.
        levels: intensity of each clip's emotion, of those that have one.
    """
    records = summary.records
    clips = records[(records["clip"] != WHOLE_SET) & (records["clips_expected"] > 0)]
    labelled = {
        "emotion": [canonical(str(label)) or str(label) for label in clips["emotion"]],
        "level": [str(levels.get(str(clip), "")) for clip in clips["clip"]],
        "speaker": [str(speaker) for speaker in clips["speaker"]],
    }
    finite = clips["value"].where(np.isfinite(clips["value"]))
    by = {kind: found for kind, of in labelled.items() if (found := _parts(clips, finite, of, keys))}
    return {"by": by, "confusion": _confusion(clips), "spread": _spread(clips.assign(value=finite), keys)}


def _parts(clips: pd.DataFrame, values: pd.Series, labels: list[str], keys: Sequence[str]) -> dict[str, Any] | None:
    """Mean (or median) and number of clips by method, metric and label; None where there are not two labels."""
    table = pd.DataFrame({
        "method": clips["method"], "metric": clips["metric"], "part": labels, "clip": clips["clip"], "value": values,
    })  # fmt: skip
    sizes = table.drop_duplicates(["part", "clip"]).groupby("part")["clip"].count()
    names = sorted(sizes.index, key=_order)
    if len([name for name in names if name]) < 2:
        return None
    kept = sorted(sorted(names, key=lambda name: -sizes[name])[:MAX_PARTS], key=_order)
    place = {name: n for n, name in enumerate(kept)}
    cells: dict[str, dict[str, list[list[float | int] | None]]] = {}
    for (method, key), group in table.dropna(subset="value").groupby(["method", "metric"], sort=False):
        if key not in keys:
            continue
        metric = metric_of(str(key))
        how = "median" if metric and metric.statistic == "median" else "mean"
        row: list[list[float | int] | None] = [None] * len(kept)
        for part, value, n in group.groupby("part")["value"].agg([how, "count"]).itertuples():
            if part in place:
                row[place[part]] = [_short(value), int(n)]
        cells.setdefault(str(method), {})[str(key)] = row
    return {
        "names": [name or NO_LABEL for name in kept],
        "clips": [int(sizes[name]) for name in kept],
        "left": len(names) - len(kept),
        "cells": cells,
    }


def _order(name: str) -> tuple[bool, int, str]:
    """The suite's emotions in their order, then other names, no label last."""
    return (not name, SUITE_ORDER.index(name) if name in SUITE_ORDER else len(SUITE_ORDER), name)


def _confusion(clips: pd.DataFrame) -> dict[str, Any]:
    """By method, counts (asked for, seen by the classifier) of the suite's emotions; those that occur alone."""
    seen = clips[clips["flags"].str.contains(SEEN, regex=False)]
    seen = seen[seen["metric_name"] == "acc_emo"]
    pairs: dict[str, dict[tuple[str, str], int]] = {}
    for method, emotion, flags in zip(seen["method"], seen["emotion"], seen["flags"], strict=True):
        asked = canonical(str(emotion))
        saw = next(flag for flag in str(flags).split() if flag.startswith(SEEN))[len(SEEN) :]
        counts = pairs.setdefault(str(method), {})
        counts[asked, saw] = counts.get((asked, saw), 0) + 1
    found = {pair for counts in pairs.values() for pair in counts}
    rows, columns = ([e for e in SUITE_ORDER if any(pair[side] == e for pair in found)] for side in (0, 1))
    return {
        "rows": rows, "columns": columns,
        "methods": {m: [[counts.get((r, c), 0) for c in columns] for r in rows] for m, counts in pairs.items()},
    }  # fmt: skip


def _spread(clips: pd.DataFrame, keys: Sequence[str]) -> dict[str, Any]:
    """By metric the range of the clips' values, and by method a histogram over it, quartiles, and few clips' values."""
    names = sorted(clips["clip"].unique())
    place = {name: n for n, name in enumerate(names)}
    spread: dict[str, Any] = {}
    for key, group in clips.dropna(subset="value").groupby("metric", sort=False):
        if key not in keys:
            continue
        low, high = float(group["value"].min()), float(group["value"].max())
        methods = {}
        for method, own in group.groupby("method", sort=False):
            values = own["value"].to_numpy(np.float64)
            methods[str(method)] = _histogram(values, low, high)
            if len(names) <= MAX_DOTS:
                methods[str(method)]["dots"] = [[place[c], _short(v)] for c, v in zip(own["clip"], values, strict=True)]
        spread[str(key)] = {"low": _short(low), "high": _short(high), "methods": methods}
    return {"clips": names if len(names) <= MAX_DOTS else [], "metrics": spread}


def _histogram(values: NDArray[np.float64], low: float, high: float) -> dict[str, Any]:
    """Counts (BINS,) between the ends of the range, and the quartiles."""
    counts, _ = np.histogram(values, BINS, (low, high if high > low else low + 1.0))
    return {"bins": counts.tolist(), "quartiles": [_short(q) for q in np.quantile(values, (0.25, 0.5, 0.75))]}


def _short(value: float) -> float:
    return float(f"{value:.4g}") if math.isfinite(value) else value
