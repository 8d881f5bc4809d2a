"""Stage ``score``: records, tables and metrics from what was extracted."""

from gmbench.pipelines.command_line import run_stage
from gmbench.stages.score import score

if __name__ == "__main__":
    run_stage(lambda run, dataset: score(run, run.params.datasets[dataset]))
