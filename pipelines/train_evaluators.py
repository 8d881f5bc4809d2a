"""Stage ``train_evaluators``: train the networks that judge on a corpus."""

from pathlib import Path

from gmbench.stages import train_evaluators
from pipelines._start import stage

if __name__ == "__main__":
    stage(lambda run, name: train_evaluators.train(run, Path("data") / name))
