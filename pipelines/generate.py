"""Stage ``generate``: a method's videos of the scored clips."""

from gmbench.stages import evaluate
from pipelines._start import stage

if __name__ == "__main__":
    stage(lambda run, dataset, method: evaluate.generate(run, run.params.datasets[dataset], method))
