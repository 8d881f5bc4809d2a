"""The weights of the texture network, made here: Laws' 25 masks, small whole numbers, hence the same bytes everywhere.

``python -m my_metric.filters`` writes the file into gmbench's weights folder. Licence of the weights: CC0-1.0.
"""

import sys
from pathlib import Path

import numpy as np

from gmbench.weights.files import folder

FILE = "my_texture.npy"
_PROFILES = ((1, 4, 6, 4, 1), (-1, -2, 0, 2, 1), (-1, 0, 2, 0, -1), (-1, 2, 0, -2, 1), (1, -4, 6, -4, 1))
"""Level, edge, spot, wave, ripple. Source: Laws 1980."""


def write(directory: Path) -> Path:
    """Write the masks (25, 5, 5) as an int8 array; returns the file."""
    masks = np.array([np.outer(rows, columns) for rows in _PROFILES for columns in _PROFILES], np.int8)
    directory.mkdir(parents=True, exist_ok=True)
    np.save(directory / FILE, masks)
    return directory / FILE


if __name__ == "__main__":
    sys.stdout.write(f"{write(folder())}\n")
