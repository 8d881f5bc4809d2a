"""Stage ``ingest``: check raw data and list what is usable."""

from gmbench.pipelines.command_line import run_stage
from gmbench.stages.ingest import ingest

if __name__ == "__main__":
    run_stage(lambda run, dataset: ingest(run, run.params.datasets[dataset]), first=True)
