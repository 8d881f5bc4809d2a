"""Stage ``fit``: identity, texture and coefficients."""

from gmbench.pipelines.command_line import run_stage
from gmbench.stages.fit import fit

if __name__ == "__main__":
    run_stage(lambda run, dataset: fit(run, run.params.datasets[dataset]))
