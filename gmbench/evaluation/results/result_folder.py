"""The folder of an evaluation: records, provenance and a table."""

import json
import os
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pandas as pd

from gmbench.errors import InputError, MixedColumnError, StoreError
from gmbench.evaluation.planning.controls import CONTROLS
from gmbench.evaluation.planning.plan import Plan
from gmbench.evaluation.results import compared_files, identical, merging, records, references
from gmbench.evaluation.scoring.registry import present_keys
from gmbench.names import closest
from gmbench.provenance import describe
from gmbench.store import write_atomically

PROVENANCE = "run.json"
EVALUATED = ("dataset", "protocol_hash", "method")
"""What ``evaluated`` in the provenance has a time for."""
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


@contextmanager
def locked(folder: Path) -> Iterator[None]:
    """Keep other processes from changing a folder between reading and writing it; where the file system has locks."""
    folder.mkdir(parents=True, exist_ok=True)
    if sys.platform == "win32":  # there a folder has no lock
        yield
        return
    import fcntl

    handle = os.open(folder, os.O_RDONLY)
    try:
        with suppress(OSError):  # some network file systems have no locks: writing stays atomic, the last one wins
            fcntl.flock(handle, fcntl.LOCK_EX)
        yield
    finally:
        os.close(handle)


def save(
    folder: Path, new: pd.DataFrame, arguments: dict[str, object], plan: Plan | None = None
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Merge new records into the folder's, and write provenance and what ``plan`` compared; hold :func:`locked` around.

    Methods and clips evaluated earlier into the same folder stay; what was evaluated again is replaced. Without a plan
    the folder's warnings stay.

    Returns:
        all records, and the new ones: under another name where their dataset's belongs to other content.
    """
    notes = merge_warnings(folder, new, identical_clips=plan is not None)
    earlier = _earlier(folder)
    named = references.named_apart(earlier, new)
    merged = merging.merge(earlier, named)
    records.write(folder / records.FILE, merged)
    if plan is not None:
        names = dict(zip(new["dataset"], named["dataset"], strict=True))
        files = compared_files.of_plan(plan, folder)
        compared_files.save(folder, files.assign(dataset=files["dataset"].replace(names)))
    facts = describe(arguments) | {
        "warnings": list(dict.fromkeys([*(plan.warnings if plan else warnings(folder)), *notes])),
        "evaluated": _evaluated(folder, named),
    }
    write_provenance(folder, facts)
    return merged, named


def write_provenance(folder: Path, facts: dict[str, Any]) -> None:
    """Write the facts of a folder's runs."""
    write_atomically(folder / PROVENANCE, (json.dumps(facts, indent=1, ensure_ascii=False) + "\n").encode())


def _evaluated(folder: Path, new: pd.DataFrame) -> list[dict[str, str]]:
    """When each method was evaluated last, per dataset and protocol."""
    now = datetime.now(UTC).isoformat(timespec="seconds")
    times = {tuple(entry[c] for c in EVALUATED): entry["time"] for entry in provenance(folder).get("evaluated", [])}
    times |= dict.fromkeys(records.distinct(new, EVALUATED).itertuples(index=False, name=None), now)
    return [dict(zip(EVALUATED, key, strict=True)) | {"time": time} for key, time in sorted(times.items())]


def merge_warnings(folder: Path, new: pd.DataFrame, identical_clips: bool = True) -> list[str]:
    """What to know before new records join a folder's: other content of one name, clips left over, identical clips."""
    earlier = _earlier(folder)
    named = references.named_apart(earlier, new)
    merged = merging.merge(earlier, named)
    merged = records.where(merged, merged["dataset"].isin(named["dataset"].unique()))
    return [
        *references.renamed(new, named),
        *_stale_clip_warnings(folder, earlier, named),
        *references.warnings(merged),
        *(identical.of_records(merged) if identical_clips else []),
    ]


def _stale_clip_warnings(folder: Path, earlier: pd.DataFrame | None, new: pd.DataFrame) -> list[str]:
    """A warning per method with clips that lie in the folder's records but were not evaluated again."""
    stale = merging.not_evaluated_again(earlier, new)
    return [
        f"{method}: {group['clip'].nunique()} clips evaluated earlier, but not now, stay in {folder} and its tables "
        f"where extractor and version are the same (for example {group['clip'].iloc[0]}); numbers of a whole set, such "
        "as FID, are of the clips evaluated now. To remove them: gmbench records drop"
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
    several: bool = False,
) -> pd.DataFrame:
    """Records of one dataset, one protocol (name or hash) and some metrics (in any spelling, or groups).

    Args:
        several: protocols may be several, since the caller keeps them apart.

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
    elif not several and table["protocol_hash"].nunique() > 1:
        kinds = sorted(set(zip(table["protocol"], table["protocol_hash"], strict=True)))
        names = ", ".join(f"{name} ({sha})" for name, sha in kinds)
        raise MixedColumnError(f"records of several protocols ({names}); choose one with --protocol")
    if metrics:
        table = table[table["metric"].isin(present_keys(metrics, list(table["metric"].unique())))]
    return table


def of_methods(table: pd.DataFrame, methods: Sequence[str] | None = None, no_controls: bool = False) -> pd.DataFrame:
    """Records of some methods, in any spelling; all by default.

    Raises:
        InputError: no records of a method, or none are left.
    """
    if methods:
        known = {str(name).casefold(): str(name) for name in sorted(table["method"].unique())}
        for name in methods:
            if name.casefold() not in known:
                raise InputError(f"no records of method {name!r}; {closest(name, known.values())}")
        table = table[table["method"].isin([known[name.casefold()] for name in methods])]
    if no_controls:
        table = table[~table["method"].isin(list(CONTROLS))]
    if table.empty:
        raise InputError("only control rows are left; drop --no-controls, or evaluate a method")
    return table
