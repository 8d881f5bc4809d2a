"""DICE-Talk's acceptance test 12: whether the emotion that the classifier sees comes from the condition.

Held-out latents get noise; where there is much of it, they show no emotion any more, and what the classifier on the
denoiser's middle features calls a window by can only come from the condition.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from gmbench.methods.dicetalk.denoiser import Conditions
from gmbench.methods.dicetalk.jobs import class_name
from gmbench.methods.dicetalk.latents import encode_bytes
from gmbench.methods.dicetalk.method import DiceTalk
from gmbench.methods.dicetalk.windows import STRIDE
from gmbench.methods.pictures import resize
from tests.acceptance.dice_clips import DiceClip
from tests.acceptance.maths import mean
from tests.acceptance.outcome import Outcome, at_least, at_most, reported

SIGMAS = (0.5, 2.0, 5.0, 10.0, 20.0)
HIGH = 5.0
"""Noise level from which on the latent shows no emotion."""


@dataclass(frozen=True)
class Windows:
    """A clip's clean windows (B, N, c, H, W), their conditions, those of another emotion, and classes of both."""

    latents: Tensor
    own: Conditions
    other: Conditions
    label: int
    other_label: int


class ConditionMeasures:
    """Measures of one trained denoiser.

    Args:
        method: loaded.
        clips: held out.
        sigmas: noise levels.
    """

    def __init__(self, method: DiceTalk, clips: Sequence[DiceClip], sigmas: Sequence[float] = SIGMAS) -> None:
        self.method, self.sigmas = method, sigmas
        self.network = method.generator.sampler.network
        self.classes: list[str] = method.generator.facts["classes"]
        names = [class_name(clip.emotion, clip.level, self.network.settings.classes) for clip in clips]
        known = [(clip, self.classes.index(name)) for clip, name in zip(clips, names, strict=True)
                 if name in self.classes]  # fmt: skip
        priors = [torch.from_numpy(method.embed_clip(clip.own, "both")) for clip, _ in known]
        self.windows = []
        for n, (clip, label) in enumerate(known):
            others = [k for k, (_, other) in enumerate(known) if other != label] or [n]
            other = others[(7 * n) % len(others)]
            self.windows.append(self._windows(clip, priors[n], label, priors[other], known[other][1]))

    def outcomes(self) -> list[Outcome]:
        """Test 12."""
        own = {sigma: self.hits(sigma) for sigma in self.sigmas}
        null = {sigma: self.hits(sigma, emotion=False) for sigma in self.sigmas}
        retrieved, swapped = ({s: self.hits(s, **how) for s in self.sigmas if s >= HIGH}
                              for how in ({"all_entries": False}, {"other": True}))  # fmt: skip
        rows = []
        for sigma in self.sigmas:
            rows.append(reported(12, f"classifier at noise {sigma:g}, true condition", own[sigma]))
            rows.append(reported(12, f"classifier at noise {sigma:g}, no emotion", null[sigma]))
        return [
            *rows, at_least(12, f"classifier from noise {HIGH:g} on, true condition", _of_high(own), 0.5),
            at_most(12, f"classifier from noise {HIGH:g} on, no emotion", _of_high(null), 0.25),
            reported(12, "the same, true condition by the retrieved entry alone", _of_high(retrieved)),
            reported(12, "the same, another emotion's condition: windows called by that one", _of_high(swapped)),
        ]  # fmt: skip

    @torch.inference_mode()
    def hits(self, sigma: float, emotion: bool = True, all_entries: bool = True, other: bool = False) -> list[float]:
        """Share of each clip's windows that the classifier calls by the condition's emotion, or by the clip's own.

        Args:
            sigma: noise level.
            emotion: whether the condition is there.
            all_entries: of the bank, as at generation; else the retrieved one.
            other: the condition is another emotion's, and so is the right answer.
        """
        noise = torch.Generator().manual_seed(0)
        found = []
        for windows in self.windows:
            drawn = torch.randn(windows.latents.shape, generator=noise).to(windows.latents)
            levels = windows.latents.new_full((len(windows.latents),), sigma)
            asked = (windows.other if other else windows.own).keeping(True, True, emotion)
            logits = self.network(windows.latents + sigma * drawn, levels, asked, all_entries).logits
            right = windows.other_label if other else windows.label
            found.append(float((logits.argmax(1) == right).float().mean()))
        return found

    @torch.inference_mode()
    def _windows(self, clip: DiceClip, prior: Tensor, label: int, other: Tensor, other_label: int) -> Windows:
        generator, request = self.method.generator, clip.by_label
        frames = np.stack([resize(frame, generator.side) for frame in clip.film()])[: request.frames]
        latents = encode_bytes(generator.code, frames[::STRIDE])
        sides = [
            generator.conditions(
                np.asarray(request.source_image), request.audio, request.frames, one.expand(len(latents), -1)
            )
            for one in (prior, other)
        ]
        if generator.residual:
            latents = (latents - sides[0].reference) / generator.spread[:, None, None]
        size = min(generator.sampler.window, len(latents))
        places = torch.arange(len(latents) // size * size).unflatten(0, (-1, size))  # (B, N)
        own, swapped = (generator.sampler._conditions(side, places) for side in sides)
        return Windows(latents[places], own, swapped, label, other_label)


def _of_high(by_sigma: dict[float, list[float]]) -> list[float]:
    """Mean of each clip over the high noise levels."""
    high = [hits for sigma, hits in by_sigma.items() if sigma >= HIGH]
    return [mean(list(values)) for values in zip(*high, strict=True)]
