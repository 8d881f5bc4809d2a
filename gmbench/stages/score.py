"""Stage ``score``: from stored features to records and tables."""

import json
from collections.abc import Sequence

import numpy as np

from gmbench.config import DatasetSection
from gmbench.devices import CPU
from gmbench.evaluation.comparison import require_coverage, require_numbers
from gmbench.evaluation.extraction.outcome import Outcome, report_errors
from gmbench.evaluation.planning.controls import CONTROLS
from gmbench.evaluation.results import result_folder
from gmbench.evaluation.results.aggregate import SummaryRow
from gmbench.evaluation.run import score as score_features
from gmbench.executor import one_thread
from gmbench.reporting.chosen_metrics import chosen
from gmbench.reporting.saved_results import save_results
from gmbench.stages.evaluation_plan import make_plan
from gmbench.stages.pipeline_run import PipelineRun, write_json


def score(run: PipelineRun, section: DatasetSection) -> None:
    """Score from the store: records, tables, and one small JSON per method for ``dvc metrics``.

    Raises:
        StoreError: the store lacks what the extract stage left. CoverageError: a number covers too few clips.
    """
    extracted = json.loads(run.paths.extracted.read_text("utf-8"))
    planned = make_plan(run, section, device=extracted.get("device", CPU))
    settings = run.params.evaluation
    outcome = Outcome(run.paths.dataset, extracted["failures"])
    with one_thread():
        records = score_features(planned, run.store, outcome, settings.max_missing)
    report_errors(outcome, run.paths.scores / result_folder.ERRORS)
    asked: dict[str, object] = {
        "dataset": run.paths.dataset,
        "profile": run.params.profile,
        "split": settings.split,
        "protocol": planned.protocol.model_dump(),
    }
    summaries = save_results(run.paths.scores, records, asked, planned, section.reference == "own")
    rows = [row for summary in summaries for row in summary.rows]
    _write_means(run, rows)
    require_numbers(records)
    require_coverage(rows, settings.min_coverage)


def _write_means(run: PipelineRun, summary: Sequence[SummaryRow]) -> None:
    """One JSON per method with all means beside the records, and those that ``dvc metrics show`` prints.

    These are the few metrics that stand for all, a file for each with the methods in it: no file mixes two judges, and
    the table fits a screen. Controls, which no experiment moves, stand beside the records alone.
    """
    by_method: dict[str, list[SummaryRow]] = {}
    for row in summary:
        by_method.setdefault(row.method, []).append(row)
    means = {method: {row.metric: _finite(row.value) for row in rows} for method, rows in by_method.items()}
    for method, rows in by_method.items():
        every = {
            row.metric: {"mean": means[method][row.metric], "coverage": round(row.n / max(row.expected, 1), 4)}
            for row in rows
        }
        write_json(run.paths.means / f"{method}.json", every)
    for key in chosen(dict.fromkeys(row.metric for row in summary)):
        shown = {method: own[key] for method, own in means.items() if key in own and method not in CONTROLS}
        write_json(run.paths.metrics / f"{key.replace(':', '-')}.json", shown)


def _finite(value: float) -> float | None:
    return float(f"{value:.6g}") if np.isfinite(value) else None
