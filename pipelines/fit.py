"""Stage ``fit``: identity, texture and coefficients."""

from gmbench.stages import coefficients
from pipelines._start import stage

if __name__ == "__main__":
    stage(lambda run, dataset: coefficients.fit(run, run.params.datasets[dataset]))
