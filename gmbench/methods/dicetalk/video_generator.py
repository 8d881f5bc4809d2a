"""The trained networks together: sound, picture and prior to frames."""

from collections.abc import Iterator
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from gmbench.devices import using
from gmbench.media import Audio, Frames, Video
from gmbench.methods.dicetalk.checkpoints import CHECKPOINTS
from gmbench.methods.dicetalk.denoiser import Denoiser, pooled_latent
from gmbench.methods.dicetalk.frame_rate import doubled
from gmbench.methods.dicetalk.latents import encode_bytes, load_code
from gmbench.methods.dicetalk.picture_tokens import PictureEmbedder
from gmbench.methods.dicetalk.prior_reader import load_priors
from gmbench.methods.dicetalk.sampler import LatentSampler, VideoConditions, latent_frames, rescaled
from gmbench.methods.dicetalk.settings import Bank, Diffusion, Sampling, Unet
from gmbench.methods.dicetalk.speech import Listener
from gmbench.methods.pictures import resize
from gmbench.methods.scaling import Scale
from gmbench.nn.pictures import to_bytes

DECODED = 4
"""Latents that are decoded at once."""


class VideoGenerator:
    """Draws videos; raises WeightsError where a file of the folder is missing or another's.

    Args:
        folder: of ``vae``, ``embedder`` and ``diffusion``.
        sampling: how videos are drawn.
        device: of autoencoder and denoiser; the embedder of emotions is small and stays on the CPU.
    """

    def __init__(self, folder: Path, sampling: Sampling, device: torch.device) -> None:
        self.device = device
        self.code = load_code(folder / "vae.safetensors").to(device)
        self.side = self.code.settings.side
        self.priors, self.prompts, embedder = load_priors(folder / "embedder.safetensors")
        self.emotions: list[str] = embedder["emotions"]
        path = folder / "diffusion.safetensors"
        facts = CHECKPOINTS.read_facts(path, "diffusion")
        self.facts = facts
        settings, bank = Diffusion.model_validate(facts["settings"]), Bank.model_validate(facts["bank"])
        sizes: dict[str, Any] = {name: facts[name] for name in ("channels", "sound", "picture", "prior")}
        unet = Unet.model_validate(facts["unet"])
        network = Denoiser(settings, bank, unet, **sizes, classes=max(1, len(facts["classes"])))
        constants = CHECKPOINTS.load_weights(path, network)
        self.spread, self.box = (torch.from_numpy(constants[name]).to(device) for name in ("spread", "box"))
        self.residual = settings.latent == "residual"
        speech = Scale(constants["speech.mean"], constants["speech.deviation"])
        self.sampler = LatentSampler(
            network.to(device), speech, sampling, settings.window, self.residual, bank.null == "bank"
        )

    @cached_property
    def listener(self) -> Listener:
        """Makes speech states."""
        with using(str(self.device)):
            return Listener(self.facts["speech"])

    @cached_property
    def embedder(self) -> PictureEmbedder | None:
        """CLIP of the user's folder; None where the token is made of the latent."""
        return None if self.facts["clip"] is None else PictureEmbedder.load(self.facts["clip"], self.device)

    def conditions(self, source: Frames, audio: Audio, frames: int, priors: Tensor, first: int = 0) -> VideoConditions:
        """Conditions of a video.

        Args:
            source: (S, S, 3) picture of the person.
            audio: the whole sound, of so many ``frames`` at 25 per second.
            frames: of the sound.
            priors: (n, d_s), one a latent frame of the video.
            first: latent frame of the sound that is the video's first.
        """
        reference = encode_bytes(self.code, resize(source, self.side)[None])
        picture = pooled_latent(reference) if self.embedder is None else self.embedder.of_pictures(source[None])
        speech = self.listener.of_sound(audio, frames)
        return VideoConditions(reference[0], picture[0], speech, priors.to(self.device), self.box, first)

    def frames(
        self, video: VideoConditions, count: int, seed: int, temperature: float, options: dict[str, float]
    ) -> Iterator[NDArray[np.uint8]]:
        """So many frames (S, S, 3) at 25 per second; the latents are drawn when the first is asked for."""
        sampler = rescaled(self.sampler, options)
        latents = sampler.draw(video, seed, temperature)
        yield from doubled(self.pictures(latents, video.reference), count, sampler.settings.between)

    def pictures(self, latents: Tensor, reference: Tensor) -> Iterator[NDArray[np.uint8]]:
        """Pictures (S, S, 3) of drawn latents (n, c, H, W), decoded a few at a time."""
        for rows in latents.split(DECODED):
            with torch.inference_mode():
                full = rows * self.spread[:, None, None] + reference if self.residual else rows
                drawn = to_bytes(self.code.decode(full)).cpu().numpy()
            yield from drawn

    def reconstructed(self, path: Path) -> Iterator[NDArray[np.uint8]]:
        """A video's own frames through the autoencoder alone."""
        batch: list[NDArray[np.uint8]] = []
        for frame in Video(path):
            batch.append(resize(frame, self.side))
            if len(batch) == DECODED:
                yield from self._through(batch)
                batch = []
        if batch:
            yield from self._through(batch)

    def middle(self, frames: int) -> tuple[int, int, int]:
        """A window around the middle of a sound: its first latent frame, its length, and the middle's place in it."""
        total = latent_frames(frames)
        length = min(self.sampler.window, total)
        first = (total - length) // 2
        return first, length, total // 2 - first

    def _through(self, frames: list[NDArray[np.uint8]]) -> NDArray[np.uint8]:
        with torch.inference_mode():
            return np.asarray(to_bytes(self.code.decode(encode_bytes(self.code, np.stack(frames)))).cpu().numpy())
