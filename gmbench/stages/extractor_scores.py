"""How well the corpus' feature extractors do on people and clips that they did not learn from."""

from collections.abc import Callable
from typing import Any

import cv2
import numpy as np
import torch
from numpy.typing import NDArray

from gmbench.emotions import SUITE_ORDER
from gmbench.evaluation.extraction.network_crops import CORPUS_SIDE
from gmbench.extractors import landmarker
from gmbench.extractors.corpus import networks
from gmbench.extractors.syncnet import WINDOW, mfcc_windows
from gmbench.metrics.sync import Sync, shift_distances, synchronise
from gmbench.morphable.landmarks_478 import OUTER_EYE_CORNERS

SHIFTS = tuple(range(-10, 11))
"""Shifts of the sound in frames, positive for late, under which the offset must be found."""
TrainingData = dict[str, Any]
"""Of N takes: ``faces`` (:class:`gmbench.extractors.corpus.training.Faces`), ``extras``, ``targets``, ``emotion``."""


def shrunk(frames: NDArray[np.uint8], side: int) -> NDArray[np.uint8]:
    """Frames (N, F, S, S, 3) at (N, F, side, side, 3), averaged over areas."""
    small = [cv2.resize(f, (side, side), interpolation=cv2.INTER_AREA) for f in frames.reshape(-1, *frames.shape[2:])]
    return np.stack(small).reshape(*frames.shape[:2], side, side, 3).astype(np.uint8)


def _emotion_score(network: Any, data: TrainingData) -> dict[str, Any]:
    with torch.inference_mode():
        features = network.both_ways(_as_batch(data["faces"].chips())).unflatten(0, data["faces"].frames.shape[:2])
        predicted = network.classify(features).argmax(1).numpy()
    return _accuracy(predicted, data["emotion"])


def _vgg_score(network: Any, data: TrainingData) -> dict[str, Any]:
    with torch.inference_mode():
        predicted = network(_as_batch(data["faces"].chips())).argmax(1).numpy()
    return _accuracy(predicted, np.repeat(data["emotion"], data["faces"].frames.shape[1]))


def _identity_score(network: Any, data: TrainingData) -> dict[str, Any]:
    """Share of takes whose nearest other take is the same person's."""
    faces = data["faces"]
    with torch.inference_mode():
        embedded = network(_as_batch(faces.chips())).unflatten(0, faces.frames.shape[:2])
        e = torch.nn.functional.normalize(embedded.mean(1))
    nearest = (e @ e.T).fill_diagonal_(-2).argmax(1).numpy()
    same = nearest // 2 == np.arange(len(nearest)) // 2
    return {"same_person_nearest": round(float(np.mean(same)), 4), "takes": len(nearest)}


def _feature_score(network: Any, data: TrainingData) -> dict[str, Any]:
    """Mean correlation of the network's outputs with what it predicts: actions, signs, motion and shape."""
    with torch.inference_mode():
        predicted = network(_as_batch(shrunk(data["faces"].frames, CORPUS_SIDE))).numpy()
    targets = data["targets"].reshape(len(predicted), -1)
    r = [np.corrcoef(a, b)[0, 1] for a, b in zip(predicted.T, targets.T, strict=True) if b.std() > 0]
    return {"mean_correlation": round(float(np.mean(r)), 4), "frames": len(predicted)}


SCORES: dict[str, Callable[[Any, TrainingData], dict[str, Any]]] = {
    "emotion": _emotion_score, "emotion_vgg": _vgg_score, "identity": _identity_score, "features": _feature_score,
}  # fmt: skip
"""Scores on held-out people by kind of network."""


def _as_batch(pictures: NDArray[np.uint8]) -> torch.Tensor:
    """Pictures (N, F, S, S, 3) as input (N F, 3, S, S) of a network."""
    return networks.as_input(pictures.reshape(-1, *pictures.shape[2:]))


def _accuracy(predicted: NDArray[np.int64], expected: NDArray[np.int64]) -> dict[str, Any]:
    """Accuracy and confusion (expected, predicted) of emotions."""
    table = np.zeros((len(SUITE_ORDER),) * 2, int)
    np.add.at(table, (expected, predicted), 1)
    return {
        "accuracy": round(float(np.mean(predicted == expected)), 4), "count": len(predicted),
        "order": list(SUITE_ORDER), "confusion": table.tolist(),
    }  # fmt: skip


def landmark_error(
    network: landmarker.Landmarker,
    landmarks: NDArray[np.int64],
    frames: NDArray[np.uint8],
    points: NDArray[np.float32],
) -> dict[str, float]:
    """Mean distance of predicted landmarks from true ones in pixels and in percent of the outer eye corners' distance.

    Args:
        network: predicts the vertices ``landmarks`` (P,), in ascending order.
        frames: (N, S, S, 3).
        points: (N, P, 2) true positions in pixels.
    """
    distance = np.linalg.norm(landmarker.predict(network, frames) - points, axis=-1).mean(axis=1)
    corners = points[:, np.searchsorted(landmarks, OUTER_EYE_CORNERS)]
    width = np.linalg.norm(corners[:, 0] - corners[:, 1], axis=-1)
    return {
        "pixels": round(float(distance.mean()), 3),
        "percent_iod": round(float((100 * distance / width).mean()), 3),
        "frames": len(frames),
    }


def sync_score(network: Any, mouths: NDArray[np.uint8], mfcc: NDArray[np.float32]) -> dict[str, Any]:
    """Share of clips whose offset is found exactly under shifts of -10 to 10 frames, and Sync-C by shift.

    Args:
        network: embeds windows of mouths and of sound.
        mouths: (C, T, 40, 40).
        mfcc: (C, columns, 13), 100 columns per second.
    """
    exact, confidence = [], {shift: [] for shift in SHIFTS}  # type: tuple[list[bool], dict[int, list[float]]]
    for clip_mouths, clip_mfcc in zip(mouths, mfcc, strict=True):
        lips, sounds = _embedded(network, clip_mouths, clip_mfcc)
        for shift in SHIFTS:
            result = synchronise(shift_distances(lips, _shifted(sounds, shift)))
            exact.append(result.offset == -shift)
            confidence[shift].append(result.confidence)
    means = {str(shift): round(float(np.mean(values)), 5) for shift, values in confidence.items()}
    return {"offset_exact": round(float(np.mean(exact)), 4), "clips": len(mouths), "sync_c_by_shift": means}


def in_step(network: Any, mouths: NDArray[np.uint8], mfcc: NDArray[np.float32]) -> Sync:
    """Offset and Sync-C of one clip: mouths (T, 40, 40) and MFCC (columns, 13)."""
    return synchronise(shift_distances(*_embedded(network, mouths, mfcc)))


def _embedded(
    network: Any, mouths: NDArray[np.uint8], mfcc: NDArray[np.float32]
) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Embeddings (N, D) of a clip's windows of mouths and of sound."""
    count = min(len(mouths) - WINDOW, (len(mfcc) - 20) // 4 + 1)
    grey = torch.from_numpy(mouths).float()
    windows = torch.stack([grey[i : i + WINDOW] for i in range(count)])
    with torch.inference_mode():
        return network.lips(windows).numpy(), network.sounds(torch.from_numpy(mfcc_windows(mfcc, count))).numpy()


def _shifted(sounds: NDArray[np.float32], shift: int) -> NDArray[np.float32]:
    """Embeddings (N, D) of sound that comes ``shift`` windows later, zero where none is."""
    result = np.zeros_like(sounds)
    if shift >= 0:
        result[shift:] = sounds[: len(sounds) - shift]
    else:
        result[:shift] = sounds[-shift:]
    return result
