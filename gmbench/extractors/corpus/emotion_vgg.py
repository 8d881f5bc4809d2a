"""The corpus-trained emotion network of E-PPL, as :class:`gmbench.extractors.trunks.EmotionTrunk` is for real faces."""

from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

from gmbench.extractors.corpus.networks import SIDE, as_input, read
from gmbench.metrics.perceptual import layer_distance


class CorpusEmotionVgg:
    """Perceptual distance and emotion of 64-pixel chips."""

    side = SIDE

    def __init__(self, path: Path, device: str = "cpu") -> None:
        self._network, self._device = read(path, "emotion_vgg").to(device), device

    def distances(self, chips: NDArray[np.uint8]) -> NDArray[np.float64]:
        """Mean over layers of the distances (N - 1,) of neighbours among RGB chips (N, 64, 64, 3)."""
        with torch.inference_mode():
            maps = [self._network.maps(self._input(chip)) for chip in chips]
        pairs = zip(maps[:-1], maps[1:], strict=True)
        return np.array([np.mean([float(layer_distance(f, g)) for f, g in zip(a, b, strict=True)]) for a, b in pairs])

    def recognise(self, chip: NDArray[np.uint8]) -> int:
        """Index of the emotion in the suite's order."""
        with torch.inference_mode():
            return int(self._network(self._input(chip)).argmax())

    def _input(self, chip: NDArray[np.uint8]) -> torch.Tensor:
        return as_input(torch.from_numpy(np.ascontiguousarray(chip[None])).to(self._device))
