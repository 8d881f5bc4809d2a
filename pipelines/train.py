"""Stage ``train``: the networks of all systems of a dataset, or of the named ones."""

from gmbench.pipelines.command_line import run_stage
from gmbench.stages.training_pool import train_systems

if __name__ == "__main__":
    run_stage(
        lambda run, dataset, *systems: train_systems(run, run.params.datasets[dataset], systems or run.params.trained)
    )
