"""So many trainings on one card at a time, whatever processes they run in."""

import contextlib
import os
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

from filelock import FileLock, Timeout

from gmbench.devices.choice import CPU

_WAIT = 1.0


@contextlib.contextmanager
def slot(device: str, jobs: int) -> Iterator[None]:
    """Wait until fewer than ``jobs`` jobs of this user use a card, and count as one of them inside."""
    if device == CPU or "LOCAL_RANK" in os.environ:  # processes of one training belong on their cards together
        yield
        return
    folder = Path(tempfile.gettempdir()) / f"gmbench-{os.getuid() if hasattr(os, 'getuid') else 'user'}"
    folder.mkdir(mode=0o700, exist_ok=True)
    with _first_free([FileLock(folder / f"{device.replace(':', '-')}-{number}.lock") for number in range(jobs)]):
        yield


@contextlib.contextmanager
def _first_free(locks: list[FileLock]) -> Iterator[None]:
    while True:
        for lock in locks:
            try:
                lock.acquire(timeout=0)
            except Timeout:
                continue
            try:
                yield
            finally:
                lock.release()
            return
        time.sleep(_WAIT)
