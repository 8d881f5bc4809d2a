"""Training of ExpFlow and PoseFlow: from tracks to the bytes of a checkpoint and a report."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import Tensor, nn

from gmbench.methods.expression_code import ExpressionCode, pose_scale
from gmbench.methods.flowvqtalker.checkpoints import CHECKPOINTS
from gmbench.methods.flowvqtalker.flows import Context, ExpressionFlow, HeadPoseFlow, drop_history
from gmbench.methods.flowvqtalker.sampling import own_context
from gmbench.methods.flowvqtalker.settings import ExpFlow, PoseFlow
from gmbench.methods.lips import lip_motion, scaled_lips
from gmbench.methods.track_windows import WindowSampler, draw_balanced
from gmbench.methods.tracks import POSE, ClipTracks, relative_motion
from gmbench.methods.training_jobs import TrainedFile
from gmbench.morphable.model import FaceModel
from gmbench.nn.student import draw_spread
from gmbench.nn.training import ProgressCallback, TrainState, Updater, adam, falling_rate, train, weighted_sum

NEUTRAL = "neutral"
GRADIENT_NORM = 1.0


@dataclass(frozen=True)
class FlowBatch:
    """N frames: ``x`` (N, D), contexts, ``classes`` (N,), and the indices (P, 2) of frames that follow one another."""

    x: Tensor
    context: Context
    classes: Tensor
    pairs: Tensor


class FlowBatches:
    """Random windows of clips as frames with their contexts.

    Args:
        tracks: (T, D) standardised, one a clip.
        audio: (T, a) features.
        classes: number of each clip's class.
        settings: sizes of the context.
        sources: arrays (M, D) of frames that may stand for each clip's source image; none for poses. Arrays of a clip
            are equally likely, whatever their length.
        count: C; labels are one-hot of that size.
    """

    def __init__(
        self, tracks: Sequence[NDArray[np.float32]], audio: Sequence[NDArray[np.float32]], classes: Sequence[int],
        settings: ExpFlow | PoseFlow, sources: Sequence[Sequence[NDArray[np.float32]]] = (), count: int = 0,
    ) -> None:  # fmt: skip
        self._settings, self._classes = settings, torch.tensor(list(classes))
        self._sources, self._count = sources, count
        self._after = after = settings.audio_halfwidth
        self._before = before = max(settings.history, after)
        padded = [[np.pad(v, ((before, after), (0, 0))) for v in pair] for pair in zip(tracks, audio, strict=True)]
        length = settings.window + before + after
        self._windows = WindowSampler(padded, (length, length))
        self._labels = [str(number) for number in classes]

    def draw(self, count: int, apart: range = range(0), share: float = 0.0) -> FlowBatch:
        """Frames of ``count`` windows, of classes that are equally likely; draws by torch's global generator.

        Args:
            count: number of windows.
            apart: clips in a row that are drawn apart from the others.
            share: of the windows that are theirs.
        """
        of_apart = round(share * count) if len(apart) else 0
        labels = [*self._labels[: apart.start], *self._labels[apart.stop :]]
        chosen = [n if n < apart.start else n + len(apart) for n in draw_balanced(labels, count - of_apart)]
        if of_apart:
            chosen += [apart.start + n for n in draw_balanced(self._labels[apart.start : apart.stop], of_apart)]
        (x, audio), valid = self._windows.batch(chosen)
        s, before, after = self._settings, self._before, self._after
        frames = x.shape[1] - before - after
        used = valid[:, before + after :]  # a frame counts where the padding after it belongs to the clip
        history = x.unfold(1, s.history, 1)[:, before - s.history :][:, :frames].transpose(2, 3)
        sound = audio.unfold(1, 2 * after + 1, 1)[:, before - after :][:, :frames].transpose(2, 3)
        classes = self._classes[chosen][:, None].expand(-1, frames)
        context = Context(history[used], sound[used])
        if self._count:
            source = torch.stack([self._source(number) for number in chosen])[:, None].expand(-1, frames, -1)
            context = Context(context.history, context.audio, source[used], self._one_hot(classes[used]))
        return FlowBatch(x[:, before : before + frames][used], context, classes[used], _pairs(used))

    def _source(self, clip: int) -> Tensor:
        arrays = self._sources[clip]
        rows = arrays[int(torch.randint(0, len(arrays), ()))] if len(arrays) > 1 else arrays[0]
        return torch.from_numpy(rows[int(torch.randint(0, len(rows), ()))])

    def _one_hot(self, classes: Tensor) -> Tensor:
        return F.one_hot(classes, self._count).float()


def _pairs(used: Tensor) -> Tensor:
    """Indices (P, 2), among the frames that are used (B, L), of disjoint pairs of neighbours."""
    numbers = used.flatten().cumsum(0).view(used.shape) - 1
    length = used.shape[1] // 2 * 2
    both = used[:, :length:2] & used[:, 1:length:2]
    return torch.stack([numbers[:, :length:2][both], numbers[:, 1:length:2][both]], 1)


def likelihood_loss(network: ExpressionFlow | HeadPoseFlow, batch: FlowBatch) -> Tensor:
    """Negative log-likelihood in nats per frame and dimension; eqs. 10 and 12 with their log-determinants."""
    return -network.log_likelihood(batch.x, batch.context, batch.classes).mean() / batch.x.shape[1]


def sample_losses(network: ExpressionFlow, batch: FlowBatch, lips: Tensor | None = None) -> dict[str, Tensor]:
    """Losses on samples: ``consistency`` of the velocities of neighbours, and with ``lips`` (64, n) that of their lips.

    Both frames of a pair are decoded from one sample of their class under their true contexts. Eq. 11 is zero for a
    frame's own latent. The lips are what must not depend on the latent: their squared error counts in shares of what
    they vary, and half of the pairs see no frames before, so that the sound has to tell.
    """
    first, second = batch.pairs.T
    classes = batch.classes[first]
    spread = draw_spread((len(first),), network.prior.degrees)
    noise = (torch.randn(len(first), batch.x.shape[1]) * spread[:, None]).to(batch.x)
    z = network.prior.means[classes] + noise
    contexts = [batch.context.take(rows) for rows in (first, second)]
    if lips is not None:
        alone = (torch.rand(len(first)) < 0.5).to(batch.x.device)
        contexts = [context.forget(alone) for context in contexts]
    frames = [network.decode(z, context, classes) for context in contexts]
    real = [batch.x[rows] for rows in (first, second)]
    terms = {"consistency": F.mse_loss(frames[1] - frames[0], real[1] - real[0])}
    if lips is not None:
        errors = torch.cat(frames) - torch.cat(real)
        terms["lips"] = (errors @ lips).square().sum(1).mean() / len(lips)
    return terms


def train_expflow(
    clips: Sequence[ClipTracks], others: Sequence[ClipTracks], emotions: Sequence[str], audio: Mapping[str, Any],
    model: FaceModel, settings: ExpFlow, seed: int,
    folder: Path | None = None, progress: ProgressCallback | None = None, further: Sequence[ClipTracks] = (),
) -> TrainedFile:  # fmt: skip
    """One flow of expressions for all people.

    Args:
        clips: labelled ones.
        others: of many people, learnt from as the class 'none'.
        further: labelled ones of people without pictures, ``settings.track_share`` of each batch.
        emotions: classes, in order; 'none' comes after them.
        audio: description of the features, kept in the file.
        model: of the coefficients.
        settings: sizes, losses, and how long.
        seed: of everything random.
        folder: for checkpoints and the log.
        progress: see :func:`gmbench.nn.training.train`.
    """
    torch.manual_seed(seed)
    code = ExpressionCode.fit([*clips, *others], model, settings.coefficients)
    labelled, every = [*clips, *further], [*clips, *further, *others]
    codes = [code.encode(clip.beta, clip.rho) for clip in every]
    classes = [emotions.index(clip.emotion) for clip in labelled] + [len(emotions)] * len(others)
    sources = _sources(every, codes, len(labelled), settings.source)
    network = ExpressionFlow(settings, every[0].audio.shape[1], len(emotions) + 1)
    lips = scaled_lips(code.lips(lip_motion(model)), codes) if settings.lips else None
    weights = {"likelihood": 1.0, "consistency": settings.consistency, "lips": settings.lips}
    batches = FlowBatches(codes, [c.audio for c in every], classes, settings, sources, len(emotions) + 1)
    apart = range(len(clips), len(labelled))

    def update(step: int, updater: Updater) -> dict[str, Tensor]:
        falling_rate(state.optimisers["flow"], settings.train, step)
        drawn = batches.draw(settings.train.batch, apart, settings.track_share)
        batch = _dropped(drawn, settings.history_dropout, updater.device)
        terms = {"likelihood": likelihood_loss(network, batch)}
        if (settings.consistency or settings.lips) and step % settings.consistency_every == 0 and step:
            terms |= sample_losses(network, batch, None if lips is None else lips.to(updater.device))
        updater.backward_and_step(weighted_sum(terms, weights), "flow", GRADIENT_NORM)
        return terms

    state = TrainState(
        nn.ModuleDict({"flow": network}), {"flow": adam(network.parameters(), settings.train.rate)}, update
    )
    report = train(state, settings.train.config(seed), folder, progress)
    facts = {
        "settings": settings.model_dump(mode="json"), "emotions": list(emotions), "audio": dict(audio),
        "audio_dim": int(every[0].audio.shape[1]),
    }  # fmt: skip
    stored = _stored_latents(network, codes[: len(clips)], clips, classes, sources, settings.stored)
    neutral = {"neutral": _mean_neutral(clips, codes)}
    return CHECKPOINTS.pack("expflow", network, facts, code.constants() | stored | neutral), report


def train_poseflow(
    clips: Sequence[ClipTracks], audio: Mapping[str, Any], settings: PoseFlow, seed: int,
    folder: Path | None = None, progress: ProgressCallback | None = None,
) -> TrainedFile:  # fmt: skip
    """One flow of poses for all people; the arguments are those of :func:`train_expflow`."""
    torch.manual_seed(seed)
    scale = pose_scale(clips)
    tracks = [scale.standardise(relative_motion(clip.rho)[:, POSE]) for clip in clips]
    network = HeadPoseFlow(settings, clips[0].audio.shape[1])
    batches = FlowBatches(tracks, [c.audio for c in clips], [0] * len(clips), settings)

    def update(step: int, updater: Updater) -> dict[str, Tensor]:
        falling_rate(state.optimisers["flow"], settings.train, step)
        batch = _dropped(batches.draw(settings.train.batch), settings.history_dropout, updater.device)
        loss = likelihood_loss(network, batch)
        updater.backward_and_step(loss, "flow", GRADIENT_NORM)
        return {"likelihood": loss}

    state = TrainState(
        nn.ModuleDict({"flow": network}), {"flow": adam(network.parameters(), settings.train.rate)}, update
    )
    report = train(state, settings.train.config(seed), folder, progress)
    facts = {
        "settings": settings.model_dump(mode="json"), "audio": dict(audio), "audio_dim": int(clips[0].audio.shape[1]),
    }  # fmt: skip
    return CHECKPOINTS.pack("poseflow", network, facts, {"mean": scale.mean, "deviation": scale.deviation}), report


def _dropped(batch: FlowBatch, probability: float, device: torch.device) -> FlowBatch:
    """The batch on a device, frames of its history dropped: the paper's data dropout."""
    context = batch.context
    context = Context(drop_history(context.history, probability), context.audio, context.source, context.label)
    return FlowBatch(batch.x.to(device), context.to(device), batch.classes.to(device), batch.pairs.to(device))


