"""Where the real clips and weights lie; they are never part of the project."""

import os
from pathlib import Path

import pytest

SHARED = Path(os.environ.get("GMBENCH_SHARED") or Path(__file__).parents[2] / "shared")
REAL = SHARED / "data" / "real"
WEIGHTS = SHARED / "weights"

needs_real_clips = pytest.mark.skipif(
    not (REAL / "obama_20s.mp4").exists(), reason="real clips are absent; GMBENCH_SHARED names their folder"
)
needs_landmarker = pytest.mark.skipif(
    not (WEIGHTS / "face_landmarker.task").exists(),
    reason="face_landmarker.task is absent; GMBENCH_SHARED names its folder",
)
