"""Stage ``generate``: a method's videos of the clips that are scored."""

from gmbench.config import DatasetSection
from gmbench.datasets.manifest import ClipRow
from gmbench.errors import InputError
from gmbench.methods import dropin, registry, render
from gmbench.methods.interface import NotSupported
from gmbench.stages.dropin_videos import copy_dropin
from gmbench.stages.pipeline_run import PipelineRun, write_json
from gmbench.stages.render_videos import generate_renders
from gmbench.stages.scored_clips import GENERATED, scored_rows
from gmbench.stages.system_videos import generate_with_system


def generate(run: PipelineRun, section: DatasetSection, method: str) -> None:
    """Write a method's videos of the clips that are scored, and which of them failed with their reasons.

    A clip that fails leaves no video, not even one of an earlier run.

    Raises:
        InputError: an unknown method, one that is not trained, or a drop-in folder with the name of a trained method.
    """
    rows = scored_rows(run)
    failures, rate = _generate(run, section, method, rows)
    for row in rows:
        if row.clip_id in failures:
            (run.paths.videos(method) / row.video_path).unlink(missing_ok=True)
    facts = {"clips": len(rows) - len(failures), "failed": failures} | ({"frames_per_second": rate} if rate else {})
    write_json(run.paths.videos(method) / GENERATED, facts)


def _generate(
    run: PipelineRun, section: DatasetSection, method: str, rows: list[ClipRow]
) -> tuple[dict[str, str], float | None]:
    """Reasons of clips that failed, and frames a second where a system generates."""
    folders = dropin.find()
    if method in folders:
        if method in registry.factories():
            raise InputError(
                f"{folders[method]}: {method} is trained here too; rename the folder, for example {method}_official"
            )
        return copy_dropin(run, method, folders[method], rows), None
    if method in render.NAMES:
        return generate_renders(run, section, method, rows), None
    try:
        return generate_with_system(run, method, rows)
    except NotSupported as error:
        return dict.fromkeys([row.clip_id for row in rows], str(error)), None
