"""What the pipeline compares with what: its methods and controls against the crops."""

import json
from collections.abc import Sequence

from gmbench.clips import Clip, Pair
from gmbench.config import DatasetSection, EvaluationSection
from gmbench.datasets import manifest
from gmbench.datasets.manifest import ClipRow
from gmbench.errors import InputError
from gmbench.evaluation import protocol
from gmbench.evaluation.comparison import plan_comparison
from gmbench.evaluation.planning.inputs import Inputs
from gmbench.evaluation.planning.plan import Plan
from gmbench.names import closest
from gmbench.stages.pipeline_run import PipelineRun

GENERATED = "generate.json"
"""Beside a method's videos: how many there are, and why others are missing."""


def make_plan(
    run: PipelineRun,
    section: DatasetSection,
    methods: Sequence[str] | None = None,
    settings: EvaluationSection | None = None,
) -> Plan:
    """What is compared with what: the run's methods and controls, or others, against the crops."""
    settings = settings or run.params.evaluation
    inputs = evaluation_inputs(run, run.params.methods if methods is None else methods)
    return plan_comparison(inputs, evaluation_protocol(section), settings.metrics, settings.controls)


def evaluation_protocol(section: DatasetSection) -> protocol.Protocol:
    """How clips of a dataset are compared."""
    return protocol.load(section.protocol, landmarks=section.landmarks, extractors=section.extractors)


def evaluation_inputs(run: PipelineRun, methods: Sequence[str]) -> Inputs:
    """The methods' videos and the crops of the split that is scored; a video that is missing is a missing clip."""
    references: list[Pair] = []
    pairs_by_method: dict[str, list[Pair]] = {name: [] for name in methods}
    reasons = {name: _failures(run, name) for name in methods}
    for row in scored_rows(run):
        name = row.video_path.removesuffix(".mp4")
        reference = Clip(name, run.paths.crops / row.video_path, None, None, row.speaker, row.emotion)
        references.append(Pair(name, None, reference, (), row.speaker, row.emotion))
        for method, pairs in pairs_by_method.items():
            path = run.paths.videos(method) / row.video_path
            generated = Clip(name, path, None, None, row.speaker, row.emotion) if path.exists() else None
            reason = "" if generated else reasons[method].get(row.clip_id, "")
            pairs.append(Pair(name, generated, reference, (), row.speaker, row.emotion, reason))
    return Inputs(pairs_by_method, tuple(references), run.paths.dataset)


def _failures(run: PipelineRun, method: str) -> dict[str, str]:
    """Why a method has no video of a clip, as the stage generate wrote it."""
    path = run.paths.videos(method) / GENERATED
    return dict(json.loads(path.read_text("utf-8"))["failed"]) if path.exists() else {}


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
