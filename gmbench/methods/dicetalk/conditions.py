"""How conditions reach an unmodified spatio-temporal UNet: attention processors that read tokens, and hooks."""

from dataclasses import dataclass
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn


@dataclass
class Tokens:
    """Conditions of one forward pass, which all attention processors read; set before it.

    Attributes:
        sound: (B, N, n, d), of each frame.
        emotion: (B, m, d), the same for all frames.
        face: (B, 1, H, W) where the face is, 0 to 1, in the latents' size.
        guide: (B N, c, H, W), added after the first convolution.
        middle: (B N, c', h, w), what the middle block gave; set by the pass.
    """

    sound: Tensor | None = None
    emotion: Tensor | None = None
    face: Tensor | None = None
    guide: Tensor | None = None
    middle: Tensor | None = None


class ConditionedAttention(nn.Module):
    """Cross-attention of a block to the picture, with two more pairs of keys and values: sound and emotion; eq. 14.

    One query asks all three, results are summed where the face is, and the block's own output projection follows. In
    spatial blocks frames see their own sound; in temporal blocks, whose rows are places, all see the window's mean, and
    no mask holds.

    Args:
        attention: the block's own; the new pairs start as copies of its keys and values.
        tokens: shared by all blocks.
        temporal: which kind of block.
        serial: emotion is asked with what sound has changed already.
    """

    def __init__(self, attention: Any, tokens: Tokens, temporal: bool, serial: bool) -> None:
        super().__init__()
        self.tokens, self.temporal, self.serial = tokens, temporal, serial
        for name in ("sound", "emotion"):
            for part in ("key", "value"):
                own = attention.to_k if part == "key" else attention.to_v
                linear = nn.Linear(own.in_features, own.out_features, bias=own.bias is not None)
                linear.load_state_dict(own.state_dict())
                setattr(self, f"{name}_{part}", linear)

    def __call__(
        self, attention: Any, hidden_states: Tensor, encoder_hidden_states: Tensor | None = None, *_: Any, **__: Any
    ) -> Tensor:
        """As diffusers calls a processor: (R, S, c) of rows (R, S, c) and the picture's tokens (R, 1, d)."""
        picture = hidden_states if encoder_hidden_states is None else encoder_hidden_states
        query = attention.to_q(hidden_states)
        result = _attend(attention, query, attention.to_k(picture), attention.to_v(picture))
        sound, emotion, mask = self._for_rows(hidden_states)
        heard = _attend(attention, query, self.sound_key(sound), self.sound_value(sound))
        result = result + mask * heard
        if self.serial:
            query = attention.to_q(hidden_states + attention.to_out[0](result))
        felt = _attend(attention, query, self.emotion_key(emotion), self.emotion_value(emotion))
        return attention.to_out[1](attention.to_out[0](result + mask * felt))

    def _for_rows(self, x: Tensor) -> tuple[Tensor, Tensor, Tensor | float]:
        """Tokens and mask for rows (R, S, c): frames of places, or places of frames."""
        sound, emotion, face = self.tokens.sound, self.tokens.emotion, self.tokens.face
        if sound is None or emotion is None or face is None:
            raise RuntimeError("no tokens were set before the pass")
        batch, frames = sound.shape[:2]
        if self.temporal:
            places = len(x) // batch
            return sound.mean(1).repeat_interleave(places, 0), emotion.repeat_interleave(places, 0), 1.0
        side = round(x.shape[1] ** 0.5)
        mask = F.adaptive_avg_pool2d(face, side).flatten(2).transpose(1, 2)  # (B, S, 1)
        return sound.flatten(0, 1), emotion.repeat_interleave(frames, 0), mask.repeat_interleave(frames, 0)


def _attend(attention: Any, query: Tensor, key: Tensor, value: Tensor) -> Tensor:
    split = (x.unflatten(-1, (attention.heads, -1)).transpose(1, 2) for x in (query, key, value))
    return F.scaled_dot_product_attention(*split).transpose(1, 2).flatten(2)


class Conditioner(nn.Module):
    """Connects a UNet with tokens: processors for its cross-attention, a guide after its first convolution.

    Args:
        unet: diffusers' UNetSpatioTemporalConditionModel; its code stays as it is.
        serial: see :class:`ConditionedAttention`.
    """

    def __init__(self, unet: Any, serial: bool) -> None:
        super().__init__()
        self.unet, self.tokens = unet, Tokens()
        for name, module in unet.named_modules():
            if name.endswith("attn2"):
                module.set_processor(ConditionedAttention(module, self.tokens, "temporal" in name, serial))
        unet.conv_in.register_forward_hook(self._add_guide)
        unet.mid_block.register_forward_hook(self._keep_middle)

    def forward(self, sample: Tensor, noise: Tensor, picture: Tensor, numbers: Tensor, tokens: Tokens) -> Tensor:
        """What the UNet gives (B, N, c, H, W).

        Args:
            sample: (B, N, c', H, W) noisy latents beside the reference's.
            noise: (B,) number of the noise level.
            picture: (B, 1, d) token of the reference picture.
            numbers: (B, 3) frames per second, motion, motion of the expression.
            tokens: the other conditions; ``middle`` is set.
        """
        for name in ("sound", "emotion", "face", "guide"):
            setattr(self.tokens, name, getattr(tokens, name))
        result = self.unet(sample, noise, picture, numbers, return_dict=False)[0]
        tokens.middle, self.tokens.middle = self.tokens.middle, None
        return result

    def adapters(self) -> list[nn.Parameter]:
        """Weights of the pairs for sound and emotion."""
        processors = [m for m in self.unet.modules() if isinstance(m, ConditionedAttention)]
        return [p for processor in processors for p in processor.parameters()]

    def _add_guide(self, module: nn.Module, inputs: Any, output: Tensor) -> Tensor:
        return output if self.tokens.guide is None else output + self.tokens.guide

    def _keep_middle(self, module: nn.Module, inputs: Any, output: Tensor) -> None:
        self.tokens.middle = output


def face_mask(boxes: Tensor, side: int, grown: float = 1.1) -> Tensor:
    """(B, 1, side, side): 1 within boxes (B, 4) of left, top, right, bottom in shares of the picture."""
    centre = (boxes[:, :2] + boxes[:, 2:]) / 2
    half = grown * (boxes[:, 2:] - boxes[:, :2]) / 2
    places = (torch.arange(side, device=boxes.device) + 0.5) / side
    inside = [(places >= (centre - half)[:, n, None]) & (places <= (centre + half)[:, n, None]) for n in (0, 1)]
    return (inside[1][:, :, None] & inside[0][:, None, :])[:, None].to(boxes.dtype)
