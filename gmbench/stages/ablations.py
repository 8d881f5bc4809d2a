"""A method's ablations over seeds: train, generate, score, and say which of its card's expected orderings hold here.

What the data and the files here do not allow is found out before the first training. Everything goes through the
store, so a run that was stopped goes on, and systems share the networks that an ablation does not change.
"""

from collections.abc import Sequence
from dataclasses import asdict, replace
from pathlib import Path

import pandas as pd

from gmbench.config import EvaluationSection
from gmbench.evaluation.interpolation import SCORED
from gmbench.evaluation.results import records
from gmbench.evaluation.run import evaluate as score
from gmbench.methods import registry
from gmbench.methods.card import BETWEEN, EMBEDDINGS, TALKING, TRACKS, Interpolation
from gmbench.methods.registry import System
from gmbench.reporting import table_formats, tables
from gmbench.stages import generated_expressions, generated_motion
from gmbench.stages.ablation_plan import AblationPlan, Group, Say, plan_ablations
from gmbench.stages.clip_embeddings import measure_clusters
from gmbench.stages.evaluation_plan import make_plan
from gmbench.stages.generate import generate
from gmbench.stages.paths import DatasetPaths
from gmbench.stages.pipeline_run import PipelineRun, write_json
from gmbench.stages.training_pool import shared_workers, train_systems
from gmbench.stages.transitions import measure_transitions
from gmbench.stages.verdicts import (
    FILE,
    Verdict,
    corrected,
    markdown,
    plain_means,
    read_verdicts,
    verdicts_of,
    way_name,
    without_value,
)
from gmbench.store import write_atomically

OUT = Path("ablations")
CLAIMS = "claims.md"
"""Of all methods whose ablations were run, below :data:`OUT`."""
CONTROLS = ("ground_truth", "still")
"""Rows beside the systems'."""


def ablate(run: PipelineRun, method: str, seeds: int, say: Say, out: Path = OUT) -> list[Verdict]:
    """Run all that a method's expected orderings need; writes records, tables and verdicts below ``out/<method>``.

    ``out/claims.md`` has the verdicts of all methods.

    Raises:
        InputError: the method expects no ordering, or there is nothing to learn from or to score.
        WeightsError: a file that an ordering's metric needs is missing.
    """
    plan = plan_ablations(run, registry.create(method), seeds, say)
    with shared_workers(run) as shared:
        names = plan.systems(method)
        say(f"training {', '.join(names) or 'nothing'}")
        train_systems(shared, shared.params.datasets[shared.paths.dataset], names)
        measured = _measure(shared, method, plan, say, out / method)
    found = _verdicts(run, method, plan, measured, seeds, out / method)
    write_atomically(out / CLAIMS, markdown(read_verdicts(out)).encode())
    return found


def _measure(
    run: PipelineRun, method: str, plan: AblationPlan, say: Say, out: Path
) -> list[tuple[str, str, tuple[str, ...], pd.DataFrame]]:
    """Dataset, drive, shared ablations and records of everything that is measured."""
    found = []
    measures = {TRACKS: _tracks, EMBEDDINGS: _embeddings}
    for group in plan.groups:
        table = measures.get(group.drive, _videos)(run, group, plan.of_group(group, method), say, out)
        found.append((group.dataset, group.drive, group.shared, table))
    if plan.ways:
        say("sequences between emotions")
        table = measure_transitions(run, method, plan, out / BETWEEN)
        records.write(out / f"records-{BETWEEN}.parquet", table)
        write_atomically(out / f"table-{BETWEEN}.md", _sequence_tables(table, plan.ways, plan.ways_seeds).encode())
        found += [(run.paths.dataset, drive, plan.ways_shared, table) for drive in (BETWEEN, TALKING)]
    return found


