"""Stage ``generate``: a method's videos of the clips that are scored."""

from gmbench.config import DatasetSection
from gmbench.methods import dropin, render
from gmbench.stages.dropin_videos import copy_dropin
from gmbench.stages.evaluation_plan import scored_rows
from gmbench.stages.pipeline_run import PipelineRun, write_json
from gmbench.stages.render_videos import generate_renders
from gmbench.stages.system_videos import generate_with_system


def generate(run: PipelineRun, section: DatasetSection, method: str) -> None:
    """Write a method's videos of the clips that are scored, and which of them failed.

    A clip that fails leaves no video, not even one of an earlier run.
    """
    rows = scored_rows(run)
    outside = dropin.find()
    if method in outside:
        failures = copy_dropin(run, method, outside[method], rows)
    elif method in render.NAMES:
        failures = generate_renders(run, section, method, rows)
    else:
        failures = generate_with_system(run, method, rows)
    for row in rows:
        if row.clip_id in failures:
            (run.paths.videos(method) / row.video_path).unlink(missing_ok=True)
    facts = {"clips": len(rows) - len(failures), "failed": failures}
    write_json(run.paths.videos(method) / "generate.json", facts)
