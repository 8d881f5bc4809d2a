"""Stage ``audio``: audio features of every clip."""

from gmbench.stages import sound
from pipelines._start import stage

if __name__ == "__main__":
    stage(lambda run, dataset: sound.audio(run))
