"""Stage ``corpus``: make a synthetic corpus below ``data/<name>``."""

from pathlib import Path

from gmbench.stages import prepare
from pipelines._start import stage

if __name__ == "__main__":
    stage(lambda run, name: prepare.corpus(run, name, Path("data") / name))
