"""What the acceptance commands of all systems have in common: options, trainings, the table and the exit code."""

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any, TypeVar

from gmbench.errors import InputError
from gmbench.methods.interface import FitReport, PreparedDataset
from gmbench.stages.pipeline_run import PipelineRun
from gmbench.stages.train import prepared_dataset, training_context
from gmbench.stages.training_pool import shared_workers
from tests.acceptance.outcome import Outcome, failed, reported, table

Method = TypeVar("Method", bound=Any)


def options(method: str, text: str | None) -> argparse.ArgumentParser:
    """Options that all commands have."""
    parser = argparse.ArgumentParser(description=text, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--out", type=Path, default=Path("acceptance") / method)
    return parser


def corpus(run: PipelineRun) -> PreparedDataset:
    """The prepared dataset; its judges are those of the synthetic corpus.

    Raises:
        InputError: a dataset of real faces.
    """
    section = run.params.datasets[run.paths.dataset]
    if section.extractors != "corpus":
        raise InputError(f"{run.paths.dataset}: acceptance tests are of the synthetic corpus (extractors: corpus)")
    return prepared_dataset(run, run.paths, section)


def train(
    method: Any, run: PipelineRun, dataset: PreparedDataset, seed: int, out: Path, ablations: Sequence[str] = (),
    stages: Sequence[str] | None = None,
) -> FitReport:  # fmt: skip
    """Train what the store lacks of a system of ``params.yaml``, or of some of its networks."""
    settings = method.settings(run.params.systems.get(method.card.name, {}), ablations)
    with shared_workers(run) as shared:
        return method.fit(dataset, dataset, out, settings, run.params.seed + seed, training_context(shared), stages)


def loaded(method: Method, folder: Path) -> Method:
    """The method with the networks of a folder."""
    method.load(folder)
    return method


def costs(test: int, report: FitReport) -> list[Outcome]:
    """Seconds of each training, as they were when it ran, and the numbers that it trained."""
    return [
        row
        for part in report.parts
        for row in (
            reported(test, f"{part.name}: seconds of training", part.seconds),
            reported(test, f"{part.name}: millions of parameters, trained", part.parameters / 1e6),
            reported(test, f"{part.name}: and frozen", part.frozen_parameters / 1e6),
        )
    ]


def finish(tables: Sequence[Sequence[Sequence[Outcome]]], out: Path) -> int:
    """Print tables of outcomes by seed, keep them in ``table.md``; 0 if every threshold is met at every seed."""
    text = "\n\n".join(table(by_seed) for by_seed in tables if by_seed)
    out.mkdir(parents=True, exist_ok=True)
    (out / "table.md").write_text(text + "\n")
    sys.stdout.write(text + "\n")
    return int(any(failed(rows) for by_seed in tables for rows in by_seed))
