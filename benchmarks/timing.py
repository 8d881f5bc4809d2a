"""Time a call, and prepare clips."""

import time
from collections.abc import Callable
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np

from gmbench.corpus.sketch import draw_clip, imitate, write_sketch
from gmbench.media import VIDEO_SUFFIXES


def seconds(call: Callable[[], Any], repeat: int = 5) -> float:
    """Median wall time of a call after one that does not count."""
    call()
    times = []
    for _ in range(repeat):
        start = time.perf_counter()
        call()
        times.append(time.perf_counter() - start)
    return median(times)


def once(call: Callable[[], Any]) -> float:
    """Wall time of one call."""
    start = time.perf_counter()
    call()
    return time.perf_counter() - start


def frame_pair(size: int = 512) -> tuple[np.ndarray, np.ndarray]:
    """A drawn frame and a noisy copy."""
    frame = next(draw_clip(0, 0, seconds=0.04, size=size).frames())
    noise = np.random.default_rng(0).normal(0, 6, frame.shape)
    return frame, np.clip(frame + noise, 0, 255).astype(np.uint8)


def clip_folders(folder: Path, clips: Path | None, count: int = 4) -> tuple[Path, list[Path], str]:
    """A folder of references, two folders of imitations, and the landmark backend for them.

    Real clips are compared with themselves under a second name: the work is the same.
    """
    if clips is None:
        for n in range(count):
            real = draw_clip(n, n, seconds=4.0, size=512)
            for name, sketch in {
                "reference": real,
                "near": imitate(real, "near", 0),
                "far": imitate(real, "far", 0),
            }.items():
                path = folder / name / f"{n}.mp4"
                if not path.exists():
                    write_sketch(path, sketch)
        return folder / "reference", [folder / "near", folder / "far"], "sidecar"
    videos = [p for p in sorted(clips.iterdir()) if p.suffix.lower() in VIDEO_SUFFIXES][:count]
    for name in ("reference", "near", "far"):
        (folder / name).mkdir(exist_ok=True)
    for video in videos:
        for name in ("reference", "near", "far"):
            copy = folder / name / video.name
            if not copy.exists():
                copy.write_bytes(video.read_bytes())
                if name != "reference":
                    _remux(copy, name)
    return folder / "reference", [folder / "near", folder / "far"], "mediapipe"


def _remux(path: Path, comment: str) -> None:
    """The same pictures in a file of other bytes, so that nothing of the reference's is reused."""
    with path.open("ab") as stream:
        stream.write(len(comment).to_bytes(4) + b"free" + comment.encode())
