"""Stage ``corpus``: make a synthetic corpus below ``data/<name>``."""

from pathlib import Path

from gmbench.pipelines._start import stage
from gmbench.stages.corpus import corpus

if __name__ == "__main__":
    stage(lambda run, name: corpus(run, name, Path("data") / name))
