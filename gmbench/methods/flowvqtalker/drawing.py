"""The image generator and the codebook, loaded: coefficients and a source picture to frames."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

from gmbench.devices import current
from gmbench.media import Frames, Video
from gmbench.methods.expression_code import ExpressionCode
from gmbench.methods.flowvqtalker.checkpoints import CHECKPOINTS
from gmbench.methods.flowvqtalker.image_generator import ImageGenerator, motion_windows
from gmbench.methods.flowvqtalker.image_training import encode_motion
from gmbench.methods.flowvqtalker.picture_code import PictureCode
from gmbench.methods.flowvqtalker.settings import Codebook, Vqig
from gmbench.methods.pictures import resize
from gmbench.methods.scaling import Scale
from gmbench.nn.pictures import to_bytes, to_signed

BATCH = 8
"""Frames that are drawn at once."""


@dataclass(frozen=True)
class Source:
    """A source picture (H, W, 3) with its own expression (169,) and motion (12,)."""

    picture: Frames
    beta: NDArray[np.float32]
    rho: NDArray[np.float32]


class Painter:
    """Draws frames, on the current device; raises WeightsError where ``vqig`` of the folder is missing or another's."""

    def __init__(self, folder: Path) -> None:
        path = folder / "vqig.safetensors"
        facts = CHECKPOINTS.read_facts(path, "vqig")
        code = PictureCode(Codebook.model_validate(facts["codebook"]))
        self.generator = ImageGenerator(code, Vqig.model_validate(facts["settings"]))
        constants = CHECKPOINTS.load_weights(path, self.generator)
        self.device = torch.device(current())
        self.generator.to(self.device)
        self.code = ExpressionCode.of_constants(constants)
        self.pose = Scale(constants["pose.mean"], constants["pose.deviation"])
        self.side = code.settings.side

    def motion(self, source: Source, beta: NDArray[np.float32], rho: NDArray[np.float32]) -> torch.Tensor:
        """(T, 70): what the image generator is asked for by expressions (T, 169) and motion (T, 12)."""
        asked = encode_motion(beta, rho, self.code, self.pose)
        if self.generator.settings.relative:
            asked = asked - encode_motion(source.beta[None], source.rho[None], self.code, self.pose)
        return asked

    def frames(
        self, source: Source, beta: NDArray[np.float32], rho: NDArray[np.float32]
    ) -> Iterator[NDArray[np.uint8]]:
        """Frames (S, S, 3) of a source picture moved by expressions (T, 169) and motion (T, 12), a few at a time."""
        motion = self.motion(source, beta, rho)
        with torch.inference_mode():
            picture = self._signed([resize(source.picture, self.side)])
            codes = self.generator.source_codes(picture)
        for first in range(0, len(motion), BATCH):
            stop = min(len(motion), first + BATCH)
            with torch.inference_mode():
                count = stop - first
                window = motion_windows(motion, first, stop).to(self.device)
                drawn = self.generator(picture.expand(count, -1, -1, -1), window, codes.expand(count, -1, -1, -1))
                pictures = to_bytes(drawn.picture).cpu().numpy()
            yield from pictures

    def reconstructed(self, video: Path) -> Iterator[NDArray[np.uint8]]:
        """A video's own frames through encoder, codebook and decoder alone."""
        batch: list[NDArray[np.uint8]] = []
        for frame in Video(video):
            batch.append(frame)
            if len(batch) == BATCH:
                yield from self.reconstruct(batch)
                batch = []
        if batch:
            yield from self.reconstruct(batch)

    def reconstruct(self, frames: Sequence[NDArray[np.uint8]]) -> NDArray[np.uint8]:
        """Pictures (N, S, S, 3) through encoder, codebook and decoder alone; of other sides they are resized."""
        with torch.inference_mode():
            pictures = self.generator.code(self._signed([resize(frame, self.side) for frame in frames]))[0]
            return np.asarray(to_bytes(pictures).cpu().numpy())

    def _signed(self, frames: list[NDArray[np.uint8]]) -> torch.Tensor:
        return to_signed(torch.from_numpy(np.stack(frames)).to(self.device))
