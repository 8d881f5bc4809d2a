"""Where the real clips and weights lie, and the marks of tests that need them; they are never part of the project."""

import os
from pathlib import Path

import pytest

SHARED = Path(os.environ.get("GMBENCH_SHARED") or Path(__file__).parents[2] / "shared")
REAL = SHARED / "data" / "real"
WEIGHTS = SHARED / "weights"

needs_real_clips = pytest.mark.real("data/real/obama_20s.mp4")
needs_landmarker = pytest.mark.real("weights/face_landmarker.task")


def missing(item: pytest.Item) -> list[str]:
    """Files below :data:`SHARED` that the ``real`` marks of a test name and that are not there."""
    names = [name for mark in item.iter_markers("real") for name in mark.args]
    return sorted({name for name in names if not (SHARED / name).exists()})
