"""Training of GMTalker's expression and motion generators: from tracks to the bytes of a checkpoint and a report."""

import copy
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from gmbench.methods.gmtalker import gmeg, nfmg
from gmbench.methods.gmtalker.checkpoints import CHECKPOINTS
from gmbench.methods.gmtalker.settings import Gmeg, Nfmg
from gmbench.methods.gmtalker.starting_points import begin_expressions
from gmbench.methods.lips import scaled_lips
from gmbench.methods.scaling import Scale
from gmbench.methods.settings import TrainingSettings
from gmbench.methods.track_windows import WindowSampler, draw_balanced
from gmbench.methods.tracks import ClipTracks, relative_motion
from gmbench.methods.training_jobs import TrainedFile
from gmbench.nn.training import ProgressCallback, TrainState, Updater, adam, train, warm_up

GRADIENT_NORM = 1.0
"""Longer gradients are shortened to this."""
HELD_OUT_EVERY = 5
"""Every fifth clip of a person, or of many people, is for early stopping,"""
MOST_HELD_OUT = 64
"""but no more than these."""
CHECKS = 10
"""Times that the held-out clips are looked at."""
NEUTRAL = "neutral"


def train_gmeg(
    clips: Sequence[ClipTracks], emotions: Sequence[str], audio: Mapping[str, Any], settings: Gmeg, seed: int,
    folder: Path | None = None, progress: ProgressCallback | None = None, further: Sequence[ClipTracks] = (),
    lips: NDArray[np.float32] | None = None, start: Path | None = None,
) -> TrainedFile:  # fmt: skip
    """One expression generator for all speakers of a dataset.

    People who are only learnt from, and never generated, share one embedding of a speaker, which the checkpoint lacks.

    Args:
        clips: of all speakers.
        emotions: components of the mixture, in order.
        audio: description of the features, kept in the file.
        settings: sizes, objective, and how long.
        seed: of everything random.
        folder: for checkpoints and the log.
        progress: see :func:`gmbench.nn.training.train`.
        further: clips of people who are only learnt from.
        lips: (169, n) of :func:`lip_motion`, where the settings weigh the lips.
        start: a generator that it begins from, whose scale it keeps, as
            :func:`~gmbench.methods.gmtalker.starting_points.begin_expressions` says.
    """
    torch.manual_seed(seed)
    everyone = [*clips, *further]
    speakers = sorted({clip.speaker for clip in clips})
    weights = torch.from_numpy(
        np.stack([weight_label(c.emotion, c.level, emotions, settings.intensity) for c in everyone])
    )
    numbers = torch.tensor([speakers.index(clip.speaker) for clip in clips] + [len(speakers)] * len(further))
    network = gmeg.ExpressionGenerator(
        settings, clips[0].beta.shape[1], clips[0].audio.shape[1], len(emotions), len(speakers) + bool(further)
    )
    if start is None:
        scale = Scale.of([clip.beta for clip in everyone])
    else:
        scale = begin_expressions(network, start, emotions, audio)
    tracks = [(scale.standardise(clip.beta), clip.audio) for clip in everyone]
    windows = WindowSampler(tracks, settings.window)
    labels, further_labels = ([clip.emotion for clip in group] for group in (clips, further))
    batch = settings.train.batch
    of_further = min(batch - 1, round(settings.track_share * batch)) if further else 0
    lip_columns = None if lips is None else scaled_lips(lips * scale.deviation[:, None], [beta for beta, _ in tracks])

    def update(step: int, updater: Updater) -> dict[str, Tensor]:
        warm_up(state.optimisers["gmeg"], settings.train.rate, step, settings.train.steps, settings.decay)
        chosen = draw_balanced(labels, batch - of_further)
        if of_further:
            chosen += [len(clips) + number for number in draw_balanced(further_labels, of_further)]
        (beta, audio_features), valid = windows.batch(chosen)
        inputs = (beta, audio_features, valid, weights[chosen], numbers[chosen])
        beta, audio_features, valid, label, speaker = (x.to(updater.device) for x in inputs)
        columns = None if lip_columns is None else lip_columns.to(updater.device)
        done = step / settings.train.steps
        terms = gmeg.losses(network, beta, audio_features, valid, label, speaker, done, columns)
        updater.backward_and_step(terms["total"], "gmeg", GRADIENT_NORM)
        return terms

    optimiser = adam(network.parameters(), settings.train.rate)
    state = TrainState(nn.ModuleDict({"gmeg": network}), {"gmeg": optimiser}, update)
    report = train(state, settings.train.config(seed), folder, progress)
    network.keep_speakers(len(speakers))
    facts = {
        "settings": settings.model_dump(mode="json"), "emotions": list(emotions), "speakers": speakers,
        "audio": dict(audio), "beta": int(clips[0].beta.shape[1]), "audio_dim": int(clips[0].audio.shape[1]),
    }  # fmt: skip
    return CHECKPOINTS.pack("gmeg", network, facts, {"mean": scale.mean, "deviation": scale.deviation}), report


