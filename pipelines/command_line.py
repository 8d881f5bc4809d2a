"""Run a stage from the command line: configuration from ``params.yaml``, the store, the arguments."""

import os
import sys
from collections.abc import Callable
from pathlib import Path

from gmbench import config
from gmbench.errors import GmbenchError
from gmbench.executor import kept_workers
from gmbench.stages.paths import DatasetPaths
from gmbench.stages.pipeline_run import STORE, PipelineRun
from gmbench.store import Store


def run_stage(work: Callable[..., object]) -> None:
    """Run ``work(run, *arguments)`` with the command line's arguments; the first one names the dataset, if any.

    An error of gmbench ends the process with its one-line message and its exit code.
    """
    arguments = sys.argv[1:]
    try:
        params = config.load()
        store = Store(Path(os.environ.get("GMBENCH_STORE") or STORE))
        dataset = arguments[0] if arguments else ""
        run = PipelineRun(params, DatasetPaths(dataset), store, os.environ.get("GMBENCH_SCHEDULER"))
        with kept_workers():
            work(run, *arguments)
    except GmbenchError as error:
        sys.stderr.write(f"error: {error}\n")
        sys.exit(error.exit_code)