def _sources(
    clips: Sequence[ClipTracks], codes: Sequence[NDArray[np.float32]], labelled: int, how: str
) -> list[list[NDArray[np.float32]]]:
    """Frames that may stand for each clip's source image: the person's neutral ones, the clip's own, or both.

    A person without neutral clips, and clips without a label, have their own.
    """
    neutral: dict[str, list[NDArray[np.float32]]] = {}
    for clip, track in zip(clips[:labelled], codes, strict=False):
        if clip.emotion == NEUTRAL:
            neutral.setdefault(clip.speaker, []).append(track)
    joined = {speaker: np.concatenate(tracks) for speaker, tracks in neutral.items()} if how != "own" else {}
    result = []
    for clip, track in zip(clips[:labelled], codes, strict=False):
        other = [joined[clip.speaker]] if clip.speaker in joined else []
        result.append([*other, track] if how == "either" else other or [track])
    return result + [[track] for track in codes[labelled:]]


def _mean_neutral(clips: Sequence[ClipTracks], codes: Sequence[NDArray[np.float32]]) -> NDArray[np.float32]:
    """Mean code (64,) of the neutral clips, of all where there are none."""
    pairs = list(zip(clips, codes, strict=False))
    chosen = [track for clip, track in pairs if clip.emotion == NEUTRAL] or [track for _, track in pairs]
    return np.concatenate(chosen).mean(axis=0)


@torch.no_grad()
def _stored_latents(
    network: ExpressionFlow, codes: Sequence[NDArray[np.float32]], clips: Sequence[ClipTracks],
    classes: Sequence[int], sources: Sequence[Sequence[NDArray[np.float32]]], most: int,
) -> dict[str, NDArray[Any]]:  # fmt: skip
    """Latents of the labelled training frames, spread evenly where there are more than ``most``."""
    ends = np.cumsum([len(track) for track in codes])
    kept = np.unique(np.linspace(0, ends[-1] - 1, min(most, ends[-1])).astype(int))
    latents, numbers = [], []
    for track, clip, number, source, end in zip(codes, clips, classes, sources, ends, strict=False):
        first = end - len(track)
        places = torch.from_numpy(kept[(kept >= first) & (kept < end)] - first)
        rows, sound = torch.from_numpy(track), torch.from_numpy(clip.audio)
        context = own_context(rows, sound, number, network, torch.from_numpy(source[0][0])).take(places)
        latents.append(network.encode(rows[places], context, torch.full((len(places),), number)).numpy())
        numbers.append(np.full(len(places), number))
    return {"latents": np.concatenate(latents).astype(np.float32), "latent_classes": np.concatenate(numbers)}
