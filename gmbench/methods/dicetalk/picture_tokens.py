"""CLIP's embedding of a picture, which Stable Video Diffusion attends to."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from gmbench.errors import WeightsError
from gmbench.extras import extra
from gmbench.methods.dicetalk.latents import load_part, part_digest
from gmbench.methods.pictures import resize

MEAN = (0.48145466, 0.4578275, 0.40821073)
DEVIATION = (0.26862954, 0.26130258, 0.27577711)
"""Of CLIP's training pictures, by channel."""
CHUNK = 16


class PictureEmbedder:
    """CLIP's vision network with its projection, of the user's folder.

    Args:
        folder: of Stable Video Diffusion, with the part ``image_encoder``.
        device: of the network.

    Raises:
        WeightsError: no such network there.
    """

    def __init__(self, folder: str, device: torch.device) -> None:
        with extra("train"):
            from transformers import CLIPVisionModelWithProjection
        self._network = load_part(CLIPVisionModelWithProjection, Path(folder), "image_encoder")
        self._network.eval().requires_grad_(False).to(device)
        self.folder, self.weights = folder, part_digest(folder, "image_encoder")

    @classmethod
    def load(cls, facts: Mapping[str, Any], device: torch.device) -> "PictureEmbedder":
        """The network that training used; raises WeightsError where it is gone or another's."""
        embedder = cls(facts["folder"], device)
        if embedder.weights != facts["weights"]:
            raise WeightsError(f"{facts['folder']}/image_encoder: not the CLIP that DICE-Talk was trained with")
        return embedder

    def facts(self) -> dict[str, str]:
        """What a loader must agree with."""
        return {"folder": self.folder, "weights": self.weights}

    @torch.inference_mode()
    def of_pictures(self, pictures: NDArray[np.uint8]) -> Tensor:
        """Embeddings (B, p) of pictures (B, S, S, 3)."""
        side = int(self._network.config.image_size)
        mean, deviation = (torch.tensor(values)[:, None, None] for values in (MEAN, DEVIATION))
        parts = []
        for rows in np.array_split(pictures, -(-len(pictures) // CHUNK)):
            small = torch.from_numpy(np.stack([resize(picture, side) for picture in rows]))
            scaled = (small.permute(0, 3, 1, 2).float() / 255 - mean) / deviation
            parts.append(self._network(pixel_values=scaled.to(self._network.device)).image_embeds)
        return torch.cat(parts).float()
