"""Stage ``crop``: square clips at 25 fps with their sound."""

from gmbench.pipelines.command_line import run_stage
from gmbench.stages.crop import crop

if __name__ == "__main__":
    run_stage(lambda run, dataset: crop(run, run.params.datasets[dataset]))
