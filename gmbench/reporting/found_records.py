"""Which records a command reads where none are named: those of evaluations here, and those of a pipeline here.

The pipeline's go before: a number that both have is the pipeline's, and what ``gmbench eval`` added joins it. Numbers
of other videos than the pipeline's are left out of its methods. What comes from where is said.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import pandas as pd

from gmbench.errors import InputError
from gmbench.evaluation.planning.controls import CONTROLS
from gmbench.evaluation.results.merging import NamedRecords, joined, read_named
from gmbench.evaluation.results.records import FILE, distinct, plain

LOOSE = Path("gmbench-results")
"""Where ``gmbench eval`` keeps its results by default."""


@dataclass(frozen=True)
class FoundRecords:
    """Records and the files and folders that they are from, of which later ones go before.

    Attributes:
        records: all of them, each number once.
        parts: by file or folder.
        notes: sentences on what is from where, none where records were named.
        pipeline: datasets that a pipeline scored here, none where records were named.
    """

    records: pd.DataFrame
    parts: tuple[NamedRecords, ...]
    notes: tuple[str, ...] = ()
    pipeline: tuple[str, ...] = ()


def find(given: Sequence[Path] | None = None) -> FoundRecords:
    """Records of the folders and files that are named, else all of here.

    Raises:
        InputError: there are none.
    """
    loose, scored = ([], []) if given else (_loose(), pipeline_records())
    parts = read_named([*(given or ()), *loose, *scored])
    main = joined(parts[len(loose) :]) if scored else None
    notes: list[str] = []
    if loose and main is not None:
        parts[0], notes = _beside(parts[0], main)
    table = joined(parts)
    if table is None:
        raise InputError(f"no records here; run 'gmbench eval --out {LOOSE}' or 'dvc repro', or pass --records")
    pipeline = () if main is None else tuple(sorted(main["dataset"].astype(str).unique()))
    return FoundRecords(table, tuple(parts), tuple(notes), pipeline)


def pipeline_records() -> list[Path]:
    """What the pipeline of this folder ablated and scored; the scores last."""
    return [*sorted(Path("ablations").glob("records-*.parquet")), *sorted(Path("results").glob(f"*/scores/{FILE}"))]


def check_loose(folder: Path) -> None:
    """Refuse the folder of a pipeline's own records; raises InputError."""
    if any(path.parent.resolve() == folder.resolve() for path in pipeline_records()):
        raise InputError(
            f"{folder}: the pipeline's own records, which 'dvc repro' writes; evaluate into {LOOSE} (the default): "
            "tables and pages join both. What the pipeline scores stands in params.yaml"
        )


def _loose() -> list[Path]:
    return [LOOSE] if (LOOSE / FILE).is_file() else []


def _beside(part: NamedRecords, main: pd.DataFrame) -> tuple[NamedRecords, list[str]]:
    """What an evaluation adds to a pipeline's records, and what is from where."""
    added = part.records
    other = _of_other_videos(main, added)
    kept = added[~_rows(added).isin(other)]
    there, new = set(_rows(main)), set(_rows(kept))
    lists = {
        f"from {LOOSE}": new - there,
        f"in {LOOSE} too, but the pipeline's numbers go before": new & there,
        f"left out of {LOOSE}, since their videos are not the pipeline's (--records {LOOSE} shows them)": other,
    }
    named = {what: sorted({method for _, method in rows} - set(CONTROLS)) for what, rows in lists.items()}
    return replace(part, records=kept), [f"{what}: {', '.join(methods)}" for what, methods in named.items() if methods]


def _rows(records: pd.DataFrame) -> pd.Series:
    """(dataset, method) of each record."""
    return pd.Series(list(zip(records["dataset"], records["method"], strict=True)), records.index, dtype=object)


def _of_other_videos(main: pd.DataFrame, added: pd.DataFrame) -> set[tuple[str, str]]:
    """(dataset, method) of which both have records of one clip, but of different files."""
    columns = ["dataset", "method", "clip", "generated_sha256"]
    both = [plain(distinct(t[t["generated_sha256"] != ""], columns)) for t in (main, added)]
    common = both[0].merge(both[1], on=columns[:3])
    differing = common[common["generated_sha256_x"] != common["generated_sha256_y"]]
    return set(zip(differing["dataset"], differing["method"], strict=True))
