"""Run one function over many tasks: in this process, or on dask workers; the same results either way."""

from gmbench.executor.runs import run
from gmbench.executor.threads import one_thread, pool
from gmbench.executor.workers import SCHEDULER, cluster, connection, kept_workers, served

__all__ = ["SCHEDULER", "cluster", "connection", "kept_workers", "one_thread", "pool", "run", "served"]
