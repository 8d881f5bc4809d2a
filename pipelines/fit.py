"""Stage ``fit``: identity, texture and coefficients."""

from gmbench.pipelines._start import stage
from gmbench.stages.fit import fit

if __name__ == "__main__":
    stage(lambda run, dataset: fit(run, run.params.datasets[dataset]))
