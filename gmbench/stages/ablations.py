"""A method's ablations over seeds: train, generate, score, and say which of its card's expected orderings hold here.

Everything goes through the store, so a run that was stopped goes on, and systems share the networks that an ablation
does not change.
"""

import json
import math
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path

import numpy as np
import pandas as pd
from scipy import stats

from gmbench.config import EvaluationSection
from gmbench.datasets.manifest import ClipRow
from gmbench.errors import InputError
from gmbench.evaluation.interpolation import score_sequences
from gmbench.evaluation.results import aggregate, records
from gmbench.evaluation.run import evaluate as score
from gmbench.evaluation.scoring.registry import metrics
from gmbench.methods import registry
from gmbench.methods.card import ExpectedOrdering, Interpolation, MethodCard
from gmbench.methods.interface import EmotionSpec, Interpolates
from gmbench.methods.registry import System
from gmbench.metrics.key import MetricKey
from gmbench.reporting import table_formats, tables
from gmbench.stages.evaluation_plan import make_plan
from gmbench.stages.generate import generate
from gmbench.stages.paths import DatasetPaths
from gmbench.stages.pipeline_run import PipelineRun, write_json
from gmbench.stages.requests import RequestPlanner, build_request
from gmbench.stages.scored_clips import scored_rows
from gmbench.stages.system_videos import STEPS, write_sequence
from gmbench.stages.train import checkpoint_folder
from gmbench.stages.training_pool import shared_workers, train_systems
from gmbench.store import write_atomically

OUT = Path("ablations")
BETWEEN = "between"
"""Drive of orderings that are measured on sequences between two emotions."""
SOUND_FRAMES = 25
"""Length of the sound under a sequence between two emotions."""
Say = Callable[[str], None]


@dataclass(frozen=True)
class Verdict:
    """What an ordering ``better`` over ``worse`` came to.

    Attributes:
        margin: mean over seeds of the difference in the expected direction; error: its standard error.
        values: means of both, one pair per seed.
        verdict: ``resolved``, ``not resolved`` (no difference at 5 % in a t-test over seeds) or ``reversed``.
    """

    metric: str
    table: str
    better: str
    worse: str
    margin: float
    error: float
    values: tuple[tuple[float, float], ...]
    verdict: str


def ablate(run: PipelineRun, method: str, seeds: int, say: Say, out: Path = OUT) -> list[Verdict]:
    """Run all that a method's expected orderings need; writes records, tables and verdicts below ``out``.

    Raises:
        InputError: the method expects no ordering.
    """
    card = registry.create(method).card
    if not card.expected_orderings:
        raise InputError(f"{method}: its card expects no ordering of ablations (MethodCard.expected_orderings)")
    groups = _groups(run, card, say)
    variants = {name for group in groups for name in group.variants} | {way.ablation for way in _ways(card)}
    with shared_workers(run) as shared:
        _train(shared, method, variants, seeds, say)
        return _generate_and_compare(shared, method, groups, seeds, say, out)


@dataclass(frozen=True)
class _Group:
    """Videos that are generated and scored together: of a dataset, under drives.

    ``variants`` are ablations, or drives where an ordering compares those.
    """

    dataset: str
    drive: str
    variants: tuple[str, ...]
    metrics: tuple[str, ...]


def _groups(run: PipelineRun, card: MethodCard, say: Say) -> list[_Group]:
    """What the card's orderings are measured on, in the order of its metrics, but for datasets that are not here."""
    here = run.paths.dataset
    orderings = [ordering for ordering in card.expected_orderings if ordering.drive != BETWEEN]
    drives = dict.fromkeys((*card.metrics, *(ordering.drive for ordering in orderings)))
    groups = []
    for dataset in dict.fromkeys((here, *(ordering.dataset or here for ordering in orderings))):
        if dataset not in run.params.datasets:
            say(f"no dataset {dataset} in params.yaml: orderings on it have no value")
            continue
        for drive in drives:
            chosen = [o for o in orderings if (o.drive, o.dataset or here) == (drive, dataset)]
            if not chosen:
                continue
            names = {name for ordering in chosen for name in ordering.order} | set(card.compared.get(drive, ()))
            metrics = dict.fromkeys((*card.metrics.get(drive, ()), *(ordering.metric for ordering in chosen)))
            groups.append(_Group(dataset, drive, tuple(sorted(names)), tuple(metrics)))
    return groups


