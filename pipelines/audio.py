"""Stage ``audio``: audio features of every clip."""

from gmbench.pipelines.command_line import run_stage
from gmbench.stages import audio

if __name__ == "__main__":
    run_stage(lambda run, dataset: audio.audio(run))
