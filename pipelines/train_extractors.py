"""Stage ``train_extractors``: train the feature extractors on a corpus."""

from pathlib import Path

from gmbench.pipelines.command_line import run_stage
from gmbench.stages import train_extractors

if __name__ == "__main__":
    run_stage(lambda run, name: train_extractors.train(run, Path("data") / name))