def train_nfmg(
    clips: Sequence[ClipTracks], audio: Mapping[str, Any], settings: Nfmg, training: TrainingSettings, seed: int,
    start: Path | None = None, folder: Path | None = None, progress: ProgressCallback | None = None,
) -> TrainedFile:  # fmt: skip
    """A motion generator, from scratch or from a checkpoint ``start``, whose scale it keeps.

    Every fifth clip is held out where there are five, and the weights with the least loss on them are kept: a bound
    on the likelihood of motion that was not learnt from. The last row of the log has the latents' log-likelihood under
    the kept prior per element, ``nats_train`` and ``nats_held_out``: one that knows the training's alone shows there.
    The other arguments are those of :func:`train_gmeg`.
    """
    torch.manual_seed(seed)
    network = nfmg.MotionGenerator(settings, clips[0].audio.shape[1])
    motions = [relative_motion(clip.rho) for clip in clips]
    if start is None:
        scale = Scale.of(motions, centred=False)
    else:
        constants = CHECKPOINTS.load_weights(start, network)
        network.requires_grad_(True)
        scale = Scale(constants["mean"], constants["deviation"])
    tracks = [(scale.standardise(m), clip.audio) for m, clip in zip(motions, clips, strict=True)]
    tested = set(range(0, len(tracks), HELD_OUT_EVERY)[:MOST_HELD_OUT]) if len(tracks) >= HELD_OUT_EVERY else set()
    used = [track for n, track in enumerate(tracks) if n not in tested]
    windows = WindowSampler(used, settings.window)
    checks = WindowSampler([tracks[n] for n in sorted(tested)], settings.window)
    modules = nn.ModuleDict({"nfmg": network})
    if tested:
        modules["best"] = copy.deepcopy(network).requires_grad_(False)
        modules.register_buffer("best_loss", torch.tensor(float("inf")))

    def update(step: int, updater: Updater) -> dict[str, Tensor]:
        warm_up(state.optimisers["nfmg"], training.rate, step, training.steps)
        (motion, features), valid = windows.batch(torch.randint(0, len(used), (training.batch,)).tolist())
        motion, features, valid = (x.to(updater.device) for x in (motion, features, valid))
        terms = nfmg.losses(network, motion, features, valid, step / training.steps)
        updater.backward_and_step(terms["total"], "nfmg", GRADIENT_NORM)
        if tested and (step + 1) % max(1, training.steps // CHECKS) == 0:
            terms["held_out"] = _keep_best(modules, checks, seed, updater.device)
        return terms

    optimiser = adam(network.parameters(), training.rate)
    state = TrainState(modules, {"nfmg": optimiser}, update, copies=("best",))
    report = train(state, training.config(seed), folder, progress)
    kept = modules["best"] if tested and torch.isfinite(modules.get_buffer("best_loss")) else network
    likelihoods = {"nats_train": _nats(kept, windows, seed)} | (
        {"nats_held_out": _nats(kept, checks, seed)} if tested else {}
    )
    report = replace(report, log=[*report.log[:-1], report.log[-1] | likelihoods])
    facts = {
        "settings": settings.model_dump(mode="json"), "audio": dict(audio), "audio_dim": int(clips[0].audio.shape[1]),
    }  # fmt: skip
    return CHECKPOINTS.pack("nfmg", kept, facts, {"mean": scale.mean, "deviation": scale.deviation}), report


def weight_label(emotion: str, level: int, emotions: Sequence[str], intensity: str) -> NDArray[np.float32]:
    """Weights (K,) of a clip's label: one-hot, or shared with neutral by its level of three."""
    weights = np.zeros(len(emotions), np.float32)
    share = level / 3 if intensity == "neutral_mix" and NEUTRAL in emotions and level else 1.0
    weights[emotions.index(emotion)] += share
    if share < 1:
        weights[emotions.index(NEUTRAL)] += 1 - share
    return weights


@torch.no_grad()
def _keep_best(modules: nn.ModuleDict, checks: WindowSampler, seed: int, device: torch.device) -> Tensor:
    """Loss on the held-out clips, under the same noise each time; the best weights so far are copied to ``best``."""
    network = modules["nfmg"].eval()
    torch.manual_seed(seed)  # the next step seeds anew
    (motion, features), valid = checks.batch(range(len(checks.tracks)))
    loss = nfmg.losses(network, motion.to(device), features.to(device), valid.to(device), 0.5)["total"]
    network.train()
    if loss < modules.get_buffer("best_loss"):
        modules.get_buffer("best_loss").copy_(loss)
        modules["best"].load_state_dict(network.state_dict())
    return loss


@torch.no_grad()
def _nats(network: nn.Module, windows: WindowSampler, seed: int) -> float:
    """Likelihood of the latents of clips under the prior, nats per element; of at most :data:`MOST_HELD_OUT` clips."""
    torch.manual_seed(seed)
    (motion, features), valid = windows.batch(range(len(windows.tracks))[:MOST_HELD_OUT])
    network.eval()
    return float(network.log_likelihood(motion, features, valid))