def _ways(card: MethodCard) -> list[Interpolation]:
    """Ways between emotions that an ordering needs; all of them where any does."""
    wanted = any(ordering.drive == BETWEEN for ordering in card.expected_orderings)
    return list(card.interpolations) if wanted else []


def _train(run: PipelineRun, method: str, variants: set[str], seeds: int, say: Say) -> None:
    """Train the whole systems and the ablations at every seed."""
    systems = [System.of(method, name, "", seed) for seed in range(seeds) for name in sorted({"", *variants})]
    names = list(dict.fromkeys(system.trained for system in systems))
    say(f"training {', '.join(names)}")
    train_systems(run, run.params.datasets[run.paths.dataset], names)


def _generate_and_compare(
    run: PipelineRun, method: str, groups: Sequence[_Group], seeds: int, say: Say, out: Path
) -> list[Verdict]:
    """Generate, score and compare."""
    card, own = registry.create(method).card, run.paths.dataset
    tables_of = [(group.dataset, _measured(run, group, method, seeds, say, out)) for group in groups]
    if ways := _ways(card):
        say("sequences between emotions")
        tables_of.append((own, _keep(_between(run, method, ways, seeds, out), out, BETWEEN)))
    verdicts = []
    for ordering in card.expected_orderings:
        measured = [table for dataset, table in tables_of if dataset == (ordering.dataset or own)]
        verdicts += verdicts_of(ordering, measured, method, seeds)
    write_json(out / "verdicts.json", {"seeds": seeds, "verdicts": [asdict(v) for v in verdicts]})
    write_atomically(out / "verdicts.md", markdown(verdicts, seeds).encode())
    return verdicts


def _measured(run: PipelineRun, group: _Group, method: str, seeds: int, say: Say, out: Path) -> pd.DataFrame:
    """Records of a group's systems at all seeds."""
    here = group.dataset == run.paths.dataset
    run = run if here else replace(run, paths=DatasetPaths(group.dataset))
    section = run.params.datasets[group.dataset]
    names = [System.of(method, name, group.drive, seed).name for seed in range(seeds) for name in group.variants]
    for number, name in enumerate(names, 1):
        say(f"generating {name} ({number}/{len(names)})")
        generate(run, section, name)
    settings = EvaluationSection(metrics=group.metrics, controls=("ground_truth",), split=run.params.evaluation.split)
    planned = make_plan(run, section, names, settings)
    say(f"scoring {len(names)} systems")
    table = score(planned, run.store.root, run.workers, run.scheduler)
    return _keep(table, out, (group.drive or "own") + ("" if here else f"-{group.dataset}"))


def _keep(table: pd.DataFrame, out: Path, name: str) -> pd.DataFrame:
    """Write records and their table."""
    records.write(out / f"records-{name}.parquet", table)
    write_atomically(out / f"table-{name}.md", table_formats.render(tables.build(table), "md").encode())
    return table


def verdicts_of(ordering: ExpectedOrdering, measured: Sequence[pd.DataFrame], method: str, seeds: int) -> list[Verdict]:
    """Verdicts on the neighbours in an order, from the systems' means at each seed."""
    means: dict[tuple[str, str], float] = {}
    direction = "higher"
    for table in measured:
        for row in aggregate.rows(table):
            if MetricKey.parse(row.metric).name == ordering.metric:
                means[row.method, ordering.metric] = row.value
                metric = metrics().get(ordering.metric)
                direction = metric.spec.direction if metric else "reference"
    sign = -1.0 if direction == "lower" else 1.0
    result = []
    for better, worse in zip(ordering.order, ordering.order[1:], strict=False):
        pairs = []
        for seed in range(seeds):
            a, b = (_column(ordering, method, name, seed) for name in (better, worse))
            pairs.append((means.get((a, ordering.metric), math.nan), means.get((b, ordering.metric), math.nan)))
        gains = sign * np.array([a - b for a, b in pairs])
        margin, error = float(gains.mean()), float(gains.std(ddof=1) / math.sqrt(seeds)) if seeds > 1 else math.nan
        result.append(
            Verdict(
                ordering.metric,
                ordering.table,
                better,
                worse,
                margin,
                error,
                tuple(pairs),
                verdict_of_margin(margin, error, seeds),
            )
        )
    return result


