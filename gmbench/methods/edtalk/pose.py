"""Head pose from sound: a normalizing flow of the pose's weights, frame by frame; EDTalk, section 3.3, eqs. 13, 14."""

from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from gmbench.methods.edtalk.checkpoints import CHECKPOINTS
from gmbench.methods.edtalk.settings import PoseMotion
from gmbench.methods.scaling import Scale
from gmbench.methods.track_windows import audio_windows
from gmbench.nn.conditional_flow import ConditionalFlow, follow_itself
from gmbench.nn.mixtures import LOG_2PI


class _Condition(nn.Module):
    """Scale and shift of a coupling from its kept half and the sound; zero at the start."""

    def __init__(self, size: int, width: int) -> None:
        super().__init__()
        half = size // 2
        self.layers = nn.Sequential(nn.Linear(half + width, width), nn.GELU(), nn.Linear(width, 2 * (size - half)))
        nn.init.zeros_(self.layers[-1].weight)
        nn.init.zeros_(self.layers[-1].bias)

    def forward(self, kept: Tensor, sound: Tensor) -> Tensor:
        """(N, 2 |v|)."""
        return self.layers(torch.cat([kept, sound], 1))


class PoseGenerator(nn.Module):
    """Standardised weights of the pose (N, D) under the sound around their frames.

    Args:
        settings: sizes; ``mean`` is a regression without a latent.
        audio_dim: features a frame.
        size: D.
    """

    def __init__(self, settings: PoseMotion, audio_dim: int, size: int) -> None:
        super().__init__()
        self.settings, self.size = settings, size
        s = settings
        frames = 2 * s.audio_halfwidth + 1
        self.sound = nn.Sequential(
            nn.Flatten(), nn.Linear(frames * audio_dim, s.width), nn.GELU(), nn.Linear(s.width, s.width)
        )
        self.mean = nn.Linear(s.width, size) if s.kind == "mean" else None
        self.flow = ConditionalFlow(size, s.steps, lambda: _Condition(size, s.width)) if s.kind == "flow" else None

    def log_likelihood(self, x: Tensor, windows: Tensor) -> Tensor:
        """log p(x | sound) (N,) in nats; eq. 13 with its log-determinants. Windows are (N, 2h + 1, a)."""
        z, log_det = self.encode(x, windows)
        return -0.5 * (self.size * LOG_2PI + z.square().sum(1)) + log_det

    def encode(self, x: Tensor, windows: Tensor) -> tuple[Tensor, Tensor]:
        """Latents (N, D) and log-determinants (N,)."""
        if self.flow is None:
            raise ValueError("a regression has no latents")
        return self.flow(x, self.sound(windows), _no_class(x))

    def decode(self, z: Tensor, windows: Tensor) -> Tensor:
        """(N, D) of latents (N, D); of the sound alone where there is no flow."""
        sound = self.sound(windows)
        if self.flow is None:
            return sound.new_zeros(len(sound), self.size) if self.mean is None else self.mean(sound)
        return self.flow.inverse(z, sound, _no_class(z))


def _no_class(x: Tensor) -> Tensor:
    return torch.zeros(len(x), dtype=torch.int64, device=x.device)


class PoseSampler:
    """Tracks of the pose from sound; raises WeightsError where ``posemotion`` is missing or another's."""

    def __init__(self, path: Path) -> None:
        self.facts = CHECKPOINTS.read_facts(path, "posemotion")
        settings = PoseMotion.model_validate(self.facts["settings"])
        self.network = PoseGenerator(settings, self.facts["audio_dim"], self.facts["size"])
        constants = CHECKPOINTS.load_weights(path, self.network)
        self.scale = Scale(constants["mean"], constants["deviation"])
        self._axes = constants.get("axes")

    @torch.inference_mode()
    def sample(self, audio: NDArray[np.float32], seed: int, temperature: float, persistence: float) -> Tensor:
        """Weights (T, D) relative to a clip's mean, of features (T, a)."""
        generator = torch.Generator().manual_seed(seed)
        noise = follow_itself(torch.randn(len(audio), self.network.size, generator=generator), persistence)
        windows = audio_windows(torch.from_numpy(audio), self.network.settings.audio_halfwidth)
        found = self.network.decode(temperature * noise, windows)
        track = self.scale.restore(found.numpy())
        return torch.from_numpy(track if self._axes is None else track @ self._axes)
