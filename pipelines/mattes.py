"""Stage ``mattes``: the person of each training clip."""

from gmbench.pipelines.command_line import run_stage
from gmbench.stages.mattes import mattes

if __name__ == "__main__":
    run_stage(lambda run, dataset: mattes(run, run.params.datasets[dataset]))
