"""Stage ``landmarks``: landmarks of every frame."""

from gmbench.pipelines._start import stage
from gmbench.stages.landmarks import landmarks

if __name__ == "__main__":
    stage(lambda run, dataset: landmarks(run, run.params.datasets[dataset]))
