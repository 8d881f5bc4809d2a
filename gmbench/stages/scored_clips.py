"""Which clips are generated and scored."""

import json

from gmbench.datasets import manifest
from gmbench.datasets.manifest import ClipRow
from gmbench.errors import InputError
from gmbench.names import closest
from gmbench.stages.pipeline_run import PipelineRun

GENERATED = "generate.json"
"""Beside a method's videos: how many there are, why others are missing, and how fast they were generated."""


def all_rows(run: PipelineRun) -> list[ClipRow]:
    """All cropped clips that were fitted."""
    fitted = {row["clip"] for row in json.loads((run.paths.work / "fit.json").read_text("utf-8"))["per_clip"]}
    return [row for row in manifest.read(run.paths.cropped) if row.clip_id in fitted]


def scored_rows(run: PipelineRun) -> list[ClipRow]:
    """Clips of the split that is scored; raises InputError where it is empty."""
    rows = manifest.read(run.paths.cropped)
    split = run.params.evaluation.split
    chosen = [row for row in rows if split in ("all", row.split)]
    if not chosen:
        known = sorted({row.split for row in rows})
        raise InputError(f"{run.paths.dataset}: no clips in split {split!r}; {closest(split, known)}")
    return chosen
