"""Stage ``generate``: a method's videos of the scored clips."""

from gmbench.pipelines._start import stage
from gmbench.stages.generate import generate

if __name__ == "__main__":
    stage(lambda run, dataset, method: generate(run, run.params.datasets[dataset], method))
