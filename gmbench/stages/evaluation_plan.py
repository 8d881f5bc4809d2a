"""What the pipeline compares with what: its methods and controls against the crops."""

import json
from collections.abc import Sequence

from gmbench.clips import Clip, Pair
from gmbench.config import DatasetSection, EvaluationSection
from gmbench.datasets import manifest
from gmbench.datasets.manifest import ClipRow
from gmbench.errors import InputError
from gmbench.evaluation import protocol
from gmbench.evaluation.planning import plan
from gmbench.evaluation.scoring import registry
from gmbench.names import closest
from gmbench.stages.pipeline_run import PipelineRun


def make_plan(
    run: PipelineRun,
    section: DatasetSection,
    methods: Sequence[str] | None = None,
    settings: EvaluationSection | None = None,
) -> plan.Plan:
    """What is compared with what: the run's methods and controls, or others, against the crops."""
    settings = settings or run.params.evaluation
    chosen = protocol.load(
        section.protocol,
        landmarks=section.landmarks,
        extractors=section.extractors,
    )
    references: list[Pair] = []
    sides: dict[str, list[Pair]] = {name: [] for name in (run.params.methods if methods is None else methods)}
    for row in scored_rows(run):
        name = row.video_path.removesuffix(".mp4")
        reference = Clip(name, run.paths.crops / row.video_path, None, None, row.speaker, row.emotion)
        references.append(Pair(name, None, reference, (), row.speaker, row.emotion))
        for method, pairs in sides.items():
            path = run.paths.videos(method) / row.video_path
            generated = Clip(name, path, None, None, row.speaker, row.emotion) if path.exists() else None
            pairs.append(Pair(name, generated, reference, (), row.speaker, row.emotion))
    metrics = registry.select(list(settings.metrics), True)
    return plan.make_plan(
        sides,
        run.paths.dataset,
        chosen,
        metrics,
        list(settings.controls),
        tuple(references),
        explicit=bool(settings.metrics),
    )


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
