"""Stage ``score``: records, tables and metrics from what was extracted."""

from gmbench.pipelines._start import stage
from gmbench.stages.score import score

if __name__ == "__main__":
    stage(lambda run, dataset: score(run, run.params.datasets[dataset]))
