"""Stage ``ingest``: from raw data to a manifest of usable clips."""

from dataclasses import asdict, replace
from pathlib import Path

from gmbench.config import DatasetSection
from gmbench.datasets import check, manifest
from gmbench.datasets.manifest import ClipRow
from gmbench.datasets.selection import Selection
from gmbench.errors import InputError
from gmbench.stages.pipeline_run import PipelineRun, write_json
from gmbench.store import digest, file_digest


def ingest(run: PipelineRun, section: DatasetSection) -> None:
    """Check the raw data; write the manifest of what is usable, which is also the list of a selection, and a report."""
    selection = Selection(**section.selection.model_dump()) if section.selection else None
    root = Path(section.root)
    raw_data = check.check(section.kind, root, run.workers, run.report, run.scheduler, selection=selection)
    if not raw_data.rows:
        reasons = "; ".join(f"{p.path}: {p.reason}" for p in raw_data.problems[:3])
        raise InputError(f"{section.root}: no usable clip ({len(raw_data.problems)} problems: {reasons})")
    rows = [replace(row, dataset=run.paths.dataset) for row in raw_data.rows]
    manifest.write(rows, run.paths.manifest)
    write_json(run.paths.work / "ingest.json", {
        "clips": len(rows),
        "listed": raw_data.listed,
        "raw": digest([(row.clip_id, _bytes(root, row)) for row in rows], _truth(root)),  # what later stages depend on
        "speakers": len({row.speaker for row in rows}),
        "splits": {name: sum(row.split == name for row in rows) for name in sorted({row.split for row in rows})},
        "problems": raw_data.counts(),
        "files": [asdict(problem) for problem in raw_data.problems],
    })  # fmt: skip


def _bytes(root: Path, row: ClipRow) -> int:
    """Size of a clip's files; of frames in a folder, their number."""
    paths = [root / path for path in (row.video_path, row.audio_path) if path]
    return sum(len(list(path.iterdir())) if path.is_dir() else path.stat().st_size for path in paths)


def _truth(root: Path) -> list[str]:
    """Digests of what the synthetic corpus knows of its clips; nothing of other datasets."""
    return [file_digest(path) for path in sorted((root / "truth").rglob("*")) if path.is_file()]
