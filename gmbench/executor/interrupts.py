"""What a worker of this machine loads first: it leaves Ctrl-C to the process that started it, which stops it.

Without this every worker would print a traceback of its own, since a terminal interrupts all processes of a command.
"""

import signal
from typing import Any


def dask_setup(worker: Any) -> None:
    """Called by dask in the new worker."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
