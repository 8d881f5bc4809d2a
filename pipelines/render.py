"""Stage ``render``: renderings of the coefficients."""

from gmbench.pipelines._start import stage
from gmbench.stages.render import render

if __name__ == "__main__":
    stage(lambda run, dataset: render(run, run.params.datasets[dataset]))
