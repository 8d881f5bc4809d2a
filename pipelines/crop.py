"""Stage ``crop``: square clips at 25 fps with their sound."""

from gmbench.pipelines._start import stage
from gmbench.stages.crop import crop

if __name__ == "__main__":
    stage(lambda run, dataset: crop(run, run.params.datasets[dataset]))
