"""Encoder and autoregressive decoder of tracks beside audio: what expression and motion generators are built of."""

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from gmbench.nn.transformer import Cache, TransformerDecoder, TransformerEncoder, sinusoid

CONTEXT = 5
"""Frames that each further layer of :class:`AudioInput` sees."""


class AudioInput(nn.Module):
    """Audio features (B, T, a) to (B, T, d), each frame from ``kernel`` frames around it (odd).

    One frame is enough for features that contain their context, as HuBERT's do; log-mel features do not. Nor do they
    name a sound as HuBERT's do: ``layers`` residual convolutions over :data:`CONTEXT` frames follow the first one.
    Frames that pad a batch must be zero, as those beyond the ends are taken to be.
    """

    def __init__(self, audio_dim: int, width: int, kernel: int, layers: int = 0) -> None:
        super().__init__()
        if kernel % 2 == 0:
            raise ValueError(f"expected an odd number of frames, got {kernel}")
        self.convolution = nn.Conv1d(audio_dim, width, kernel, padding=kernel // 2)
        self.norms = nn.ModuleList([nn.LayerNorm(width) for _ in range(layers)])
        self.layers = nn.ModuleList([nn.Conv1d(width, width, CONTEXT, padding=CONTEXT // 2) for _ in range(layers)])

    def forward(self, audio: Tensor) -> Tensor:
        """(B, T, d)."""
        x = self.convolution(audio.transpose(1, 2)).transpose(1, 2)
        heard = (audio != 0).any(-1, keepdim=True)
        for norm, layer in zip(self.norms, self.layers, strict=True):
            y = F.gelu(norm(x)) * heard  # no layer sees what the one before makes of padding
            x = x + layer(y.transpose(1, 2)).transpose(1, 2)
        return x


class TrackEncoder(nn.Module):
    """Tracks (B, T, n) and audio (B, T, a) to hidden states (B, T, d): concatenated, positions, transformer."""

    def __init__(
        self, inputs: int, audio_dim: int, width: int, heads: int, layers: int, dropout: float = 0.0, kernel: int = 1
    ) -> None:
        super().__init__()
        self.width = width
        self.track, self.audio = nn.Linear(inputs, width), AudioInput(audio_dim, width, kernel)
        self.combine = nn.Linear(2 * width, width)
        self.drop = nn.Dropout(dropout)
        self.encoder = TransformerEncoder(width, heads, layers, dropout)

    def forward(self, track: Tensor, audio: Tensor, valid: Tensor) -> Tensor:
        """(B, T, d); ``valid`` (B, T) bool."""
        x = self.combine(torch.cat([self.track(track), self.audio(audio)], -1))
        return self.encoder(self.drop(x + sinusoid(x.shape[1], self.width, x.device).to(x)), valid)


class TrackDecoder(nn.Module):
    """Generates a track frame by frame: from the frame before, a condition per frame, and the frame's audio."""

    def __init__(
        self, outputs: int, audio_dim: int, width: int, heads: int, layers: int, dropout: float = 0.0,
        halfwidth: int = 0, kernel: int = 1, audio_layers: int = 0,
    ) -> None:  # fmt: skip
        super().__init__()
        self.start = nn.Parameter(torch.zeros(width))
        self.previous, self.audio = nn.Linear(outputs, width), AudioInput(audio_dim, width, kernel, audio_layers)
        self.decoder = TransformerDecoder(width, heads, layers, dropout, halfwidth=halfwidth)
        self.outputs = nn.Linear(width, outputs)
        nn.init.zeros_(self.outputs.weight)  # FaceFormer's start
        nn.init.zeros_(self.outputs.bias)

    def forward(self, track: Tensor, condition: Tensor, audio: Tensor, keep: Tensor | None = None) -> Tensor:
        """Predictions (B, T, n), each from the true frames before it.

        Args:
            track: (B, T, n) the truth; frame t is an input from t + 1 on.
            condition: (B, T, d) or (B, 1, d), added to every input.
            audio: (B, T, a).
            keep: (B, T) factor on the embedding of the frame before; dropping it is GMTalker's guard against copying.
        """
        before = self.previous(track[:, :-1])
        if keep is not None:
            before = before * keep[:, 1:, None]
        first = self.start.expand(len(track), 1, -1)
        heard = (audio != 0).any(-1)
        hidden = self.decoder(torch.cat([first, before], 1) + condition, self.audio(audio), heard)
        return self.outputs(hidden)

    def generate(self, condition: Tensor, audio: Tensor) -> Tensor:
        """Tracks (B, T, n), each frame from those generated before; ``condition`` (B, T, d) or (B, 1, d)."""
        frames = audio.shape[1]
        condition = condition.expand(-1, frames, -1)
        memory, cache = self.audio(audio), Cache()
        x, generated = self.start.expand(len(audio), -1), []
        for t in range(frames):
            y = self.outputs(self.decoder.step(x + condition[:, t], memory, cache))
            generated.append(y)
            x = self.previous(y)
        return torch.stack(generated, 1)

    def generate_uncached(self, condition: Tensor, audio: Tensor) -> Tensor:
        """The same as :meth:`generate` without the cache: each frame from all frames before, slow; for checks."""
        frames = audio.shape[1]
        condition = condition.expand(-1, frames, -1)
        track = audio.new_zeros(len(audio), frames, self.outputs.out_features)
        for t in range(frames):
            frame = self.forward(track, condition, audio)[:, t : t + 1]
            track = torch.cat([track[:, :t], frame, track[:, t + 1 :]], 1)
        return track
