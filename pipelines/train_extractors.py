"""Stage ``train_extractors``: the feature extractors of a corpus."""

from pathlib import Path

from gmbench.pipelines.command_line import run_stage
from gmbench.stages import train_extractors

if __name__ == "__main__":
    run_stage(lambda run, name: train_extractors.prepare(run, Path("data") / name))
