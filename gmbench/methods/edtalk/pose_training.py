"""Training of the pose from sound; EDTalk, eqs. 13 and 14."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import Tensor, nn

from gmbench.methods.edtalk.checkpoints import CHECKPOINTS
from gmbench.methods.edtalk.picture_losses import Update
from gmbench.methods.edtalk.pose import PoseGenerator
from gmbench.methods.edtalk.settings import PoseMotion
from gmbench.methods.scaling import Scale
from gmbench.methods.track_windows import WindowSampler
from gmbench.methods.training_jobs import TrainedFile
from gmbench.nn.training import ProgressCallback, TrainState, Updater, adam, falling_rate, train, weighted_sum

GRADIENT_NORM = 1.0
LEAST_VARIANCE = 1e-6
"""Of a principal component, in shares of the first one's."""


@dataclass(frozen=True)
class PoseBatch:
    """Windows of clips as frames.

    Attributes:
        x: (N, D) standardised weights.
        windows: (N, 2h + 1, a) sound around them.
        of: (N,) number of the window.
        pairs: (P, 2) frames that follow one another.
    """

    x: Tensor
    windows: Tensor
    of: Tensor
    pairs: Tensor


class PoseBatches:
    """Random windows of clips.

    Args:
        tracks: (T, D) standardised, one a clip.
        audio: (T, a) features.
        settings: sizes.
    """

    def __init__(
        self, tracks: Sequence[NDArray[np.float32]], audio: Sequence[NDArray[np.float32]], settings: PoseMotion
    ) -> None:
        self._reach = reach = settings.audio_halfwidth
        padded = [[np.pad(v, ((reach, reach), (0, 0))) for v in pair] for pair in zip(tracks, audio, strict=True)]
        length = settings.window + 2 * reach
        self._sampler = WindowSampler(padded, (length, length))
        self._clips = len(padded)

    def draw(self, count: int) -> PoseBatch:
        """Frames of ``count`` windows of clips that are equally likely; by torch's global generator."""
        chosen = torch.randint(0, self._clips, (count,)).tolist()
        (x, audio), valid = self._sampler.batch(chosen)
        reach = self._reach
        frames = x.shape[1] - 2 * reach
        used = valid[:, 2 * reach :]
        sound = audio.unfold(1, 2 * reach + 1, 1)[:, :frames].transpose(2, 3)
        of = torch.arange(count)[:, None].expand(-1, frames)
        both = used[:, :-1] & used[:, 1:]
        numbers = used.flatten().cumsum(0).view(used.shape) - 1
        pairs = torch.stack([numbers[:, :-1][both], numbers[:, 1:][both]], 1)
        return PoseBatch(x[:, reach : reach + frames][used], sound[used], of[used], pairs)


def pose_losses(network: PoseGenerator, batch: PoseBatch) -> dict[str, Tensor]:
    """``mle`` in nats per dimension, ``rec`` and ``tem`` of what one latent a window decodes to; eqs. 13 and 14.

    Eq. 14 is zero for a frame's own latent, so that latents are drawn. A regression has no ``mle``; its ``rec`` and
    ``tem`` are of the means.
    """
    terms = {}
    if network.flow is not None:
        terms["mle"] = -network.log_likelihood(batch.x, batch.windows).mean() / network.size
    drawn = torch.randn(int(batch.of.max()) + 1, network.size).to(batch.x)[batch.of]
    found = network.decode(drawn, batch.windows)
    first, second = batch.pairs.T
    terms["rec"] = F.mse_loss(found, batch.x)
    if len(batch.pairs):
        terms["tem"] = F.mse_loss(found[second] - found[first], batch.x[second] - batch.x[first])
    return terms


def train_posemotion(
    tracks: Sequence[NDArray[np.float32]], audio: Sequence[NDArray[np.float32]], facts: Mapping[str, Any],
    settings: PoseMotion, seed: int, folder: Path | None = None, progress: ProgressCallback | None = None,
) -> TrainedFile:  # fmt: skip
    """One flow of poses for all people.

    Args:
        tracks: (T, D) weights of the pose, one a clip; each is taken relative to its mean.
        audio: (T, a) features of the clips.
        facts: description of the features, kept in the file.
        settings: sizes, losses, and how long.
        seed: of everything random.
        folder: for checkpoints and the log.
        progress: see :func:`gmbench.nn.training.train`.
    """
    torch.manual_seed(seed)
    relative = [track - track.mean(axis=0) for track in tracks]
    size = tracks[0].shape[1]
    axes = None
    if size > settings.components:  # a flow of data of lower rank has no finite optimum, and its inverse overflows
        axes = _principal_axes(np.concatenate(relative), settings.components)
        relative, size = [track @ axes.T for track in relative], len(axes)
    scale = Scale.of(relative)
    network = PoseGenerator(settings, audio[0].shape[1], size)
    batches = PoseBatches([scale.standardise(track) for track in relative], audio, settings)
    optimisers = {"pose": adam(network.parameters(), settings.train.rate)}
    state = TrainState(nn.ModuleDict({"pose": network}), optimisers, lambda step, updater: {})
    state.update = _update(state, network, batches, settings)
    report = train(state, settings.train.config(seed), folder, progress)
    described = {
        "settings": settings.model_dump(mode="json"), "audio": dict(facts), "audio_dim": int(audio[0].shape[1]),
        "size": size,
    }  # fmt: skip
    constants = {"mean": scale.mean, "deviation": scale.deviation} | ({} if axes is None else {"axes": axes})
    return CHECKPOINTS.pack("posemotion", network, described, constants), report


def _principal_axes(rows: NDArray[np.float32], count: int) -> NDArray[np.float32]:
    """Orthonormal directions (at most count, D) in which rows (N, D) of mean zero vary most, and at all."""
    variances, axes = np.linalg.eigh(rows.astype(np.float64).T @ rows)  # the greatest last
    varying = int((variances > LEAST_VARIANCE * variances[-1]).sum())
    return axes[:, : -min(count, varying) - 1 : -1].T.astype(np.float32)


def _update(state: TrainState, network: PoseGenerator, batches: PoseBatches, s: PoseMotion) -> Update:
    def update(step: int, updater: Updater) -> dict[str, Tensor]:
        falling_rate(state.optimisers["pose"], s.train, step)
        drawn = batches.draw(s.train.batch)
        batch = PoseBatch(**{name: part.to(updater.device) for name, part in vars(drawn).items()})
        terms = pose_losses(network, batch)
        updater.backward_and_step(weighted_sum(terms, s.weights), "pose", GRADIENT_NORM)
        return terms

    return update
