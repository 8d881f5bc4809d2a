"""Stage ``generate``: a method's videos of the scored clips."""

from gmbench.pipelines.command_line import run_stage
from gmbench.stages.generate import generate

if __name__ == "__main__":
    run_stage(lambda run, dataset, method: generate(run, run.params.datasets[dataset], method))
