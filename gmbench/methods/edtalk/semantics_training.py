"""Training of expressions from tone and words, with modality masking; EDTalk, eq. 15."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from gmbench.media import SAMPLES_PER_FRAME, Audio
from gmbench.methods.edtalk.checkpoints import CHECKPOINTS
from gmbench.methods.edtalk.picture_losses import Update
from gmbench.methods.edtalk.semantics import MOST_FRAMES, SemanticNetwork, new_network
from gmbench.methods.edtalk.settings import Semantics
from gmbench.methods.training_jobs import TrainedFile
from gmbench.nn.training import ProgressCallback, TrainState, Updater, adam, falling_rate, train


@dataclass(frozen=True)
class SpokenClip:
    """A clip's sound, features (T, a) and words, and the mean weights (n,) of its expression."""

    audio: Audio
    features: NDArray[np.float32]
    text: str
    weights: NDArray[np.float32]


def train_semantics(
    clips: Sequence[SpokenClip], facts: Mapping[str, Any], settings: Semantics, seed: int,
    folder: Path | None = None, progress: ProgressCallback | None = None,
) -> TrainedFile:  # fmt: skip
    """Both encoders and what joins them.

    Args:
        clips: to learn from.
        facts: description of the features, kept in the file.
        settings: sizes, and how long.
        seed: of everything random.
        folder: for checkpoints and the log.
        progress: see :func:`gmbench.nn.training.train`.
    """
    torch.manual_seed(seed)
    audio_dim, weights = clips[0].features.shape[1], len(clips[0].weights)
    network, configs = new_network(settings, audio_dim, weights)
    trained = [p for p in network.parameters() if p.requires_grad]
    optimisers = {"semantics": adam(trained, settings.train.rate)}
    state = TrainState(nn.ModuleDict({"semantics": network}), optimisers, lambda step, updater: {})
    state.update = _update(state, network, clips, settings)
    report = train(state, settings.train.config(seed), folder, progress)
    described = {
        "settings": settings.model_dump(mode="json"), "audio": dict(facts), "audio_dim": int(audio_dim),
        "weights": int(weights), "configs": configs,
    }  # fmt: skip
    return CHECKPOINTS.pack("semantics", network, described), report


def semantic_loss(network: SemanticNetwork, clips: Sequence[SpokenClip], draws: Tensor | None) -> Tensor:
    """Mean absolute error of the weights, under draws of the masking; L_sem of section 3.3."""
    device = network.weights.weight.device
    batch = network.batch([(clip.audio, clip.features, clip.text) for clip in clips]).to(device)
    wanted = torch.from_numpy(np.stack([clip.weights for clip in clips])).to(device)
    return (network(batch, None if draws is None else draws.to(device)) - wanted).abs().mean()


def _update(state: TrainState, network: SemanticNetwork, clips: Sequence[SpokenClip], s: Semantics) -> Update:
    def update(step: int, updater: Updater) -> dict[str, Tensor]:
        falling_rate(state.optimisers["semantics"], s.train, step)
        chosen = [_part(clips[n]) for n in torch.randint(0, len(clips), (s.train.batch,)).tolist()]
        loss = semantic_loss(network, chosen, torch.rand(len(chosen)) if s.masking else None)
        updater.backward_and_step(loss, "semantics")
        return {"l1": loss}

    return update


def _part(clip: SpokenClip) -> SpokenClip:
    """A clip, or a random part of a long one."""
    frames = len(clip.features)
    if frames <= MOST_FRAMES:
        return clip
    first = int(torch.randint(0, frames - MOST_FRAMES + 1, ()))
    samples = slice(first * SAMPLES_PER_FRAME, (first + MOST_FRAMES) * SAMPLES_PER_FRAME)
    return SpokenClip(clip.audio[samples], clip.features[first : first + MOST_FRAMES], clip.text, clip.weights)
