"""Stage ``landmarks``: landmarks of every frame."""

from gmbench.stages import coefficients
from pipelines._start import stage

if __name__ == "__main__":
    stage(lambda run, dataset: coefficients.landmarks(run, run.params.datasets[dataset]))
