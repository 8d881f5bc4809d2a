"""A method's ablations over seeds: train, generate, score, and say which of its claims hold here.

Everything goes through the store, so a run that was stopped goes on, and systems share the networks that an ablation
does not change.
"""

import contextlib
import json
import math
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass, replace
from pathlib import Path

import numpy as np
import pandas as pd

from gmbench.config import DatasetSection, EvaluationSection
from gmbench.datasets.manifest import ClipRow
from gmbench.evaluation.interpolation import score_sequences
from gmbench.evaluation.results import aggregate, records
from gmbench.evaluation.run import evaluate as score
from gmbench.executor import cluster
from gmbench.media import SAMPLES_PER_FRAME, read_audio
from gmbench.methods import registry
from gmbench.methods.card import ExpectedOrdering
from gmbench.methods.gmtalker.expected_orderings import INTERPOLATIONS, PAIRS
from gmbench.methods.interface import EmotionSpec, GenRequest
from gmbench.methods.registry import System
from gmbench.metrics.key import MetricKey
from gmbench.reporting import table_formats, tables
from gmbench.stages.evaluation_plan import make_plan, scored_rows
from gmbench.stages.generate import generate
from gmbench.stages.pipeline_run import PipelineRun, write_json
from gmbench.stages.system_videos import STEPS, write_sequence
from gmbench.stages.train import model_folder, train
from gmbench.store import write_atomically

OUT = Path("ablations")
METRICS = {
    "pose": ("psnr", "ssim", "ssim_u7", "fid", "m_lmd", "f_lmd", "sync_c", "acc_emo", "emo_prob"),
    "": ("ba_m2a", "div", "pcm"),
}
"""Metrics of the videos under the reference's motion, and under their own."""
SOUND_FRAMES = 25
"""Length of the sound under a sequence between two emotions."""
Say = Callable[[str], None]


@dataclass(frozen=True)
class Verdict:
    """What a claim ``better`` over ``worse`` came to.

    Attributes:
        margin: mean over seeds of the difference in the claimed direction; error: its standard error.
        values: means of both, a pair a seed.
        verdict: ``resolved``, ``not resolved`` (margin within the error) or ``reversed``.
    """

    metric: str
    table: str
    better: str
    worse: str
    margin: float
    error: float
    values: tuple[tuple[float, float], ...]
    verdict: str


def ablate(
    run: PipelineRun, section: DatasetSection, method: str, seeds: int, say: Say, out: Path = OUT
) -> list[Verdict]:
    """Run all that a method's claims need; writes records, tables and verdicts below ``out``.

    Raises:
        InputError: the method makes no claims.
    """
    card = registry.create(method).card
    wanted = {
        drive: sorted(
            {name for ordering in card.expected_orderings if ordering.drive == drive for name in ordering.order} | extra
        )
        for drive, extra in (("pose", {"wo_gm_label"}), ("", set[str]()))
    }
    with contextlib.ExitStack() as stack:
        if run.scheduler is None and run.workers > 1:
            run = replace(run, scheduler=stack.enter_context(cluster(run.workers)))
        _train(run, section, method, set().union(*wanted.values()), seeds, say)
        return _generate_and_compare(run, section, method, wanted, seeds, say, out)


def _train(run: PipelineRun, section: DatasetSection, method: str, names: set[str], seeds: int, say: Say) -> None:
    """Train the whole systems, whose networks the ablations share, then the ablations; each round side by side."""
    for part in ({""}, names - {""}):
        chosen = [_named(method, name, seed) for seed in range(seeds) for name in sorted(part)]
        say(f"training {', '.join(chosen)}")
        if run.scheduler is None:
            for name in chosen:
                train(run, section, name)
            continue
        with ThreadPoolExecutor(max(1, len(chosen))) as threads:
            for done in [threads.submit(train, run, section, name) for name in chosen]:
                done.result()


def _generate_and_compare(
    run: PipelineRun,
    section: DatasetSection,
    method: str,
    wanted: Mapping[str, Sequence[str]],
    seeds: int,
    say: Say,
    out: Path,
) -> list[Verdict]:
    """Generate, score and compare."""
    card = registry.create(method).card
    parts = []
    for drive, metrics in METRICS.items():
        names = [_driven(_named(method, name, seed), drive) for seed in range(seeds) for name in wanted[drive]]
        for number, name in enumerate(names, 1):
            say(f"generating {name} ({number}/{len(names)})")
            generate(run, section, name)
        settings = EvaluationSection(metrics=metrics, controls=("ground_truth",), split=run.params.evaluation.split)
        planned = make_plan(run, section, names, settings)
        say(f"scoring {len(names)} systems")
        table = score(planned, run.store.root, run.workers, run.scheduler)
        records.write(out / f"records-{drive or 'own'}.parquet", table)
        write_atomically(out / f"table-{drive or 'own'}.md", table_formats.render(tables.build(table), "md").encode())
        parts.append(table)
    say("sequences between emotions")
    between = _between(run, section, method, seeds, out)
    records.write(out / "records-between.parquet", between)
    write_atomically(out / "table-between.md", table_formats.render(tables.build(between), "md").encode())
    verdicts = [
        v for ordering in card.expected_orderings for v in verdicts_of(ordering, [*parts, between], method, seeds)
    ]
    write_json(out / "verdicts.json", {"seeds": seeds, "verdicts": [asdict(v) for v in verdicts]})
    write_atomically(out / "verdicts.md", markdown(verdicts, seeds).encode())
    return verdicts


