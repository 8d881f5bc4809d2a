"""From inputs to records in one call, for commands, benchmarks and tests.

The pipeline's stages plan by :func:`plan_comparison`, and extract and score apart; see :mod:`gmbench.evaluation.run`.
"""

import functools
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import pandas as pd

from gmbench.errors import CoverageError
from gmbench.evaluation.interpolation import score_sequences
from gmbench.evaluation.planning.controls import check
from gmbench.evaluation.planning.inputs import Inputs
from gmbench.evaluation.planning.plan import Plan, make_plan
from gmbench.evaluation.protocol import Protocol
from gmbench.evaluation.results import aggregate, identical
from gmbench.evaluation.results.reasons import nothing_computed
from gmbench.evaluation.results.records import concatenate
from gmbench.evaluation.run import Progress, evaluate
from gmbench.evaluation.scoring import registry
from gmbench.evaluation.scoring.metric import Metric
from gmbench.evaluation.scoring.naming import has_group
from gmbench.store import default_root


@dataclass(frozen=True)
class ComparisonResult:
    """What a comparison measured.

    Attributes:
        protocol: how clips were compared; the number of frames for FID may have been set by the plan.
        records: one row per (method, clip, metric).
        plan: which clips were compared with what; None where only sequences between emotions were scored.
    """

    protocol: Protocol
    records: pd.DataFrame
    plan: Plan | None = None

    @functools.cached_property
    def rows(self) -> list[aggregate.SummaryRow]:
        """One number per (method, dataset, metric) with its interval."""
        return aggregate.rows(self.records)


def plan_comparison(
    inputs: Inputs, protocol: Protocol, metrics: Sequence[str] = (), controls: Sequence[str] = ()
) -> Plan:
    """Which clips are compared with what, and the work that this takes.

    Args:
        inputs: pairs of clips per method, and the references.
        protocol: how clips are compared.
        metrics: names in any spelling, or groups; by default those of the protocol, else every default metric that the
            inputs allow.
        controls: control rows made from the references, or ``["all"]``.

    Raises:
        InputError: nothing to compare, an unknown name, or a metric that needs what the inputs lack.
        WeightsError: a file that a named metric needs is missing.
    """
    names = list(metrics) or list(protocol.metrics)
    selected = registry.select(names, has_reference=bool(inputs.references))
    rows = check(list(controls))
    explicit = bool(names) and not has_group(names)
    plan = make_plan(inputs.methods, inputs.dataset, protocol, selected, rows, inputs.references, explicit)
    lost = _without_reference(names, selected)
    return replace(plan, warnings=(*inputs.warnings, *lost, *plan.warnings, *identical.of_plan(plan)))


def _without_reference(names: Sequence[str], selected: Sequence[Metric]) -> list[str]:
    """A note about metrics that would have been selected had there been a reference."""
    known = {metric.name for metric in selected}
    lost = [metric.name for metric in registry.select(names, has_reference=True) if metric.name not in known]
    return [f"left out for want of a reference (--reference DIR): {', '.join(lost)}"] if lost else []


def compare(
    inputs: Inputs,
    protocol: Protocol,
    metrics: Sequence[str] = (),
    controls: Sequence[str] = (),
    sequences: Mapping[str, Path] | None = None,
    *,
    store: Path | None = None,
    workers: int = 1,
    scheduler: str | None = None,
    batch: int = 16,
    progress: Progress | None = None,
    error_log: Path | None = None,
    on_plan: Callable[[Plan], None] | None = None,
) -> ComparisonResult:
    """Compare every method's clips with the references.

    Args:
        inputs, protocol, metrics, controls: see :func:`plan_comparison`.
        sequences: folders of sequences between two emotions per method, for E-PPL and E-PDV; without any clips in
            ``inputs`` they are scored alone.
        store: folder of the features; ``GMBENCH_STORE`` or the cache by default.
        workers: processes on this machine.
        scheduler: address of a dask scheduler instead.
        batch: frames read at a time.
        progress: called with the groups of clips done and all clips.
        error_log: file for the tracebacks of unexpected errors; without it the first of them is logged.
        on_plan: called with the plan before the work starts, for example to show its warnings.

    Raises:
        InputError, WeightsError: as :func:`plan_comparison`. StoreError: features cannot be kept.
    """
    plan = None
    tables = []
    if inputs.methods or inputs.references or not sequences:
        plan = plan_comparison(inputs, protocol, metrics, controls)
        protocol = plan.protocol
        if on_plan is not None:
            on_plan(plan)
        tables.append(evaluate(plan, store or default_root(), workers, scheduler, batch, progress, error_log))
    if sequences:
        tables.append(score_sequences(dict(sequences), inputs.dataset, protocol))
    return ComparisonResult(protocol, concatenate(tables), plan)


def require_numbers(records: pd.DataFrame) -> None:
    """Refuse an evaluation without any number of a method; raises CoverageError."""
    if nothing_computed(records):
        raise CoverageError("nothing could be computed: no method has a number under any metric; the records say why")


def require_coverage(rows: Sequence[aggregate.SummaryRow], least: float) -> None:
    """Refuse numbers that cover too few of the clips.

    Args:
        least: share of the clips that should have a value which must have one.

    Raises:
        CoverageError: names how many numbers cover less, and the worst.
    """
    low = [row for row in rows if row.n < least * row.expected]
    if low:
        worst = min(low, key=lambda row: row.n / max(row.expected, 1))
        raise CoverageError(
            f"{len(low)} numbers below the least coverage of {least:g}, for example {worst.metric} of {worst.method}: "
            f"{worst.n} of {worst.expected} clips; the records say why, --min-coverage (in params.yaml: "
            "evaluation.min_coverage) is the limit"
        )
