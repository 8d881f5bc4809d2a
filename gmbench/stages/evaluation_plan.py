"""What the pipeline compares with what: its methods and controls against the crops."""

import json
from collections.abc import Sequence
from dataclasses import replace

from gmbench.clips import Clip, Pair
from gmbench.config import DatasetSection, EvaluationSection
from gmbench.datasets import manifest
from gmbench.evaluation import protocol
from gmbench.evaluation.comparison import plan_comparison
from gmbench.evaluation.planning.inputs import Inputs
from gmbench.evaluation.planning.plan import Plan
from gmbench.stages.pipeline_run import PipelineRun
from gmbench.stages.scored_clips import GENERATED, scored_rows


def make_plan(
    run: PipelineRun,
    section: DatasetSection,
    methods: Sequence[str] | None = None,
    settings: EvaluationSection | None = None,
    device: str | None = None,
) -> Plan:
    """What is compared with what: the run's methods and controls, or others, against the crops.

    Args:
        device: of the networks; the run's by default.
    """
    settings = settings or run.params.evaluation
    inputs = evaluation_inputs(run, run.params.methods if methods is None else methods)
    split = run.params.evaluation.split
    if split != manifest.TEST:
        note = f"{run.paths.dataset}: numbers of the clips of split {split}, not of the test clips"
        inputs = replace(inputs, warnings=(*inputs.warnings, note))
    chosen = evaluation_protocol(section, device or run.device)
    return plan_comparison(inputs, chosen, settings.metrics, settings.controls)


def evaluation_protocol(section: DatasetSection, device: str | None = None) -> protocol.Protocol:
    """How clips of a dataset are compared; CREMA-D is judged by the emotion network that was trained on it."""
    network = "crema_d" if section.kind == "crema_d" and section.extractors == "official" else None
    return protocol.load(
        section.protocol, landmarks=section.landmarks, extractors=section.extractors, emotion_network=network,
        device=device,
    )  # fmt: skip


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
