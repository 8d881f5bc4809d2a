"""Run one function over many tasks: in this process, or on dask workers; the same results either way."""

from gmbench.executor.runs import run
from gmbench.executor.threads import one_thread, pool
from gmbench.executor.workers import SCHEDULER, cluster, connection, given_scheduler, kept_workers, serve

__all__ = [
    "SCHEDULER", "cluster", "connection", "given_scheduler", "kept_workers", "one_thread", "pool", "run", "serve",
]  # fmt: skip
