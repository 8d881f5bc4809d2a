"""Stage ``ingest``: check raw data and list what is usable."""

from gmbench.pipelines._start import stage
from gmbench.stages.ingest import ingest

if __name__ == "__main__":
    stage(lambda run, dataset: ingest(run, run.params.datasets[dataset]))