def _verdicts(
    run: PipelineRun, method: str, plan: AblationPlan,
    measured: Sequence[tuple[str, str, tuple[str, ...], pd.DataFrame]], seeds: int, out: Path,
) -> list[Verdict]:  # fmt: skip
    """Verdicts in the card's order, corrected for their number and written."""
    found: list[Verdict] = []
    for ordering in registry.read_card(method).expected_orderings:
        if ordering in plan.without:
            found += without_value(ordering, plan.without[ordering], method)
            continue
        wanted = (ordering.dataset or run.paths.dataset, ordering.drive, ordering.shared)
        tables = [table for *key, table in measured if tuple(key) == wanted]
        found += verdicts_of(ordering, tables, method, seeds, plan.untrained)
    result = corrected(found)
    write_json(out / FILE, {"seeds": seeds, "verdicts": [asdict(verdict) for verdict in result]})
    write_atomically(out / "verdicts.md", markdown(result).encode())
    return result


def _tracks(run: PipelineRun, group: Group, systems: Sequence[System], say: Say, out: Path) -> pd.DataFrame:
    """Records of the head motion and expressions that a group's systems generate, of those that are asked for."""
    found = []
    if set(group.metrics) & set(generated_motion.MEASURED):
        say(f"generating the motion of {len(systems)} systems")
        found.append(_keep(generated_motion.measure_motion(run, systems), out, group.name))
    if set(group.metrics) & set(generated_expressions.MEASURED):
        say(f"generating the expressions of {len(systems)} systems")
        found.append(_keep_measures(generated_expressions.measure_expressions(run, systems), out, group.name))
    return records.concatenate(found)


def _embeddings(run: PipelineRun, group: Group, systems: Sequence[System], say: Say, out: Path) -> pd.DataFrame:
    """Records of how apart emotions lie in what a group's systems read of clips."""
    say(f"embedding clips by {len(systems)} systems")
    return _keep_measures(measure_clusters(run, systems), out, group.name)


def _videos(run: PipelineRun, group: Group, systems: Sequence[System], say: Say, out: Path) -> pd.DataFrame:
    """Records of the videos that a group's systems generate."""
    here = group.dataset == run.paths.dataset
    run = run if here else replace(run, paths=DatasetPaths(group.dataset))
    section = run.params.datasets[group.dataset]
    names = [system.name for system in systems]
    for number, name in enumerate(names, 1):
        say(f"generating {name} ({number}/{len(names)})")
        generate(run, section, name)
    settings = EvaluationSection(metrics=group.metrics, controls=CONTROLS, split=run.params.evaluation.split)
    planned = make_plan(run, section, names, settings)
    say(f"scoring {len(names)} systems")
    table = score(planned, run.store.root, run.workers, run.scheduler)
    return _keep(table, out, group.name + ("" if here else f"-{group.dataset}"))


def _keep(table: pd.DataFrame, out: Path, name: str) -> pd.DataFrame:
    """Write records and their table."""
    records.write(out / f"records-{name}.parquet", table)
    write_atomically(out / f"table-{name}.md", table_formats.render(tables.build(table), "md").encode())
    return table


def _keep_measures(table: pd.DataFrame, out: Path, name: str) -> pd.DataFrame:
    """Write records of what is no metric of videos, apart from those that join the page's tables, and their means."""
    records.write(out / f"measures-{name}.parquet", table)
    lines = ["| system | measure | mean |", "|---|---|---:|"]
    for metric, part in table.groupby("metric_name", observed=True):
        lines += [
            f"| {system} | {metric} | {table_formats.number(mean)} |" for system, mean in plain_means(part).items()
        ]
    write_atomically(out / f"measures-{name}.md", ("\n".join(lines) + "\n").encode())
    return table


def _sequence_tables(table: pd.DataFrame, ways: Sequence[Interpolation], seeds: int) -> str:
    """Sequences between emotions: ways that are compared, those that lose by construction, and Sync while talking."""
    bounds = {way_name(way.name, seed) for way in ways if way.bound for seed in range(seeds)}
    is_bound, stepwise = table["method"].isin(bounds), table["metric_name"].isin(SCORED)
    parts = {
        "": table[stepwise & ~is_bound],
        "Bounds, which lose by construction and are compared with nothing:": table[is_bound],
        "Sync of the talking sequences beside that of the clips whose sound they have:": table[~stepwise],
    }
    shown = [[title, table_formats.render(tables.build(part), "md")] for title, part in parts.items() if len(part)]
    return "\n\n".join(line for lines in shown for line in lines if line)
