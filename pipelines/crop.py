"""Stage ``crop``: square clips at 25 fps with their sound."""

from gmbench.stages import clips
from pipelines._start import stage

if __name__ == "__main__":
    stage(lambda run, dataset: clips.crop(run, run.params.datasets[dataset]))
