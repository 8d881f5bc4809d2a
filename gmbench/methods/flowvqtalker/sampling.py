"""From latents to tracks: latents over time, the projection on stored ones, generation frame by frame, transfer."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor

from gmbench.methods.flowvqtalker.flows import Context, ExpressionFlow, history_of
from gmbench.methods.flowvqtalker.settings import Sampling
from gmbench.methods.track_windows import audio_windows
from gmbench.nn.conditional_flow import follow_itself
from gmbench.nn.manifold import project
from gmbench.nn.student import draw_spread

CHUNK = 256
"""Frames that are projected at once, so that memory does not grow with the length of the sound."""


@dataclass(frozen=True)
class StoredLatents:
    """Latents (M, D) of training frames and their classes (M,)."""

    latents: Tensor
    classes: Tensor

    def project(self, z: Tensor, number: int, neighbours: int) -> Tensor:
        """Manifold projection of (T, D) on a class; unchanged where nothing of the class is stored."""
        of_class = self.latents[self.classes == number]
        if not len(of_class):
            return z
        return torch.cat([project(rows, of_class, neighbours)[0] for rows in z.split(CHUNK)])


def draw_noise(
    frames: int, size: int, degrees: float, settings: Sampling, generator: torch.Generator, temperature: float = 1.0
) -> Tensor:
    """What is added to a component's mean (frames, size); each row has exactly the Student-t's distribution.

    ``ar``: Gaussian noise that follows itself, and one spread for all frames. ``hold``: one row for all frames.
    ``iid``: rows and spreads drawn anew.
    """
    if settings.latent == "hold":
        noise = torch.randn(1, size, generator=generator).expand(frames, size)
    else:
        noise = torch.randn(frames, size, generator=generator)
    if settings.latent == "ar":
        noise = follow_itself(noise, settings.persistence)
    spread = draw_spread((frames,) if settings.latent == "iid" else (1,), degrees, generator)
    return temperature * noise * spread[:, None]


def emotional_latents(
    network: ExpressionFlow, weights: Tensor, noise: Tensor, stored: StoredLatents, settings: Sampling
) -> Tensor:
    """Latents (T, 64) of class weights (T, C) under a noise (T, 64).

    Each component's sample is projected on its own class; a mixed label is their weighted mean, so that a change of
    weights moves on the line between them.
    """
    result = torch.zeros_like(noise)
    for number in torch.nonzero(weights.sum(0))[:, 0].tolist():
        sample = network.prior.means[number] + noise
        if settings.projection:
            sample = stored.project(sample, number, settings.neighbours)
        result = result + weights[:, number : number + 1] * sample
    return result


def generate_track(
    decode: Callable[[Tensor, Context, Tensor], Tensor], z: Tensor, audio: Tensor, classes: Tensor, history: int,
    halfwidth: int, source: Tensor | None = None, label: Tensor | None = None,
) -> Tensor:  # fmt: skip
    """A track (T, D), each frame under those generated before.

    Args:
        decode: of a flow.
        z: (T, D) latents.
        audio: (T, a) features.
        classes: (T,) int64.
        history: tau; it starts as zeros.
        halfwidth: frames of sound on either side.
        source: (D,) coefficients of the source image.
        label: (T, C) weights of the classes.
    """
    windows = audio_windows(audio, halfwidth)
    before = z.new_zeros(1, history, z.shape[1])
    frames = []
    for t in range(len(z)):
        row = slice(t, t + 1)
        context = Context(
            before, windows[row], None if source is None else source[None], None if label is None else label[row]
        )
        frame = decode(z[row], context, classes[row])
        frames.append(frame[0])
        before = torch.cat([before[:, 1:], frame[None]], 1)
    return torch.stack(frames)


def own_context(codes: Tensor, audio: Tensor, number: int, network: ExpressionFlow, source: Tensor) -> Context:
    """Contexts of a real clip's frames (T, 64) under its own sound (T, a) and undropped history, for a class."""
    s = network.settings
    label = torch.zeros(len(codes), len(network.prior.means))
    label[:, number] = 1
    windows = audio_windows(audio, s.audio_halfwidth)
    return Context(history_of(codes, s.history), windows, source.expand(len(codes), -1), label)


def most_likely_class(network: ExpressionFlow, codes: Tensor, audio: Tensor, source: Tensor, numbers: list[int]) -> int:
    """The class of ``numbers`` under which a clip's log-likelihood is highest."""
    logs = sequence_likelihoods(network, codes, audio, source, numbers)
    return numbers[int(logs.argmax())]


def sequence_likelihoods(
    network: ExpressionFlow, codes: Tensor, audio: Tensor, source: Tensor, numbers: list[int]
) -> Tensor:
    """log p of a clip under each of some classes (len(numbers),), the sum over frames."""
    logs = []
    for number in numbers:
        classes = torch.full((len(codes),), number)
        context = own_context(codes, audio, number, network, source)
        logs.append(network.log_likelihood(codes, context, classes).sum())
    return torch.stack(logs)


def transferred_latents(
    network: ExpressionFlow, codes: Tensor, audio: Tensor, number: int, source: Tensor, frames: int,
    how: Literal["frames", "mean"] = "frames",
) -> Tensor:  # fmt: skip
    """Latents (frames, 64) of a reference clip under its own context; eq. 6.

    Args:
        network: the flow.
        codes, audio: (R, 64) and (R, a) of the reference.
        number: its class.
        source: (64,) code that stands for its source image.
        frames: number of latents.
        how: ``frames`` plays them to and fro where the reference is shorter, ``mean`` repeats their mean.
    """
    classes = torch.full((len(codes),), number)
    z = network.encode(codes, own_context(codes, audio, number, network, source), classes)
    if how == "mean":
        return z.mean(0, keepdim=True).expand(frames, -1)
    there_and_back = torch.cat([z, z[1:-1].flip(0)]) if len(z) > 2 else z
    return there_and_back.repeat(-(-frames // len(there_and_back)), 1)[:frames]
