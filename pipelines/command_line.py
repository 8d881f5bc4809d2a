"""Run a stage from the command line: configuration from ``params.yaml``, the store, the arguments."""

import os
import sys
from collections.abc import Callable
from pathlib import Path

from gmbench import config, params_check
from gmbench.errors import GmbenchError
from gmbench.executor import given_scheduler, kept_workers
from gmbench.stages.paths import DatasetPaths
from gmbench.stages.pipeline_run import STORE, PipelineRun
from gmbench.store import Store


def run_stage(work: Callable[..., object], first: bool = False) -> None:
    """Run ``work(run, *arguments)`` with the command line's arguments; the first one names the dataset, if any.

    A stage that comes ``first`` looks through the whole configuration, so that nothing is found out hours later.
    An error of gmbench ends the process with its one-line message and its exit code.
    """
    arguments = sys.argv[1:]
    try:
        params = config.load()
        if first:
            params_check.require(params)
        store = Store(Path(os.environ.get("GMBENCH_STORE") or STORE))
        dataset = arguments[0] if arguments else ""
        run = PipelineRun(params, DatasetPaths(dataset), store, given_scheduler())
        with kept_workers():
            work(run, *arguments)
    except GmbenchError as error:
        sys.stderr.write(f"error: {error}\n")
        sys.exit(error.exit_code)
