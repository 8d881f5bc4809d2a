"""Several processes that train together, as ``accelerate launch`` starts them: all run the same jobs in one order."""

import contextlib
import os
from collections.abc import Iterator

from gmbench.devices.choice import CPU, current


def several_processes() -> bool:
    """Whether this process trains together with others; each then runs its jobs itself, one after another."""
    return int(os.environ.get("WORLD_SIZE", "1")) > 1


@contextlib.contextmanager
def first_of_processes() -> Iterator[bool]:
    """Whether this is the first process; when the context is left, all have left it."""
    if not several_processes():
        yield True
        return
    from accelerate import PartialState

    state = PartialState(cpu=current() == CPU)
    yield bool(state.is_main_process)
    state.wait_for_everyone()
