"""EDTalk's acceptance tests, in a project whose dataset is prepared: ``make acceptance METHOD=edtalk``.

Trains the system of ``params.yaml`` at each seed in the project's store, also as an ablation, and prints the table.
Tests 1, 2, 8, 9 and 13 are unit tests too (tests/nn, tests/methods/edtalk). Not yet here: 5, 6, 12, 14 and 15.
"""

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from gmbench.api.generation import project
from gmbench.executor import one_thread
from gmbench.methods.edtalk.jobs import fit_all
from gmbench.methods.edtalk.method import EDTalk
from gmbench.methods.interface import PreparedDataset, TrainingContext
from gmbench.stages.capability_checks import measures
from gmbench.stages.pipeline_run import PipelineRun
from gmbench.stages.train import prepared_dataset
from tests.acceptance.edtalk_measures import EDTalkMeasures, held_out
from tests.acceptance.outcome import Outcome, table

ABLATIONS = ("mean_pose",)


def main(arguments: Sequence[str] | None = None) -> int:
    """0 if every threshold is met at every seed."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--out", type=Path, default=Path("acceptance/edtalk"))
    given = parser.parse_args(arguments)
    run = project(None)
    section = run.params.datasets[run.paths.dataset]
    dataset = prepared_dataset(run, run.paths, section)
    with one_thread():
        by_seed = [outcomes(run, dataset, seed, given.out / f"s{seed}") for seed in range(given.seeds)]
    text = table(by_seed)
    given.out.mkdir(parents=True, exist_ok=True)
    (given.out / "table.md").write_text(text + "\n")
    sys.stdout.write(text + "\n")
    return int(any(row.holds is False for rows in by_seed for row in rows))


def outcomes(run: PipelineRun, dataset: PreparedDataset, seed: int, out: Path) -> list[Outcome]:
    """All measures of one seed."""
    clips = held_out(run, dataset)
    measured = measures(run.params.datasets[run.paths.dataset])
    whole = EDTalkMeasures(trained(run, dataset, seed, out / "full"), clips, measured)
    rows = whole.outcomes()
    regressed = EDTalkMeasures(trained(run, dataset, seed, out / "mean_pose", "mean_pose"), clips, measured)
    return [*rows, *regressed.mean_pose()]


def trained(run: PipelineRun, dataset: PreparedDataset, seed: int, out: Path, ablation: str = "") -> EDTalk:
    """The system, trained or taken from the store."""
    method = EDTalk()
    settings = method.settings(run.params.systems.get("edtalk", {}), [ablation] if ablation else [])
    fit_all(dataset, dataset, out, settings, run.params.seed + seed, TrainingContext(run.store, run.run_jobs))
    method.load(out)
    return method


if __name__ == "__main__":
    sys.exit(main())
