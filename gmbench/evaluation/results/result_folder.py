"""The folder of an evaluation: records, provenance and a table."""

import json
import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pandas as pd

from gmbench.errors import InputError, MixedColumnError, StoreError
from gmbench.evaluation.planning.plan import Plan
from gmbench.evaluation.results import compared_files, records
from gmbench.evaluation.scoring.registry import present_keys
from gmbench.names import closest
from gmbench.provenance import describe
from gmbench.store import write_atomically

PROVENANCE = "run.json"
ERRORS = "errors.log"
"""Tracebacks of unexpected errors; not there where there were none."""


def check_writable(folder: Path) -> None:
    """Make the folder, or say before hours of work that it cannot be written."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise StoreError(f"{folder}: cannot be made ({error.strerror}); choose another folder with --out") from error
    if not os.access(folder, os.W_OK):
        raise StoreError(f"{folder}: not writable; choose another folder with --out")


def save(folder: Path, new: pd.DataFrame, arguments: dict[str, object], plan: Plan | None = None) -> pd.DataFrame:
    """Merge new records into the folder's, and write provenance and what ``plan`` compared; returns all records.

    Methods and clips evaluated earlier into the same folder stay; what was evaluated again is replaced. Without a plan
    the folder's warnings stay.
    """
    path = folder / records.FILE
    stale = stale_clip_warnings(folder, new)
    merged = records.merge(_earlier(folder), new)
    records.write(path, merged)
    if plan is not None:
        compared_files.save(folder, compared_files.of_plan(plan, folder))
    facts = describe(arguments) | {
        "warnings": list(dict.fromkeys([*(plan.warnings if plan else warnings(folder)), *stale]))
    }
    text = json.dumps(facts, indent=1, ensure_ascii=False) + "\n"
    write_atomically(folder / PROVENANCE, text.encode())
    return merged


def stale_clip_warnings(folder: Path, new: pd.DataFrame) -> list[str]:
    """A warning per method with clips that lie in the folder's records but were not evaluated again."""
    stale = records.not_evaluated_again(_earlier(folder), new)
    return [
        f"{method}: {group['clip'].nunique()} clips evaluated earlier, but not now, stay in {folder} and its tables "
        f"where extractor and version are the same (for example {group['clip'].iloc[0]}); numbers of a whole set, such "
        "as FID, are of the clips evaluated now. To drop them, use a new --out"
        for method, group in stale.groupby("method")
    ]


def _earlier(folder: Path) -> pd.DataFrame | None:
    path = folder / records.FILE
    return records.read(path) if path.exists() else None


def warnings(folder: Path) -> list[str]:
    """What the last evaluation into a folder left out, and why."""
    return list(provenance(folder).get("warnings", []))


def provenance(folder: Path) -> dict[str, Any]:
    """The facts of an evaluation's run; none where it left none. Raises InputError for a damaged file."""
    path = folder / PROVENANCE
    try:
        return dict(json.loads(path.read_text("utf-8"))) if path.is_file() else {}
    except ValueError as error:
        raise InputError(f"{path}: not the facts of a run ({error}); delete it or evaluate again") from error


def only(
    table: pd.DataFrame,
    dataset: str | None = None,
    protocol: str | None = None,
    metrics: Sequence[str] | None = None,
) -> pd.DataFrame:
    """Records of one dataset, one protocol (name or hash) and some metrics (with or without suffix).

    Raises:
        InputError: nothing fits. MixedColumnError: several protocols are left and none was chosen.
    """
    if dataset is not None:
        known = sorted(table["dataset"].unique())
        if dataset not in known:
            raise InputError(f"no records of dataset {dataset!r}; {closest(dataset, known)}")
        table = table[table["dataset"] == dataset]
    if protocol is not None:
        chosen = (table["protocol"] == protocol) | (table["protocol_hash"] == protocol)
        if not chosen.any():
            raise InputError(f"no records of protocol {protocol!r}; {closest(protocol, table['protocol'].unique())}")
        table = table[chosen]
    elif table["protocol_hash"].nunique() > 1:
        names = ", ".join(sorted(table["protocol"].unique()))
        raise MixedColumnError(f"records of several protocols ({names}); choose one with --protocol")
    if metrics:
        table = table[table["metric"].isin(present_keys(metrics, list(table["metric"].unique())))]
    return table
