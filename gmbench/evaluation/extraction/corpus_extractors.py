"""The networks trained on the synthetic corpus as feature extractors; they give the arrays of the official ones."""

import functools
from collections.abc import Callable
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from gmbench.errors import MediaError
from gmbench.evaluation.extraction.accumulators import (
    FrameAccumulator,
    LipSyncAccumulator,
    Network,
    complete_rows,
    count,
    no_emotion,
    only_complete,
    spaced,
)  # fmt: skip
from gmbench.evaluation.extraction.features import Accumulator, ClipContext, ClipFeature, Frame, PairFeature
from gmbench.evaluation.extraction.network_crops import (
    all_landmarks,
    corpus_chip,
    mouth_crop,
    protocol_crop,
    shrunk_crop,
)
from gmbench.evaluation.protocol import Protocol
from gmbench.metrics.emotion import SUITE_ORDER
from gmbench.metrics.perceptual import layer_distance, unit_normalised
from gmbench.metrics.sync import WINDOW
from gmbench.store import Arrays
from gmbench.weights import load_path

CORPUS = "corpus"
_SMALL_BATCH = 16
_MOTION_WINDOW = 16


def fid(protocol: Protocol) -> ClipFeature:
    """Features of the frames that the protocol shows, 64 pixels wide."""
    crop, most = protocol.crop, protocol.fid_frames
    return ClipFeature(
        "corpus_features", 1, functools.partial(_pictures, crop=crop, most=most), ("corpus_features",),
        landmarks=crop != "full", options=f"{crop} {most}", fallback=CORPUS,
    )  # fmt: skip


def fvd(protocol: Protocol) -> ClipFeature:
    """Mean features of windows of 16 frames, and the mean size of their steps."""
    return ClipFeature("corpus_motion", 1, _motion, ("corpus_features",), fallback=CORPUS)


def emotion(protocol: Protocol) -> ClipFeature:
    """Probabilities of a clip and, as its one window, of its windows."""
    return ClipFeature("corpus_emotion", 2, _corpus_emotion, ("corpus_emotion",), landmarks=True, fallback=CORPUS)


def sync(protocol: Protocol) -> ClipFeature:
    """Embeddings of lips and sound."""
    files = ("corpus_syncnet",)
    return ClipFeature("corpus_sync", 1, _corpus_sync, files, landmarks=True, audio=True, fallback=CORPUS)


def identity(protocol: Protocol) -> ClipFeature:
    """Embeddings of every frame."""
    return ClipFeature("corpus_identity", 1, _corpus_identity, ("corpus_identity",), landmarks=True, fallback=CORPUS)


def lpips(protocol: Protocol) -> PairFeature:
    """Distance of the layers of the feature network between pairs of frames."""
    return PairFeature("corpus_lpips", 2, _corpus_lpips, ("corpus_features",), fallback=CORPUS)


@functools.cache
def _trained(kind: str) -> Any:
    from gmbench.extractors.corpus.networks import read

    return read(load_path(f"corpus_{kind}")[0], kind)


def _pictures(context: ClipContext, crop: str, most: int) -> Accumulator:
    indices = spaced(context.frames, most)
    return FrameAccumulator(
        _encoded("features"), shrunk_crop(protocol_crop(context, crop)), indices, _SMALL_BATCH, only_complete
    )


