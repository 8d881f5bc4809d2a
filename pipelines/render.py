"""Stage ``render``: renderings of the coefficients."""

from gmbench.pipelines.command_line import run_stage
from gmbench.stages.render import render

if __name__ == "__main__":
    run_stage(lambda run, dataset: render(run, run.params.datasets[dataset]))
