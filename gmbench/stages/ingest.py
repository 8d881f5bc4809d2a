"""Stage ``ingest``: from raw data to a manifest of usable clips."""

from dataclasses import asdict, replace
from pathlib import Path

from gmbench.config import DatasetSection
from gmbench.datasets import check, manifest
from gmbench.errors import InputError
from gmbench.stages.pipeline_run import PipelineRun, write_json


def ingest(run: PipelineRun, section: DatasetSection) -> None:
    """Check the raw data; write the manifest of what is usable and a report of the rest."""
    raw_data = check.check(section.kind, Path(section.root), run.workers, run.report, run.scheduler)
    if not raw_data.rows:
        reasons = "; ".join(f"{p.path}: {p.reason}" for p in raw_data.problems[:3])
        raise InputError(f"{section.root}: no usable clip ({len(raw_data.problems)} problems: {reasons})")
    rows = [replace(row, dataset=run.paths.dataset) for row in raw_data.rows]
    manifest.write(rows, run.paths.manifest)
    write_json(run.paths.work / "ingest.json", {
        "clips": len(rows),
        "speakers": len({row.speaker for row in rows}),
        "splits": {name: sum(row.split == name for row in rows) for name in sorted({row.split for row in rows})},
        "problems": raw_data.counts(),
        "files": [asdict(problem) for problem in raw_data.problems],
    })  # fmt: skip
