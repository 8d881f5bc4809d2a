"""Stage ``train``: a method's networks on a dataset."""

from gmbench.pipelines.command_line import run_stage
from gmbench.stages.train import train

if __name__ == "__main__":
    run_stage(lambda run, dataset, system: train(run, run.params.datasets[dataset], system))
