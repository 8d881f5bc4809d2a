"""Embeddings of a lip reader, from a TorchScript program that the user exported."""

from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

_MEAN, _DEVIATION = 0.421, 0.165
"""Of grey levels from 0 to 1, as Auto-AVSR takes them."""


def lip_embeddings(network: Any, mouths: NDArray[np.uint8]) -> NDArray[np.float32]:
    """(T, d) of grey mouths (T, 88, 88) of one clip; the program takes (1, 1, T, 88, 88) and gives (1, T, d)."""
    x = (torch.from_numpy(np.ascontiguousarray(mouths)).float() / 255 - _MEAN) / _DEVIATION
    with torch.inference_mode():
        found = network(x[None, None])
    return np.asarray((found[0] if isinstance(found, tuple) else found).reshape(len(mouths), -1).float().numpy())
