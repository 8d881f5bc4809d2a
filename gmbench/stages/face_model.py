"""Stage ``face_model``: the face model that all later stages read."""

from pathlib import Path

from gmbench.morphable.convert import from_raw, read_raw
from gmbench.morphable.synthetic.make import synthesise
from gmbench.stages.paths import FACE_MODEL
from gmbench.stages.pipeline_run import PipelineRun


def face_model(run: PipelineRun) -> None:
    """Write the face model that all later stages read."""
    section = run.params.face_model
    FACE_MODEL.parent.mkdir(parents=True, exist_ok=True)
    if section.source == "synthetic":
        model = from_raw(synthesise(section.seed), "synthetic face model", "synthetic")
    else:
        model = from_raw(read_raw(Path(section.source)), section.source)
    model.save(FACE_MODEL)
