"""Peak memory of an evaluation of a 20-s and of a 200-s clip, each in a process of its own."""

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from gmbench.corpus.sketch import draw_clip, imitate
from gmbench.face.faces import SIDECAR_SUFFIX
from gmbench.media import Video, write_video

_CHILD = """
import sys
from gmbench.commands.app import main
sys.argv = ["gmbench", *sys.argv[1:]]
try:
    main()
finally:
    # not getrusage: its maximum includes what the parent held when it started this process
    peak = next(line for line in open("/proc/self/status") if line.startswith("VmHWM"))
    print("PEAK", int(peak.split()[1]) / 1024, file=sys.stderr)
"""


def measure(folder: Path, clips: Path | None) -> Iterator[tuple[str, str, str]]:
    peaks = {}
    for seconds in (20, 200):
        base = folder / f"memory{seconds}"
        for side in ("reference", "near"):
            _long_clip(base / side / "clip.mp4", side, seconds)
        command = [
            sys.executable, "-c", _CHILD, "eval", "--videos", str(base / "near"), "--reference",
            str(base / "reference"), "--landmarks", "sidecar", "--store",
            str(base / "store"), "--out", str(base / "out"),
        ]  # fmt: skip
        done = subprocess.run(command, capture_output=True, text=True, check=True)
        peaks[seconds] = float(next(line for line in done.stderr.splitlines() if "PEAK" in line).split()[1])
    yield "peak memory, 20-s clip", f"{peaks[20]:.0f} MiB", ""
    yield "peak memory, 200-s clip", f"{peaks[200]:.0f} MiB: {100 * (peaks[200] / peaks[20] - 1):+.0f} %", "<= +10 %"


def _long_clip(path: Path, side: str, seconds: int) -> None:
    """A four-second sketch repeated to the length."""
    real = draw_clip(0, 0, seconds=4.0, size=256)
    sketch = real if side == "reference" else imitate(real, "near", 0)
    path.parent.mkdir(parents=True)
    piece = path.with_name("piece.mp4")
    write_video(piece, sketch.frames())
    times = seconds // 4
    write_video(path, (f for _ in range(times) for f in Video(piece)), np.tile(sketch.audio, times))
    piece.unlink()
    np.savez(path.with_name(path.stem + SIDECAR_SUFFIX), points=np.tile(sketch.landmarks(), (times, 1, 1)))
