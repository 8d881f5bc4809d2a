"""Pictures in files: a folder of numbered images is a video too."""

from pathlib import Path

import cv2
import numpy as np

from gmbench.errors import MediaError
from gmbench.media.files import check_file
from gmbench.media.formats import Frames
from gmbench.media.frame_folder import frame_names

_WITH_ALPHA = (".png", ".webp", ".tif", ".tiff")


def image_files(folder: Path) -> list[Path]:
    """Frames of a folder of images, in natural order (2 before 10); stray pictures are left out.

    Raises:
        MediaError: which of the pictures are frames, or in which order, cannot be told from their names.
    """
    names = frame_names(path.name for path in folder.iterdir() if path.is_file())
    if names.problem:
        raise MediaError(f"{folder}: {names.problem} Leave one numbered series in the folder")
    return [folder / name for name in names.frames]


def read_image_with_alpha(path: Path) -> tuple[Frames, bool]:
    """Read a picture as RGB (H, W, 3), and whether some pixel of it is not opaque; raises MediaError."""
    picture = read_image(path)
    if path.suffix.lower() not in _WITH_ALPHA:
        return picture, False
    with path.open("rb") as stream:
        head = stream.read(26)
    if head[:4] == b"\x89PNG" and head[25] not in (4, 6):  # types of colour without alpha
        return picture, False
    stored = cv2.imread(str(path), cv2.IMREAD_UNCHANGED)
    if stored is None or stored.ndim != 3 or stored.shape[2] != 4:
        return picture, False
    return picture, bool(stored[..., 3].min() < np.iinfo(stored.dtype).max)


def read_image(path: Path) -> Frames:
    """Read a picture as RGB (H, W, 3); raises MediaError."""
    check_file(path)
    picture = cv2.imread(str(path), cv2.IMREAD_COLOR)
    if picture is None:
        raise MediaError(f"{path}: not a readable image")
    return np.asarray(cv2.cvtColor(picture, cv2.COLOR_BGR2RGB), np.uint8)
