"""Stage ``audio``: audio features of every clip."""

from gmbench.pipelines._start import stage
from gmbench.stages import audio

if __name__ == "__main__":
    stage(lambda run, dataset: audio.audio(run))
