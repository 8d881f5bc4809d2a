"""Stage ``train``: a method's networks on a dataset."""

from gmbench.pipelines._start import stage
from gmbench.stages.train import train

if __name__ == "__main__":
    stage(lambda run, dataset, system: train(run, run.params.datasets[dataset], system))
