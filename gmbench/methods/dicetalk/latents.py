"""Pictures as latents and back: a small code of overlapping patches, or Stable Video Diffusion's autoencoder."""

from pathlib import Path
from typing import Any, Protocol

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import Tensor, nn

from gmbench.errors import WeightsError
from gmbench.extras import extra
from gmbench.methods.dicetalk.checkpoints import CHECKPOINTS
from gmbench.methods.dicetalk.settings import Vae
from gmbench.nn.lapped import border_mixing
from gmbench.nn.pictures import to_signed
from gmbench.store import file_digest

PATCH = 8
SVD_FACTOR = 0.18215
"""Of Stable Video Diffusion's latents, for unit variance."""
CHUNK = 8
"""Frames that Stable Video Diffusion's autoencoder takes at once."""


class LatentCode(Protocol):
    """Encoder and decoder of pictures (B, 3, S, S) in [-1, 1] and latents (B, c, S / 8, S / 8) of unit variance."""

    settings: Vae

    @property
    def device(self) -> torch.device:
        """Where its weights lie."""
        ...

    def encode(self, pictures: Tensor) -> Tensor:
        """Latents of pictures."""
        ...

    def decode(self, latents: Tensor) -> Tensor:
        """Pictures of latents."""
        ...


class LappedCode(nn.Module):
    """Leading principal components of patches of 8 that overlap, and convolutions that add to them on both sides.

    The patches' transform is orthonormal, so that noise on latents is as much noise on pictures, and without edges. The
    last convolutions start at zero: without training the code is linear.
    """

    mixing: Tensor
    mean: Tensor
    components: Tensor
    latent_mean: Tensor
    latent_deviation: Tensor

    def __init__(self, settings: Vae) -> None:
        super().__init__()
        self.settings = settings
        inputs, c, width = 3 * PATCH**2, settings.channels, settings.width
        self.register_buffer("mixing", border_mixing(settings.side, PATCH))
        self.register_buffer("mean", torch.zeros(inputs))
        self.register_buffer("components", torch.eye(inputs)[:c].clone())
        self.register_buffer("latent_mean", torch.zeros(c))
        self.register_buffer("latent_deviation", torch.ones(c))
        self.before, self.after = _refinement(inputs, width, c), _refinement(c, width, inputs)

    @property
    def device(self) -> torch.device:
        """Where its weights lie."""
        return self.mean.device

    @torch.no_grad()
    def fit(self, pictures: Tensor) -> None:
        """Components of the patches of pictures (N, 3, S, S)."""
        rows = self._patches(pictures).movedim(1, -1).flatten(0, 2).double()  # (N s s, 192)
        mean = rows.mean(0)
        vectors = torch.linalg.eigh((rows - mean).T @ (rows - mean)).eigenvectors.flip(1).T
        largest = vectors.gather(1, vectors.abs().argmax(1, keepdim=True))
        self.mean.copy_(mean)
        self.components.copy_((vectors * largest.sign())[: self.settings.channels])

    @torch.no_grad()
    def standardise(self, pictures: Tensor) -> None:
        """Give each channel of the latents of pictures (N, 3, S, S) mean 0 and variance 1."""
        raw = self._raw(pictures).movedim(1, -1).flatten(0, 2)
        self.latent_mean.copy_(raw.mean(0))
        self.latent_deviation.copy_(raw.std(0).clamp_min(1e-4))

    def encode(self, pictures: Tensor) -> Tensor:
        """(B, c, s, s)."""
        return (self._raw(pictures) - _over(self.latent_mean)) / _over(self.latent_deviation)

    def decode(self, latents: Tensor) -> Tensor:
        """(B, 3, S, S)."""
        raw = latents * _over(self.latent_deviation) + _over(self.latent_mean)
        patches = torch.einsum("cp,bchw->bphw", self.components, raw) + _over(self.mean) + self.after(raw)
        return self.mixing.T @ F.pixel_shuffle(patches, PATCH) @ self.mixing

    def forward(self, pictures: Tensor) -> Tensor:
        """Reconstructions."""
        return self.decode(self.encode(pictures))

    def _raw(self, pictures: Tensor) -> Tensor:
        patches = self._patches(pictures)
        return torch.einsum("cp,bphw->bchw", self.components, patches - _over(self.mean)) + self.before(patches)

    def _patches(self, pictures: Tensor) -> Tensor:
        return F.pixel_unshuffle(self.mixing @ pictures @ self.mixing.T, PATCH)


