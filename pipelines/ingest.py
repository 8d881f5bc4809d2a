"""Stage ``ingest``: check raw data and list what is usable."""

from gmbench.stages import clips
from pipelines._start import stage

if __name__ == "__main__":
    stage(lambda run, dataset: clips.ingest(run, run.params.datasets[dataset]))