def verdict_of_margin(margin: float, error: float, seeds: int) -> str:
    """``resolved``, ``reversed`` or ``not resolved``: a two-sided t-test of a mean difference at 5 %.

    Args:
        margin: mean over seeds of the difference in the expected direction.
        error: its standard error.
        seeds: how many there are.
    """
    if math.isnan(margin):
        return "no value"
    if seeds < 2 or not abs(margin) > stats.t.ppf(0.975, seeds - 1) * error:
        return "not resolved"
    return "resolved" if margin > 0 else "reversed"


def markdown(verdicts: Sequence[Verdict], seeds: int) -> str:
    """Verdicts as a table."""
    lines = [
        f"Differences in the expected direction, mean over {seeds} seeds and its standard error; t-test at 5 %.",
        "",
        "| Metric | Table | Expected better | Expected worse | Margin | Verdict |", "|---|---|---|---|---:|---|",
    ]  # fmt: skip
    for v in verdicts:
        margin = f"{table_formats.number(v.margin)} ± {table_formats.number(v.error)}"
        lines.append(f"| {v.metric} | {v.table} | {v.better or 'full'} | {v.worse} | {margin} | {v.verdict} |")
    return "\n".join(lines) + "\n"


def _column(ordering: ExpectedOrdering, method: str, name: str, seed: int) -> str:
    """What records call a system or a way between emotions at a seed."""
    if ordering.drive == BETWEEN:
        return f"{name}-s{seed}"
    return System.of(method, name, ordering.drive, seed).name


def _between(run: PipelineRun, method: str, ways: Sequence[Interpolation], seeds: int, out: Path) -> pd.DataFrame:
    """Sequences of all ways between emotions, drawn and scored."""
    rows = scored_rows(run)
    speakers = {row.speaker: row for row in reversed(rows)}
    folders: dict[str, Path] = {}
    for seed in range(seeds):
        for way in ways:
            name = f"{way.name}-s{seed}"
            folders[name] = out / BETWEEN / name
            _draw(run, System.of(method, way.ablation, "", seed), way.name, speakers, folders[name])
    section = run.params.datasets[run.paths.dataset]
    planned = make_plan(run, section, [], EvaluationSection(metrics=("psnr",), controls=("ground_truth",)))
    return score_sequences(folders, run.paths.dataset, planned.protocol)


def _draw(run: PipelineRun, system: System, way: str, speakers: dict[str, ClipRow], folder: Path) -> None:
    method = registry.load(system.method, checkpoint_folder(run, system))
    card = method.card
    if not isinstance(method, Interpolates):
        raise InputError(f"{system.method}: its card orders ways between emotions, but it has no 'interpolate'")
    planner = RequestPlanner(run, card)
    for speaker, row in speakers.items():
        for number, (a, b) in enumerate(card.emotion_pairs):
            seed = run.params.seed + system.seed + 100 * number
            first, last = EmotionSpec({a: 1.0}), EmotionSpec({b: 1.0})
            request = build_request(card, planner.inputs(row, ()), seed, SOUND_FRAMES)
            steps = method.interpolate(replace(request, emotion=first), first, last, STEPS, way)
            write_sequence(steps, folder / f"{speaker}_{a}-{b}", speaker, (a, b))


def read_verdicts(out: Path = OUT) -> list[Verdict]:
    """Verdicts of the last run, none where there was none."""
    path = out / "verdicts.json"
    if not path.exists():
        return []
    rows = json.loads(path.read_text("utf-8"))["verdicts"]
    return [Verdict(**(row | {"values": tuple(tuple(pair) for pair in row["values"])})) for row in rows]
