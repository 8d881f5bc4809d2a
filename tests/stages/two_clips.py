"""Two clips of one speaker, which several tests of the stages run on."""

from gmbench.datasets.manifest import ClipRow

FRAMES, SIDE = 6, 32


def rows():
    return [ClipRow(f"d/S/{e}/1/0", "d", "S", e, 1, "0", f"{e}.mp4", "", 0, FRAMES) for e in ("happy", "sad")]
