"""Stage ``score``: from stored features to records and tables."""

import json
from typing import Any

import numpy as np

from gmbench.config import DatasetSection
from gmbench.evaluation.comparison import require_coverage
from gmbench.evaluation.extraction.outcome import Outcome
from gmbench.evaluation.results import result_folder
from gmbench.evaluation.run import report_errors
from gmbench.evaluation.run import score as score_features
from gmbench.executor import one_thread
from gmbench.reporting.saved_results import save_results
from gmbench.stages.evaluation_plan import make_plan
from gmbench.stages.pipeline_run import PipelineRun, write_json


def score(run: PipelineRun, section: DatasetSection) -> None:
    """Score from the store: records, tables, and one small JSON per method for ``dvc metrics``.

    Raises:
        StoreError: the store lacks what the extract stage left. CoverageError: a number covers too few clips.
    """
    planned = make_plan(run, section)
    settings = run.params.evaluation
    outcome = Outcome(run.paths.dataset, json.loads(run.paths.extracted.read_text("utf-8"))["failures"])
    with one_thread():
        records = score_features(planned, run.store, outcome, settings.max_missing)
    report_errors(outcome, run.paths.scores / result_folder.ERRORS)
    asked: dict[str, object] = {
        "dataset": run.paths.dataset,
        "profile": run.params.profile,
        "protocol": planned.protocol.model_dump(),
    }
    by_method: dict[str, dict[str, Any]] = {}
    summary = save_results(run.paths.scores, records, asked, planned)
    for row in summary:
        by_method.setdefault(row.method, {})[row.metric] = {
            "mean": float(f"{row.value:.6g}") if np.isfinite(row.value) else None,
            "coverage": round(row.n / max(row.expected, 1), 4),
        }
    for method, values in by_method.items():
        write_json(run.paths.metrics / f"{method}.json", values)
    require_coverage(summary, settings.min_coverage)
