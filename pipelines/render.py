"""Stage ``render``: renderings of the coefficients."""

from gmbench.stages import coefficients
from pipelines._start import stage

if __name__ == "__main__":
    stage(lambda run, dataset: coefficients.render(run, run.params.datasets[dataset]))