class StableVideoCode(nn.Module):
    """Stable Video Diffusion's autoencoder, frozen: diffusers' AutoencoderKLTemporalDecoder of the user's folder.

    Raises:
        WeightsError: no such folder, or files of something else.
    """

    def __init__(self, settings: Vae) -> None:
        super().__init__()
        self.settings = settings
        with extra("train"):
            from diffusers import AutoencoderKLTemporalDecoder
        self.network = load_part(AutoencoderKLTemporalDecoder, Path(settings.folder), "vae")
        self.network.eval().requires_grad_(False)

    @property
    def device(self) -> torch.device:
        """Where its weights lie."""
        return torch.device(self.network.device)

    def encode(self, pictures: Tensor) -> Tensor:
        """(B, 4, s, s): modes of the posterior."""
        parts = [self.network.encode(rows).latent_dist.mode() for rows in pictures.split(CHUNK)]
        return SVD_FACTOR * torch.cat(parts)

    def decode(self, latents: Tensor) -> Tensor:
        """(B, 3, S, S) of latents that follow one another in a video."""
        parts = [self.network.decode(rows, num_frames=len(rows)).sample for rows in (latents / SVD_FACTOR).split(CHUNK)]
        return torch.cat(parts)

    def forward(self, pictures: Tensor) -> Tensor:
        """Reconstructions."""
        return self.decode(self.encode(pictures))


def load_part(kind: Any, folder: Path, part: str) -> Any:
    """A network of diffusers or transformers from a part of Stable Video Diffusion's folder; nothing is fetched.

    Raises:
        WeightsError: no such folder, or files of something else.
    """
    if not (folder / part / "config.json").is_file():
        raise WeightsError(
            f"{folder / part}: no {kind.__name__} here; put Stable Video Diffusion there as diffusers saves it, "
            f"with {part}/config.json and its weights"
        )
    try:
        return kind.from_pretrained(folder / part, local_files_only=True)
    except (OSError, ValueError, RuntimeError, KeyError) as error:
        raise WeightsError(f"{folder / part}: {kind.__name__} cannot be loaded ({error})") from error


def part_digest(folder: str, part: str) -> str:
    """Digest of the files of a part of the user's folder (of itself for ``""``); empty where there are none."""
    path = Path(folder) / part
    return file_digest(path) if folder and path.is_dir() else ""


def new_code(settings: Vae) -> LappedCode | StableVideoCode:
    """The autoencoder that the settings name."""
    return StableVideoCode(settings) if settings.codec == "vae" else LappedCode(settings)


def load_code(path: Path) -> LappedCode | StableVideoCode:
    """The autoencoder of its file, frozen.

    Raises:
        WeightsError: the file is missing or another's, or Stable Video Diffusion's folder changed since.
    """
    facts = CHECKPOINTS.read_facts(path, "vae")
    settings = Vae.model_validate(facts["settings"])
    if settings.codec == "vae":
        if part_digest(settings.folder, "vae") != facts["weights"]:
            raise WeightsError(f"{settings.folder}/vae: not the autoencoder that DICE-Talk was trained with")
        return StableVideoCode(settings)
    code = LappedCode(settings)
    CHECKPOINTS.load_weights(path, code)
    return code


@torch.inference_mode()
def encode_bytes(code: LatentCode, frames: NDArray[np.uint8]) -> Tensor:
    """Latents (N, c, s, s) of frames (N, S, S, 3), on the code's device."""
    return code.encode(to_signed(torch.from_numpy(np.ascontiguousarray(frames))).to(code.device))


def _refinement(inputs: int, width: int, outputs: int) -> nn.Sequential:
    last = nn.Conv2d(width, outputs, 3, padding=1)
    nn.init.zeros_(last.weight)
    nn.init.zeros_(last.bias)
    return nn.Sequential(nn.Conv2d(inputs, width, 3, padding=1), nn.SiLU(), last)


def _over(values: Tensor) -> Tensor:
    return values[:, None, None]
