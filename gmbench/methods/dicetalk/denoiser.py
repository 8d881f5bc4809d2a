"""The denoiser with all that conditions it: bank, sound and picture tokens, face box, and the emotion classifier."""

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from gmbench.extras import extra
from gmbench.methods.dicetalk.bank import EmotionBank
from gmbench.methods.dicetalk.conditions import Conditioner, Tokens, face_mask
from gmbench.methods.dicetalk.latents import load_part
from gmbench.methods.dicetalk.settings import Bank, Diffusion, Unet
from gmbench.nn.diffusion import denoised

FRAMES_PER_SECOND = 12.5
POOLED = 4
"""Side that the reference's latent is pooled to for its token."""


@dataclass(frozen=True)
class Conditions:
    """What a batch of windows is denoised under.

    Attributes:
        reference: (B, c, H, W) latent of the reference picture.
        picture: (B, p) what its token is made of.
        sound: (B, N, s) speech around each frame, flattened.
        prior: (B, d_s) of the emotion.
        boxes: (B, 4) of the face, in shares of the picture.
        numbers: (B, 2) motion of the head and of the expression, 0 to 127.
        kept: (B, 3) whether sound, picture and emotion are there; all by default.
    """

    reference: Tensor
    picture: Tensor
    sound: Tensor
    prior: Tensor
    boxes: Tensor
    numbers: Tensor
    kept: Tensor | None = None

    def to(self, device: torch.device) -> "Conditions":
        """The same on a device."""
        return Conditions(**{name: None if x is None else x.to(device) for name, x in vars(self).items()})

    def keeping(self, sound: bool, picture: bool, emotion: bool) -> "Conditions":
        """The same with some of the conditions only."""
        kept = torch.tensor([[sound, picture, emotion]], device=self.prior.device).expand(len(self.prior), 3)
        return replace(self, kept=kept)


@dataclass(frozen=True)
class Denoised:
    """An estimate (B, N, c, H, W), the bank's loss, and the classifier's logits (B, K)."""

    estimate: Tensor
    bank_loss: Tensor
    logits: Tensor
    indices: Tensor | None = None


class Denoiser(nn.Module):
    """DICE-Talk's diffusion model around an unmodified UNet of Stable Video Diffusion's class.

    Args:
        settings, bank, unet: sizes.
        channels: c of the latents.
        sound: s, numbers of the speech around a frame.
        picture: p.
        prior: d_s.
        classes: K of the classifier.
        pretrained: whether the UNet's weights are read from the settings' folder.
    """

    def __init__(
        self, settings: Diffusion, bank: Bank, unet: Unet, channels: int, sound: int, picture: int, prior: int,
        classes: int, pretrained: bool = False,
    ) -> None:  # fmt: skip
        super().__init__()
        self.settings, width = settings, bank.width
        self.bank = EmotionBank(bank, prior)
        network = new_unet(unet, channels, width, pretrained)
        self.conditioner = Conditioner(network, settings.emotion_query == "serial")
        tokens = settings.sound_tokens
        self.of_sound = nn.Sequential(
            nn.Linear(sound, settings.sound_width), nn.ReLU(), nn.Linear(settings.sound_width, settings.sound_width),
            nn.ReLU(), nn.Linear(settings.sound_width, tokens * width), nn.Unflatten(-1, (tokens, width)),
            nn.LayerNorm(width),
        )  # fmt: skip
        # what Stable Video Diffusion attends to is CLIP's embedding as it is
        same = settings.picture == "clip" and picture == width
        self.of_picture = nn.Identity() if same else nn.Linear(picture, width)
        self.guider = _guider(settings.guider, network.config.block_out_channels[0])
        hidden = settings.classifier
        self.classifier = nn.Sequential(
            nn.Linear(network.config.block_out_channels[-1], hidden[0]), nn.ReLU(), nn.Dropout(0.1),
            nn.Linear(hidden[0], hidden[1]), nn.ReLU(), nn.Dropout(0.1), nn.Linear(hidden[1], classes),
        )  # fmt: skip

    def forward(
        self, x: Tensor, sigma: Tensor, conditions: Conditions, all_entries: bool = False, null_bank: bool = False
    ) -> Denoised:
        """Estimates of clean latents.

        Args:
            x: (B, N, c, H, W) latents with noise.
            sigma: (B,) noise levels.
            conditions: of the windows.
            all_entries: as at generation, see :class:`EmotionBank`.
            null_bank: an emotion that is left out still sees the whole bank, as in the released code.
        """
        c, (batch, frames) = conditions, x.shape[:2]
        kept = x.new_ones(batch, 3) if c.kept is None else c.kept.to(x)
        emotion = self.bank(c.prior, kept[:, 2], all_entries)
        felt = emotion.tokens
        if null_bank:
            felt = torch.where(kept[:, 2, None, None] > 0, felt, self.bank.whole_bank(batch))
        guide = self.guider(face_mask(c.boxes, 8 * x.shape[-1]).expand(-1, 3, -1, -1) * 2 - 1)
        tokens = Tokens(
            self.of_sound(c.sound) * kept[:, 0, None, None, None], felt, face_mask(c.boxes, x.shape[-1]),
            guide.repeat_interleave(frames, 0),
        )  # fmt: skip
        picture = (self.of_picture(c.picture) * kept[:, 1, None])[:, None]
        beside = (c.reference * kept[:, 1, None, None, None])[:, None].expand(-1, frames, -1, -1, -1)
        rate = c.numbers.new_full((batch, 1), FRAMES_PER_SECOND)
        numbers = torch.cat([rate, c.numbers], 1)

        def network(scaled: Tensor, noise: Tensor) -> Tensor:
            return self.conditioner(torch.cat([scaled, beside], 2), noise, picture, numbers, tokens)

        estimate = denoised(network, x, sigma)
        if tokens.middle is None:
            raise RuntimeError("the middle block gave nothing")
        pooled = tokens.middle.mean((2, 3)).unflatten(0, (batch, frames)).mean(1)
        return Denoised(estimate, emotion.loss, self.classifier(pooled), emotion.indices)

    def learning(self) -> list[nn.Parameter]:
        """Weights that training moves, by the setting ``train_unet``; the others are frozen."""
        if self.settings.train_unet == "adapters":
            self.conditioner.unet.requires_grad_(False)
            for parameter in self.conditioner.adapters():
                parameter.requires_grad_(True)
        return [p for p in self.parameters() if p.requires_grad]


