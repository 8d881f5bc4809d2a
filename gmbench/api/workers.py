"""Worker processes of scripts and notebooks."""

import contextlib
import sys
from collections.abc import Iterator


@contextlib.contextmanager
def main_module_stays_here() -> Iterator[None]:
    """Worker processes that start inside do not import the script that started them.

    Python's ``spawn`` runs the caller's script in each new process, so that a script without ``if __name__ ==
    "__main__"`` starts itself again. All that gmbench's workers run is in its own modules, and they need no script.
    """
    main = sys.modules["__main__"]
    names = [name for name in ("__file__", "__spec__") if getattr(main, name, None) is not None]
    kept = {name: getattr(main, name) for name in names}
    main.__spec__ = None
    if "__file__" in kept:
        del main.__file__
    try:
        yield
    finally:
        for name, value in kept.items():
            setattr(main, name, value)
