"""librosa, imported by one process at a time.

Its import compiles functions with numba and caches them. Two processes that do so at once can leave a cache that names
the wrong functions, and every later call ends in a segmentation fault. The first process compiles, the others read.
"""

import contextlib
from pathlib import Path

from filelock import FileLock
from platformdirs import user_cache_path


def _lock() -> contextlib.AbstractContextManager[object]:
    """A lock that all processes of this user share; none where its folder cannot be written."""
    path = Path(user_cache_path("gmbench")) / "librosa.lock"
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()
    except OSError:
        return contextlib.nullcontext()
    return FileLock(path)


with _lock():
    import librosa
    import librosa.util.utils  # compiles
    from librosa import feature, filters, onset  # type: ignore[attr-defined]

__all__ = ["feature", "filters", "librosa", "onset"]
