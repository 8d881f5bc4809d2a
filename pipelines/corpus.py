"""Stage ``corpus``: make a synthetic corpus below ``data/<name>``."""

from pathlib import Path

from gmbench.pipelines.command_line import run_stage
from gmbench.stages.corpus import corpus

if __name__ == "__main__":
    run_stage(lambda run, name: corpus(run, name, Path("data") / name), first=True)
