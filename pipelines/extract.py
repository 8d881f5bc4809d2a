"""Stage ``extract``: decode every clip once and keep what the metrics need."""

from gmbench.stages import evaluate
from pipelines._start import stage

if __name__ == "__main__":
    stage(lambda run, dataset: evaluate.extract(run, run.params.datasets[dataset]))