def new_unet(settings: Unet, channels: int, width: int, pretrained: bool) -> Any:
    """diffusers' UNetSpatioTemporalConditionModel of the settings; of the user's folder where weights are to be read.

    Raises:
        WeightsError: the folder has no such network, or one of other sizes.
    """
    with extra("train"):
        from diffusers import UNetSpatioTemporalConditionModel
    kinds = ["CrossAttnDownBlockSpatioTemporal" if a else "DownBlockSpatioTemporal" for a in settings.attention]
    ups = ["CrossAttnUpBlockSpatioTemporal" if a else "UpBlockSpatioTemporal" for a in reversed(settings.attention)]
    unet = UNetSpatioTemporalConditionModel(
        in_channels=2 * channels, out_channels=channels, down_block_types=tuple(kinds), up_block_types=tuple(ups),
        block_out_channels=settings.widths, layers_per_block=settings.layers, num_attention_heads=settings.heads,
        addition_time_embed_dim=settings.numbers, projection_class_embeddings_input_dim=3 * settings.numbers,
        cross_attention_dim=width,
    )  # fmt: skip
    if pretrained and settings.folder:
        loaded = load_part(UNetSpatioTemporalConditionModel, Path(settings.folder), "unet")
        _check_same(unet, loaded, settings.folder)
        unet = loaded
    if settings.checkpointing:
        unet.enable_gradient_checkpointing()
    return unet


def _check_same(wanted: Any, loaded: Any, folder: str) -> None:
    """Raise WeightsError where a loaded network has other sizes than the settings ask for."""
    from gmbench.errors import WeightsError

    for name, value in wanted.config.items():
        if name.startswith("_") or name in ("sample_size", "num_frames"):
            continue
        if _plain(loaded.config.get(name)) != _plain(value):
            raise WeightsError(f"{folder}/unet: {name} is {loaded.config[name]}, in the settings {value}")


def _plain(value: Any) -> Any:
    return list(value) if isinstance(value, tuple) else value


def _guider(widths: tuple[int, ...], outputs: int) -> nn.Sequential:
    """Face box (B, 3, 8 H, 8 W) to (B, outputs, H, W): three halvings, the last convolution zero."""
    layers: list[nn.Module] = []
    before = 3
    for level, width in enumerate(widths):
        halves = 2 if len(widths) - level <= 3 else 1
        layers += [nn.Conv2d(before, width, 3, stride=halves, padding=1), nn.SiLU()]
        before = width
    for _ in range(3 - min(3, len(widths))):
        layers.append(nn.AvgPool2d(2))
    last = nn.Conv2d(before, outputs, 3, padding=1)
    nn.init.zeros_(last.weight)
    nn.init.zeros_(last.bias)
    return nn.Sequential(*layers, last)


def pooled_latent(latents: Tensor) -> Tensor:
    """(B, 16 c) of latents (B, c, H, W), for the picture's token where no CLIP makes it."""
    return F.adaptive_avg_pool2d(latents, POOLED).flatten(1)
