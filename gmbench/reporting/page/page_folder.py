"""Into which folder a page may be written: a new one, an empty one, or one that holds an earlier page."""

import shutil
from pathlib import Path

from gmbench.errors import InputError, StoreError
from gmbench.store import write_atomically

MARKER = ".gmbench-report"
"""Stands in every folder of a page; without it nothing in a folder is taken for ours."""
_OURS = ("data", "media")
_IGNORED = {".DS_Store", "Thumbs.db"}


def claim(out: Path, force: bool = False) -> None:
    """Make the folder of a page; one that holds anything else is refused, or with ``force`` written into.

    Raises:
        InputError: the folder holds something else, or is a file. StoreError: it cannot be made.
    """
    if (out / MARKER).is_file():
        return
    if out.exists() and not out.is_dir():
        raise InputError(f"{out}: is a file; choose a new folder with --out")
    try:
        out.mkdir(parents=True, exist_ok=True)
        others = sorted(path.name for path in out.iterdir() if path.name not in _IGNORED)
    except OSError as error:
        raise StoreError(f"{out}: cannot be made ({error.strerror}); choose another folder with --out") from error
    if not others:
        write_atomically(out / MARKER, b"Folder of a page of 'gmbench report', which writes it anew.\n")
    elif not force:
        some = ", ".join(others[:3] + ["..."] * (len(others) > 3))
        raise InputError(
            f"{out}: holds other files ({some}) and no page; choose a new folder with --out, or write into this one "
            "with --force"
        )


def clear(out: Path) -> None:
    """Remove what an earlier page left in ``data`` and ``media``; in a folder that holds other things nothing goes."""
    if (out / MARKER).is_file():
        for name in _OURS:
            shutil.rmtree(out / name, ignore_errors=True)