def _motion(context: ClipContext) -> Accumulator:
    """Windows of 16 frames: mean features and mean size of their steps."""
    count = (context.frames // _MOTION_WINDOW) * _MOTION_WINDOW

    def summarise(features: NDArray[np.float32]) -> Arrays:
        if len(features) == 0:
            raise MediaError(f"clip shorter than {_MOTION_WINDOW} frames")
        windows = features.reshape(-1, _MOTION_WINDOW, features.shape[1])
        steps = np.abs(np.diff(windows, axis=1)).mean(axis=1)
        return {"features": np.concatenate([windows.mean(axis=1), steps], axis=1)}

    crop = shrunk_crop(lambda index, frame: frame)
    return FrameAccumulator(_encoded("features"), crop, np.arange(count), _SMALL_BATCH, summarise)


def _corpus_emotion(context: ClipContext) -> Accumulator:
    import torch

    network = _trained("emotion")

    def summarise(features: NDArray[np.float32]) -> Arrays:
        complete = complete_rows(features)
        if len(complete) == 0:
            return no_emotion() | {"windows": np.empty((0, len(SUITE_ORDER)))}
        with torch.inference_mode():
            probabilities = network.classify(torch.from_numpy(complete.reshape(1, len(complete), 2, -1)))[0].numpy()
        return {"probabilities": probabilities, "faces": count(len(complete)), "windows": probabilities[None]}

    both_ways = _forward(lambda chips: network.both_ways(chips).flatten(1))
    return FrameAccumulator(both_ways, corpus_chip(context), np.arange(context.frames), _SMALL_BATCH, summarise)


def _corpus_identity(context: ClipContext) -> Accumulator:
    return FrameAccumulator(
        _forward(_trained("identity")), corpus_chip(context), np.arange(context.frames), _SMALL_BATCH,
        lambda features: {"embeddings": features},
    )  # fmt: skip


def _corpus_sync(context: ClipContext) -> Accumulator:
    import torch

    from gmbench.extractors.syncnet import mfcc_windows

    network = _trained("syncnet")

    def sound(mfcc: NDArray[np.float64], count: int) -> NDArray[np.float32]:
        with torch.inference_mode():
            return np.asarray(network.sounds(torch.from_numpy(mfcc_windows(mfcc, count))).numpy())

    return LipSyncAccumulator(context, mouth_crop(all_landmarks(context)), _Mouths(network), sound)


class _Mouths:
    """Windows of five mouths through the corpus-trained lip tower."""

    def __init__(self, network: Any) -> None:
        self._network = network
        self._mouths: list[NDArray[np.uint8]] = []

    def add(self, crop: Frame) -> None:
        """The next mouth (40, 40, 1)."""
        self._mouths.append(crop[..., 0])

    def embeddings(self) -> NDArray[np.float32]:
        """(T - 4, 64)."""
        import torch

        grey = torch.from_numpy(np.stack(self._mouths)).float()
        windows = torch.stack([grey[i : i + WINDOW] for i in range(len(grey) - WINDOW + 1)])
        with torch.inference_mode():
            return np.asarray(torch.cat([self._network.lips(part) for part in windows.split(64)]).numpy())


class _CorpusLpips:
    """LPIPS with weights of one on the layers of the feature network; the last reference's layers are kept."""

    def __init__(self) -> None:
        self._last: tuple[Frame, list[Any]] | None = None

    def __call__(self, first: Frame, second: Frame) -> float:
        if first is second:  # the ground truth beside itself
            return 0.0
        if self._last is None or self._last[0] is not second:
            self._last = second, self._layers(second)
        layers = zip(self._layers(first), self._last[1], strict=True)
        return float(np.mean([float(layer_distance(f, g)) for f, g in layers]))

    def _layers(self, frame: Frame) -> list[Any]:
        import torch

        from gmbench.extractors.corpus.networks import SIDE, as_input

        small = cv2.resize(frame, (SIDE, SIDE), interpolation=cv2.INTER_AREA)
        with torch.inference_mode():
            return [unit_normalised(x) for x in _trained("features").encoder.maps(as_input(small[None]))]


@functools.cache
def _corpus_lpips_network() -> _CorpusLpips:
    return _CorpusLpips()


def _corpus_lpips(first: Frame, second: Frame) -> float:
    return _corpus_lpips_network()(first, second)


def _encoded(kind: str) -> Network:
    return _forward(_trained(kind).encoder)


def _forward(network: Callable[[Any], Any]) -> Network:
    """A trained network on RGB pictures."""
    import torch

    from gmbench.extractors.corpus.networks import as_input

    def run(pictures: NDArray[np.uint8]) -> NDArray[np.float32]:
        with torch.inference_mode():
            return np.asarray(network(as_input(pictures)).numpy(), np.float32)

    return run
