"""From conditions to latents of a video of any length: guided Euler steps over windows that move; section 4.1."""

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from gmbench.methods.dicetalk.denoiser import Conditions, Denoiser
from gmbench.methods.dicetalk.settings import Sampling
from gmbench.methods.dicetalk.speech import SpeechStates
from gmbench.methods.dicetalk.windows import STRIDE, heard
from gmbench.methods.scaling import Scale
from gmbench.nn.diffusion import circle_length, euler_step, guided, noise_levels, window_places

CHUNK = 8
"""Windows that are denoised at once."""


@dataclass(frozen=True)
class VideoConditions:
    """What a whole video is generated under.

    Attributes:
        reference: (c, H, W) latent of the source picture.
        picture: (p,) what its token is made of.
        speech: states of the whole sound.
        priors: (n, d_s) emotion prior of each latent frame; a window has the mean of its own.
        box: (4,) face, in shares of the picture.
        first: latent frame of the sound that is the video's first.
    """

    reference: Tensor
    picture: Tensor
    speech: SpeechStates
    priors: Tensor
    box: Tensor
    first: int = 0


class LatentSampler:
    """Draws latents.

    Args:
        network: the denoiser, in evaluation mode.
        speech: scale of the speech states.
        settings: steps, scales, windows.
        window: frames of a window.
        residual: whether differences to the reference are denoised; else noise is added to the reference.
        null_bank: see :class:`gmbench.methods.dicetalk.settings.Bank`.
    """

    def __init__(
        self, network: Denoiser, speech: Scale, settings: Sampling, window: int, residual: bool, null_bank: bool
    ) -> None:
        self.network, self.speech, self.settings = network, speech, settings
        self.window, self.residual, self.null_bank = window, residual, null_bank

    @torch.inference_mode()
    def draw(self, video: VideoConditions, seed: int, temperature: float = 1.0) -> Tensor:
        """Latents (n, c, H, W), or differences to the reference's.

        Args:
            video: conditions; the number of priors is n.
            seed: of the noise.
            temperature: what the first noise is multiplied by.
        """
        s, frames = self.settings, len(video.priors)
        length = circle_length(frames, self.window)
        device = video.reference.device
        levels = noise_levels(s.steps, s.highest, s.lowest).to(device)
        noise = torch.randn(length, *video.reference.shape, generator=torch.Generator().manual_seed(seed))
        x = levels[0] * temperature * noise.to(device)
        if not self.residual:
            x = x + video.reference
        for step in range(s.steps):
            windows = window_places(frames, self.window, s.shift, step)
            estimate = torch.zeros_like(x)
            for first in range(0, len(windows), CHUNK):
                places = torch.stack(windows[first : first + CHUNK])  # (B, N)
                estimate[places] = self.estimate(x[places], levels[step], self._conditions(video, places))
            seen = torch.cat(windows)
            x[seen] = euler_step(x[seen], estimate[seen], levels[step], levels[step + 1])
        return x[:frames]

    def estimate(self, x: Tensor, sigma: Tensor, conditions: Conditions) -> Tensor:
        """Guided estimate of windows (B, N, c, H, W): three passes, or four where emotion has a scale of its own."""
        s = self.settings
        passes = [(False, False, False), (False, True, False), (True, True, True)]
        scales = [s.picture_guidance, s.guidance]
        if s.emotion_guidance is not None:
            passes.insert(2, (True, True, False))
            scales.append(s.emotion_guidance)
        results = [
            self.network(
                x, sigma.expand(len(x)), conditions.keeping(*kept), all_entries=True, null_bank=self.null_bank
            ).estimate
            for kept in passes
        ]
        return guided(results, scales)

    def _conditions(self, video: VideoConditions, places: Tensor) -> Conditions:
        """Conditions of windows at places (B, N) of the circle; there is no sound beyond the video's frames."""
        frames, count = len(video.priors), len(places)
        device = video.reference.device
        beyond = len(video.speech.values) + len(places.flatten()) + 50
        asked = torch.where(places < frames, STRIDE * (places + video.first), beyond)
        sound = torch.stack([heard(video.speech, row, self.speech) for row in asked.numpy()]).to(device)
        inside = places.clamp_max(frames - 1)
        weights = (places < frames).float()[..., None].to(device)
        priors = (video.priors[inside] * weights).sum(1) / weights.sum(1)
        numbers = torch.tensor(self.settings.motion, device=device).expand(count, 2)
        return Conditions(
            video.reference.expand(count, -1, -1, -1), video.picture.expand(count, -1), sound, priors,
            video.box.expand(count, 4), numbers,
        )  # fmt: skip


def with_options(settings: Sampling, options: dict[str, float]) -> Sampling:
    """Sampling with what a request changes: ``guidance``, ``emotion_guidance``, ``steps``."""
    return Sampling.model_validate(settings.model_dump() | options)


def latent_frames(frames: int) -> int:
    """Latent frames of a video of so many frames: every second one."""
    return -(-frames // STRIDE)


def moving_priors(first: Tensor, last: Tensor, frames: int) -> Tensor:
    """Priors (n, d) on the line between two (1, d), in equal steps."""
    share = torch.from_numpy(np.linspace(0, 1, frames, dtype=np.float32))[:, None]
    return (1 - share) * first + share * last


def rescaled(sampler: LatentSampler, options: dict[str, float]) -> LatentSampler:
    """The sampler with what a request changes."""
    return LatentSampler(
        sampler.network, sampler.speech, with_options(sampler.settings, options), sampler.window, sampler.residual,
        sampler.null_bank,
    )  # fmt: skip
