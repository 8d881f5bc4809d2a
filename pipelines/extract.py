"""Stage ``extract``: decode every clip and keep what the metrics need."""

from gmbench.pipelines.command_line import run_stage
from gmbench.stages.extract import extract

if __name__ == "__main__":
    run_stage(lambda run, dataset: extract(run, run.params.datasets[dataset]))
