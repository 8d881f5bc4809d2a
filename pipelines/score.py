"""Stage ``score``: records, tables and metrics from what was extracted."""

from gmbench.stages import evaluate
from pipelines._start import stage

if __name__ == "__main__":
    stage(lambda run, dataset: evaluate.score(run, run.params.datasets[dataset]))