def verdicts_of(ordering: ExpectedOrdering, found: Sequence[pd.DataFrame], method: str, seeds: int) -> list[Verdict]:
    """Verdicts on the neighbours in a claim's order, from the systems' means at each seed."""
    means: dict[tuple[str, str], float] = {}
    direction = "higher"
    for table in found:
        for row in aggregate.rows(table):
            if MetricKey.parse(row.metric).name == ordering.metric:
                means[row.method, ordering.metric] = row.value
                direction = row.direction
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
                ordering.metric, ordering.table, better, worse, margin, error, tuple(pairs), _verdict(margin, error)
            )
        )
    return result


def _verdict(margin: float, error: float) -> str:
    if math.isnan(margin):
        return "no value"
    if not abs(margin) > error:
        return "not resolved"
    return "resolved" if margin > 0 else "reversed"


def markdown(verdicts: Sequence[Verdict], seeds: int) -> str:
    """Verdicts as a table."""
    lines = [
        f"Differences in the claimed direction, mean over {seeds} seeds and its standard error.", "",
        "| Metric | Table | Claimed better | Claimed worse | Margin | Verdict |", "|---|---|---|---|---:|---|",
    ]  # fmt: skip
    for v in verdicts:
        margin = f"{table_formats.number(v.margin)} ± {table_formats.number(v.error)}"
        lines.append(f"| {v.metric} | {v.table} | {v.better or 'full'} | {v.worse} | {margin} | {v.verdict} |")
    return "\n".join(lines) + "\n"


def _named(method: str, ablation: str, seed: int) -> str:
    return "-".join([method, *([ablation] if ablation else []), *([f"s{seed}"] if seed else [])])


def _driven(name: str, drive: str) -> str:
    system = System.parse(name)
    parts = [system.method, *system.ablations, drive, f"s{system.seed}" if system.seed else ""]
    return System.parse("-".join(part for part in parts if part)).name


def _column(ordering: ExpectedOrdering, method: str, name: str, seed: int) -> str:
    if ordering.drive == "between":
        return f"{name}-s{seed}"
    return _driven(_named(method, name, seed), ordering.drive)


def _between(run: PipelineRun, section: DatasetSection, method: str, seeds: int, out: Path) -> pd.DataFrame:
    """Sequences of all ways between emotions, drawn and scored."""
    rows = scored_rows(run)
    speakers = {row.speaker: row for row in reversed(rows)}
    folders: dict[str, Path] = {}
    for seed in range(seeds):
        for way in (*INTERPOLATIONS, "label_embed"):
            name = f"{way}-s{seed}"
            folders[name] = out / "between" / name
            _draw(
                run, _named(method, "wo_gm_label" if way == "label_embed" else "", seed), way, speakers, folders[name]
            )
    planned = make_plan(run, section, [], EvaluationSection(metrics=("psnr",), controls=("ground_truth",)))
    return score_sequences(folders, run.paths.dataset, planned.protocol)


def _draw(run: PipelineRun, name: str, way: str, speakers: dict[str, ClipRow], folder: Path) -> None:
    system = System.parse(name)
    made = registry.create(system.method)
    made.load(model_folder(run.paths.dataset, system))
    for speaker, row in speakers.items():
        sound = read_audio(run.paths.crops / row.video_path)[: SOUND_FRAMES * SAMPLES_PER_FRAME]
        for number, (a, b) in enumerate(PAIRS):
            seed = run.params.seed + system.seed + 100 * number
            request = GenRequest(row.clip_id, sound, EmotionSpec({a: 1.0}), speaker, seed)
            how = {} if way == "label_embed" else {"blend": way}
            steps = made.interpolate(request, EmotionSpec({a: 1.0}), EmotionSpec({b: 1.0}), STEPS, **how)
            write_sequence(steps, folder / f"{speaker}_{a}-{b}", speaker, (a, b))


def read_verdicts(out: Path = OUT) -> list[Verdict]:
    """Verdicts of the last run, none where there was none."""
    path = out / "verdicts.json"
    if not path.exists():
        return []
    found = json.loads(path.read_text("utf-8"))["verdicts"]
    return [Verdict(**(row | {"values": tuple(tuple(pair) for pair in row["values"])})) for row in found]
