"""Stage ``train``: a method's networks on a dataset."""

from gmbench.stages import systems
from pipelines._start import stage

if __name__ == "__main__":
    stage(lambda run, dataset, system: systems.train(run, run.params.datasets[dataset], system))
