"""Pictures in files: a folder of numbered images is a video too."""

from pathlib import Path

import cv2
import numpy as np

from gmbench.errors import MediaError
from gmbench.media.files import check_file
from gmbench.media.formats import IMAGE_SUFFIXES, Frames


def image_files(folder: Path) -> list[Path]:
    """Images of a folder in natural order (2 before 10)."""
    files = [p for p in folder.iterdir() if p.suffix.lower() in IMAGE_SUFFIXES and not p.name.startswith(".")]
    return sorted(files, key=lambda p: (len(p.stem), p.stem) if p.stem.isdigit() else (0, p.stem))


def read_image(path: Path) -> Frames:
    """Read a picture as RGB (H, W, 3); raises MediaError."""
    check_file(path)
    picture = cv2.imread(str(path), cv2.IMREAD_COLOR)
    if picture is None:
        raise MediaError(f"{path}: not a readable image")
    return np.asarray(cv2.cvtColor(picture, cv2.COLOR_BGR2RGB), np.uint8)
