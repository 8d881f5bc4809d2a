"""Small trees in the layouts of the datasets."""

import shutil
from pathlib import Path

import numpy as np

from gmbench.media import write_audio, write_video

LFS = b"version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 1\n"


def sound(seconds, level=3000):
    t = np.arange(int(16000 * seconds)) / 16000
    return (level * np.sin(2 * np.pi * 220 * t)).astype(np.int16)


def clip(folder: Path, seconds=1.2, audio=None):
    """One short video to copy from."""
    path = folder / "clip.mp4"
    frames = [np.full((32, 32, 3), 8 * t % 256, np.uint8) for t in range(int(25 * seconds))]
    write_video(path, frames, audio)
    return path


def put(source: Path, *targets: Path):
    for target in targets:
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(source, target)


def voice(path: Path, seconds=1.2, level=3000):
    path.parent.mkdir(parents=True, exist_ok=True)
    write_audio(path, sound(seconds, level))
    return path
