"""EDTalk's acceptance test 12: how near weights of the expression from tone and words are to those of the video."""

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
import torch

from gmbench.datasets.manifest import TRAIN
from gmbench.media import Video
from gmbench.methods.edtalk.animator import Animator
from gmbench.methods.edtalk.drivers import signed
from gmbench.methods.edtalk.encoding import encode
from gmbench.methods.edtalk.method import EDTalk
from gmbench.methods.edtalk.semantics import BOTH, TEXT_ALONE, SemanticNetwork
from gmbench.methods.edtalk.semantics_training import SpokenClip
from gmbench.methods.interface import PreparedDataset
from tests.acceptance.edtalk_clips import Drawing, HeldOutClip
from tests.acceptance.outcome import Outcome, positive, reported

STEP = 3
"""Frames between those that a clip's mean expression is taken of, as in training."""
DRAWS = {"both": BOTH, "words alone": TEXT_ALONE, "sound alone": 0.0}
"""A draw of the masking that leaves this."""
MEAN = "mean of the training clips"


def clip_expression(network: Animator, video: Path) -> np.ndarray:
    """Mean weights (n,) of the expression over a clip's frames."""
    frames = [np.asarray(frame) for frame in Video(video)][::STEP]
    return encode(network, signed(network, frames), ("expression",))["expression"].mean(axis=0)


def spoken(method: EDTalk, clips: Sequence[HeldOutClip]) -> list[SpokenClip]:
    """Held-out clips as the network learns from them."""
    drawing = Drawing(method, clips)
    requests = [drawing.request(n) for n in range(len(clips))]
    return [
        SpokenClip(request.audio, method._features_of(request.audio), clip.transcript,
                   clip_expression(method.whole.network, clip.video))
        for clip, request in zip(clips, requests, strict=True)
    ]  # fmt: skip


def training_mean(method: EDTalk, dataset: PreparedDataset) -> np.ndarray:
    """Mean weights (n,) of the expression over the training clips."""
    rows = dataset.split(TRAIN)
    return np.mean([clip_expression(method.whole.network, dataset.crops / row.video_path) for row in rows], axis=0)


@torch.inference_mode()
def distances(network: SemanticNetwork, clips: Sequence[SpokenClip], mean: np.ndarray) -> dict[str, list[float]]:
    """L1 distances of each clip's weights by what the network was given, and of the training clips' mean."""
    found: dict[str, list[float]] = {name: [] for name in (*DRAWS, MEAN)}
    device = network.weights.weight.device
    for clip in clips:
        batch = network.batch([(clip.audio, clip.features, clip.text)]).to(device)
        for name, draw in DRAWS.items():
            weights = network(batch, torch.tensor([draw], device=device))[0].cpu().numpy()
            found[name].append(float(np.abs(weights - clip.weights).sum()))
        found[MEAN].append(float(np.abs(mean - clip.weights).sum()))
    return found


def semantics(found: Mapping[str, Sequence[float]], without: Mapping[str, Sequence[float]]) -> list[Outcome]:
    """Test 12 of distances, and of those of a network that was trained without masking (``wo_mask``)."""
    full, free = ({name: float(np.mean(values)) for name, values in kind.items()} for kind in (found, without))
    alone = ("words alone", "sound alone")
    rows = [reported(12, f"expression from {name}: L1 distance to the video's", full[name]) for name in DRAWS]
    rows.append(reported(12, f"the same, {MEAN}", full[MEAN]))
    rows += [reported(12, f"wo_mask, from {name}: L1 distance", free[name]) for name in DRAWS]
    rows += [positive(12, f"{name} minus both", full[name] - full["both"]) for name in alone]
    rows += [positive(12, f"{MEAN} minus {name}", full[MEAN] - full[name]) for name in alone]
    return rows + [positive(12, f"{name}: wo_mask minus with masking", free[name] - full[name]) for name in alone]
