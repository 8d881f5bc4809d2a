"""Train several systems of a dataset in one pool of workers.

One after another, a system whose networks wait for one another would leave workers idle; here all trainings share them.
"""

import contextlib
from collections.abc import Iterator, Sequence
from concurrent.futures import wait
from dataclasses import replace

from gmbench.config import DatasetSection
from gmbench.devices.processes import several_processes
from gmbench.executor import cluster, connection, pool
from gmbench.methods.registry import System
from gmbench.stages.paths import MODELS
from gmbench.stages.pipeline_run import PipelineRun
from gmbench.stages.train import train
from gmbench.stages.training_check import require_trainable


def train_systems(run: PipelineRun, section: DatasetSection, names: Sequence[str]) -> None:
    """Train systems side by side; bits depend neither on the number of workers nor on the other systems.

    Whole systems come before ablations, which take from the store the networks that they share with them.

    Args:
        run: the dataset's paths, the store and workers.
        section: of the dataset.
        names: of systems; without any, an empty folder of models is left for later stages.

    Raises:
        InputError: an unknown name, what the trainings need and do not find, in one list and before the first of
            them, or a training that failed; the others go on to their end.
    """
    (MODELS / run.paths.dataset).mkdir(parents=True, exist_ok=True)
    systems = [System.parse(name) for name in names]
    if not systems:
        return
    require_trainable(run, section, names)
    with shared_workers(run) as shared:
        for whole in (True, False):
            chosen = list(dict.fromkeys(s.trained for s in systems if (not s.ablations) == whole))
            if len(chosen) == 1:  # in this thread, where Ctrl-C comes
                train(shared, section, chosen[0])
                continue
            with pool(max(1, len(chosen)) if shared.scheduler else 1) as threads:
                futures = [threads.submit(train, shared, section, name) for name in chosen]
                wait(futures)
            for future in futures:
                future.result()


@contextlib.contextmanager
def shared_workers(run: PipelineRun) -> Iterator[PipelineRun]:
    """The run with workers that several threads may use at once; unchanged where it has one worker."""
    if run.scheduler is not None:
        with connection(run.scheduler):
            yield run
    elif run.workers == 1 or several_processes():
        yield run
    else:
        with cluster(run.workers) as scheduler:
            yield replace(run, scheduler=scheduler)
