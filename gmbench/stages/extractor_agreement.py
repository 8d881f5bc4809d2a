"""How far retrained networks of the corpus differ from those that come with gmbench, on clips new to both."""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from gmbench.errors import WeightsError
from gmbench.evaluation.extraction.network_crops import CORPUS_SIDE, chip_matrix
from gmbench.extractors import landmarker
from gmbench.extractors.corpus import networks
from gmbench.extractors.corpus.training import Faces
from gmbench.face.landmarks_68 import mesh_vertices
from gmbench.morphable.landmarks_478 import OUTER_EYE_CORNERS
from gmbench.stages import extractor_scores as scores
from gmbench.stages.extractor_jobs import LANDMARKS, frames_and_points, mouths_and_mfcc
from gmbench.store import file_digest


def agreement(kind: str, trained: Path, given: Path, root: Path, clips: Sequence[str]) -> dict[str, Any]:
    """What the networks of a kind in two folders say of the same clips of the corpus at ``root``.

    Returns:
        ``same_bytes``, and of networks that differ: ``emotion`` and ``emotion_vgg`` the share of frames that both call
        the same; ``syncnet`` the share of clips with the same offset and the mean difference of Sync-C; ``landmarker``
        the mean distance of landmarks in percent of the outer eye corners' distance; ``identity`` the correlation of
        the cosines of all pairs of frames; ``features`` that of the outputs. ``not_compared`` says why where their
        architectures differ.
    """
    ours, shipped = (folder / f"{kind}.safetensors" for folder in (trained, given))
    if file_digest(ours) == file_digest(shipped):
        return {"same_bytes": True}
    try:
        found = _compared(kind, ours, shipped, root, tuple(clips))
    except (WeightsError, ValueError) as error:
        return {"same_bytes": False, "not_compared": str(error)}
    return {"same_bytes": False, "clips": len(clips)} | {name: round(float(v), 4) for name, v in found.items()}


def _compared(kind: str, ours: Path, shipped: Path, root: Path, clips: tuple[str, ...]) -> dict[str, Any]:
    if kind == "syncnet":
        return _sync(networks.read(ours, kind), networks.read(shipped, kind), *mouths_and_mfcc(root, clips))
    frames, points = frames_and_points(root, clips)
    if kind == "landmarker":
        return _landmarks(ours, shipped, frames, points)
    chips = _chips(frames, points)
    return _COMPARE[kind](networks.read(ours, kind), networks.read(shipped, kind), frames, chips)


def _chips(frames: NDArray[np.uint8], points: NDArray[np.float32]) -> NDArray[np.uint8]:
    """Chips (N, 64, 64, 3) of frames (N, S, S, 3) with their landmarks."""
    usual = points[:, np.searchsorted(LANDMARKS, mesh_vertices())].astype(np.float64)
    return Faces(frames[:, None], np.stack([chip_matrix(p) for p in usual])[:, None]).chips()[:, 0]


def _emotions(a: Any, b: Any, frames: NDArray[np.uint8], chips: NDArray[np.uint8]) -> dict[str, Any]:
    with torch.inference_mode():
        p, q = (n.classify(n.both_ways(networks.as_input(chips))[:, None]).numpy() for n in (a, b))
    return {"same_emotion": np.mean(p.argmax(1) == q.argmax(1)), "probability_difference": np.abs(p - q).max(1).mean()}


def _vgg(a: Any, b: Any, frames: NDArray[np.uint8], chips: NDArray[np.uint8]) -> dict[str, Any]:
    with torch.inference_mode():
        p, q = (network(networks.as_input(chips)).argmax(1).numpy() for network in (a, b))
    return {"same_emotion": np.mean(p == q)}


def _identity(a: Any, b: Any, frames: NDArray[np.uint8], chips: NDArray[np.uint8]) -> dict[str, Any]:
    with torch.inference_mode():
        e, f = (torch.nn.functional.normalize(network(networks.as_input(chips))).numpy() for network in (a, b))
    pairs = np.triu_indices(len(e), 1)
    return {"correlation_of_cosines": np.corrcoef((e @ e.T)[pairs], (f @ f.T)[pairs])[0, 1]}


def _features(a: Any, b: Any, frames: NDArray[np.uint8], chips: NDArray[np.uint8]) -> dict[str, Any]:
    batch = networks.as_input(scores.shrunk(frames[:, None], CORPUS_SIDE)[:, 0])
    with torch.inference_mode():
        p, q = (network(batch).numpy() for network in (a, b))
    return {"correlation_of_outputs": np.mean([np.corrcoef(x, y)[0, 1] for x, y in zip(p.T, q.T, strict=True)])}


_COMPARE: dict[str, Callable[[Any, Any, NDArray[np.uint8], NDArray[np.uint8]], dict[str, Any]]] = {
    "emotion": _emotions, "emotion_vgg": _vgg, "identity": _identity, "features": _features,
}  # fmt: skip


def _landmarks(ours: Path, shipped: Path, frames: NDArray[np.uint8], points: NDArray[np.float32]) -> dict[str, Any]:
    p, q = (landmarker.predict(landmarker.read(path)[0], frames) for path in (ours, shipped))
    corners = points[:, np.searchsorted(LANDMARKS, OUTER_EYE_CORNERS)]
    width = np.linalg.norm(corners[:, 0] - corners[:, 1], axis=-1)
    return {"percent_iod": (100 * np.linalg.norm(p - q, axis=-1).mean(axis=1) / width).mean()}


def _sync(a: Any, b: Any, mouths: NDArray[np.uint8], mfcc: NDArray[np.float32]) -> dict[str, Any]:
    found = [[scores.in_step(network, *clip) for clip in zip(mouths, mfcc, strict=True)] for network in (a, b)]
    pairs = list(zip(*found, strict=True))
    return {
        "same_offset": np.mean([x.offset == y.offset for x, y in pairs]),
        "sync_c_difference": np.mean([abs(x.confidence - y.confidence) for x, y in pairs]),
    }
