"""Stage ``landmarks``: landmarks of every frame."""

from gmbench.pipelines.command_line import run_stage
from gmbench.stages.landmarks import landmarks

if __name__ == "__main__":
    run_stage(lambda run, dataset: landmarks(run, run.params.datasets[dataset]))
