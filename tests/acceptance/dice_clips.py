"""Held-out clips as DICE-Talk is asked for them, and ways to draw its videos that no request has."""

import contextlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import torch

from gmbench.datasets.manifest import ClipRow
from gmbench.media import Video
from gmbench.methods.dicetalk.denoiser import Conditions, Denoised
from gmbench.methods.dicetalk.method import DiceTalk
from gmbench.methods.dicetalk.sampler import LatentSampler
from gmbench.methods.dicetalk.video_generator import VideoGenerator
from gmbench.methods.interface import GenRequest, MissingInput, ReferenceClip
from gmbench.stages.pipeline_run import PipelineRun
from gmbench.stages.requests import RequestPlanner, build_request, read_reference
from gmbench.store import digest


@dataclass(frozen=True)
class DiceClip:
    """A held-out clip.

    Attributes:
        by_label: its request by its label (the paper's P).
        by_reference: by another clip of its emotion (V); None where there is none.
        own: the clip itself as it would be read as a reference.
        emotion, level, speaker: of the clip.
    """

    by_label: GenRequest
    by_reference: GenRequest | None
    own: ReferenceClip
    emotion: str
    level: int
    speaker: str

    def film(self) -> np.ndarray:
        """(T, S, S, 3) of its frames."""
        return np.stack([np.asarray(frame) for frame in Video(self.own.video)])


def dice_clips(run: PipelineRun, method: DiceTalk, rows: Sequence[ClipRow]) -> list[DiceClip]:
    """Clips of emotions that the method has learnt."""
    planner = RequestPlanner(run, method.card)
    clips = []
    for row in rows:
        if row.emotion not in method.emotions:
            continue
        seed = int(digest(row.clip_id, 0)[:8], 16)
        inputs = planner.inputs(row, ())
        try:
            by_reference = build_request(method.card, planner.inputs(row, ("reference",)), seed)
        except MissingInput:
            by_reference = None
        by_label = build_request(method.card, inputs, seed)
        clips.append(DiceClip(by_label, by_reference, read_reference(inputs.clip), row.emotion, row.level, row.speaker))
    return clips


class WithoutSound:
    """A denoiser whose every pass is without sound, as in training where that was dropped."""

    def __init__(self, network: Any) -> None:
        self.network = network

    def __call__(self, x: torch.Tensor, sigma: torch.Tensor, conditions: Conditions, **how: Any) -> Denoised:
        """As the denoiser's."""
        kept = torch.ones(len(x), 3, device=x.device) if conditions.kept is None else conditions.kept.float()
        without = kept * torch.tensor([0.0, 1.0, 1.0], device=x.device)
        return self.network(x, sigma, replace(conditions, kept=without), **how)


@contextlib.contextmanager
def drawn_otherwise(generator: VideoGenerator, sound: bool = True, **sampling: float | None) -> Iterator[None]:
    """Videos without sound in any pass, or with other values of the sampling."""
    kept = generator.sampler
    network = kept.network if sound else WithoutSound(kept.network)
    settings = kept.settings.model_copy(update=sampling)
    generator.sampler = LatentSampler(network, kept.speech, settings, kept.window, kept.residual, kept.null_bank)
    try:
        yield
    finally:
        generator.sampler = kept
