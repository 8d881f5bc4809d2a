"""Stage ``extract``: features of all clips into the store."""

import sys
from typing import Any

from gmbench.config import DatasetSection
from gmbench.devices import CPU
from gmbench.evaluation.extraction.outcome import report_errors
from gmbench.evaluation.run import extract as extract_features
from gmbench.stages.evaluation_plan import make_plan
from gmbench.stages.pipeline_run import PipelineRun, write_json
from gmbench.store import digest


def extract(run: PipelineRun, section: DatasetSection) -> None:
    """Decode every clip and keep what the metrics need in the store; write what failed.

    The report names all features by one digest of their keys, so that scoring, which reads them from the store, runs
    again whenever a video, a network's weights or a version is another.
    """
    planned = make_plan(run, section)
    sys.stderr.writelines(f"warning: {note}\n" for note in planned.warnings)
    outcome = extract_features(planned, run.store.root, run.workers, run.scheduler, progress=run.report)
    report_errors(outcome, run.paths.errors)
    clips = [clip.clip for clip in planned.clips]
    keys = {key for group in planned.groups(run.store.root, batch=1) for key in group.feature_keys()}
    facts: dict[str, Any] = {
        "clips": len(set(clips)),
        "sides": len(clips),
        "failures": outcome.failures,
        "features": digest(sorted(keys)),
    }
    if planned.protocol.device != CPU:
        facts["device"] = planned.protocol.device
    write_json(run.paths.extracted, facts)
