"""Stage ``extract``: features of all clips into the store."""

import sys

from gmbench.config import DatasetSection
from gmbench.evaluation.run import extract as extract_features
from gmbench.stages.evaluation_plan import make_plan
from gmbench.stages.pipeline_run import PipelineRun, write_json


def extract(run: PipelineRun, section: DatasetSection) -> None:
    """Decode every clip once and keep what the metrics need in the store; write what failed."""
    planned = make_plan(run, section)
    sys.stderr.writelines(f"warning: {note}\n" for note in planned.warnings)
    failures = extract_features(planned, run.store.root, run.workers, run.scheduler, progress=run.report)
    groups = [clip.clip for clip in planned.clips]
    write_json(run.paths.extracted, {"clips": len(set(groups)), "sides": len(groups), "failures": failures})
