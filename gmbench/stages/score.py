"""Stage ``score``: from stored features to records and tables."""

import json
from collections.abc import Sequence

import numpy as np

from gmbench.config import DatasetSection
from gmbench.devices import CPU
from gmbench.evaluation.comparison import require_coverage, require_numbers
from gmbench.evaluation.extraction.outcome import Outcome, report_errors
from gmbench.evaluation.results import result_folder
from gmbench.evaluation.results.aggregate import SummaryRow
from gmbench.evaluation.run import score as score_features
from gmbench.executor import one_thread
from gmbench.metrics.key import MetricKey
from gmbench.reporting.saved_results import save_results
from gmbench.stages.evaluation_plan import make_plan
from gmbench.stages.pipeline_run import PipelineRun, write_json

HEADLINES = ("psnr", "ssim", "m_lmd", "pcm", "sync_c", "f_sim", "acc_emo", "fid")
"""Metrics that ``dvc metrics show`` prints; with all of them its table is as wide as three screens."""


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
    """One JSON per method with all means beside the records, and one with those that ``dvc metrics show`` prints."""
    by_method: dict[str, list[SummaryRow]] = {}
    for row in summary:
        by_method.setdefault(row.method, []).append(row)
    for method, rows in by_method.items():
        means = {row.metric: float(f"{row.value:.6g}") if np.isfinite(row.value) else None for row in rows}
        coverage = {row.metric: round(row.n / max(row.expected, 1), 4) for row in rows}
        every = {key: {"mean": means[key], "coverage": coverage[key]} for key in means}
        write_json(run.paths.means / f"{method}.json", every)
        shown = {key: mean for key, mean in means.items() if MetricKey.parse(key).name in HEADLINES}
        write_json(run.paths.metrics / f"{method}.json", shown)
