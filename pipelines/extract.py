"""Stage ``extract``: decode every clip once and keep what the metrics need."""

from gmbench.pipelines._start import stage
from gmbench.stages.extract import extract

if __name__ == "__main__":
    stage(lambda run, dataset: extract(run, run.params.datasets[dataset]))
