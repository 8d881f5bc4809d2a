"""The networks trained on the synthetic corpus as feature extractors; they give the arrays of the official ones."""

import functools
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from gmbench.devices import CPU, Network, Networks, key
from gmbench.devices.asking import loaded
from gmbench.errors import MediaError
from gmbench.evaluation.extraction.accumulators import (
    Asked,
    FrameAccumulator,
    LipSyncAccumulator,
    asked,
    at_once,
    complete_rows,
    count,
    in_batches,
    no_emotion,
    only_complete,
    spaced,
)  # fmt: skip
from gmbench.evaluation.extraction.features import (
    Accumulator,
    ClipContext,
    ClipFeature,
    Frame,
    PairFeature,
    PairNetwork,
)
from gmbench.evaluation.extraction.network_crops import (
    CORPUS_SIDE,
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
from gmbench.metrics.time_warping import BAND
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
        landmarks=crop != "full", options=f"{crop} {most}" + _computed(protocol, " "), fallback=CORPUS,
    )  # fmt: skip


def fvd(protocol: Protocol) -> ClipFeature:
    """Mean features of windows of 16 frames, and the mean size of their steps."""
    options = _computed(protocol)
    return ClipFeature("corpus_motion", 1, _motion, ("corpus_features",), fallback=CORPUS, options=options)


def emotion(protocol: Protocol) -> ClipFeature:
    """Probabilities of a clip and, as its one window, of its windows."""
    return ClipFeature(
        "corpus_emotion", 2, _corpus_emotion, ("corpus_emotion",), landmarks=True, fallback=CORPUS,
        options=_computed(protocol),
    )  # fmt: skip


def sync(protocol: Protocol) -> ClipFeature:
    """Embeddings of lips and sound."""
    return ClipFeature(
        "corpus_sync", 1, _corpus_sync, ("corpus_syncnet",), landmarks=True, audio=True, fallback=CORPUS,
        options=_computed(protocol),
    )  # fmt: skip


def identity(protocol: Protocol) -> ClipFeature:
    """Embeddings of every frame."""
    return ClipFeature(
        "corpus_identity", 1, _corpus_identity, ("corpus_identity",), landmarks=True, fallback=CORPUS,
        options=_computed(protocol),
    )  # fmt: skip


def lpips(protocol: Protocol) -> PairFeature:
    """Distance of the layers of the feature network between pairs of frames."""
    return PairFeature(
        "corpus_lpips", 2, _corpus_lpips, ("corpus_features",), fallback=CORPUS, options=_computed(protocol),
        pairs=PairNetwork(_lpips_network, _shrunk),
    )  # fmt: skip


def _computed(protocol: Protocol, before: str = "") -> str:
    """What the device adds to a feature's key; these small networks are always asked in float32."""
    parts = key(protocol.device)
    return before + " ".join(parts) if parts else ""


def _path(kind: str) -> Path:
    return load_path(f"corpus_{kind}")[0]


def lpips_band(protocol: Protocol) -> PairFeature:
    """The same inside the band of dynamic time warping."""
    gamma = protocol.dtw_gamma > 0
    return PairFeature(
        "corpus_lpips_band", 1, lambda a, b: _corpus_lpips_network().distance(a, b), ("corpus_features",),
        fallback=CORPUS, options=f"{BAND} selves" if gamma else str(BAND),
        prepare=lambda frame: _corpus_lpips_network().kept_layers(frame), band=BAND, selves=gamma,
    )  # fmt: skip


def _trained(kind: str) -> Any:
    """A network on the CPU."""
    from gmbench.extractors.corpus.networks import read

    return loaded(read, (_path(kind), kind), "float32", CPU)


def _asked(networks: Networks, function: str, kind: str) -> Asked:
    """A network asked by one of the functions of :mod:`gmbench.extractors.corpus.networks`."""
    from gmbench.extractors.corpus import networks as corpus

    return asked(networks, getattr(corpus, function), corpus.read, _path(kind), kind, batch=256)


def _pictures(context: ClipContext, crop: str, most: int) -> Accumulator:
    ask = _asked(context.networks, "encoder_rows", "features")
    indices = spaced(context.frames, most)
    size = in_batches(context.networks, _SMALL_BATCH)
    return FrameAccumulator(ask, shrunk_crop(protocol_crop(context, crop)), indices, size, only_complete)


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
    ask = _asked(context.networks, "encoder_rows", "features")
    return FrameAccumulator(ask, crop, np.arange(count), in_batches(context.networks, _SMALL_BATCH), summarise)


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

    ask = _asked(context.networks, "both_ways_rows", "emotion")
    size = in_batches(context.networks, _SMALL_BATCH)
    return FrameAccumulator(ask, corpus_chip(context), np.arange(context.frames), size, summarise)


def _corpus_identity(context: ClipContext) -> Accumulator:
    ask = _asked(context.networks, "identity_rows", "identity")
    size = in_batches(context.networks, _SMALL_BATCH)
    return FrameAccumulator(
        ask, corpus_chip(context), np.arange(context.frames), size, lambda features: {"embeddings": features}
    )


def _corpus_sync(context: ClipContext) -> Accumulator:
    from gmbench.extractors.syncnet import mfcc_windows

    lips, sounds = (_asked(context.networks, name, "syncnet") for name in ("lip_rows", "sound_rows"))

    def sound(mfcc: NDArray[np.float64], count: int) -> NDArray[np.float32]:
        return sounds(mfcc_windows(mfcc, count)).result()

    return LipSyncAccumulator(context, mouth_crop(all_landmarks(context)), _Mouths(lips), sound)


class _Mouths:
    """Windows of five mouths through the corpus-trained lip tower."""

    def __init__(self, ask: Asked) -> None:
        self._ask = ask
        self._mouths: list[NDArray[np.uint8]] = []

    def add(self, crop: Frame) -> None:
        """The next mouth (40, 40, 1)."""
        self._mouths.append(crop[..., 0])

    def embeddings(self) -> NDArray[np.float32]:
        """(T - 4, 64)."""
        grey = np.stack(self._mouths)
        windows = np.stack([grey[i : i + WINDOW] for i in range(len(grey) - WINDOW + 1)])
        return at_once(self._ask, windows, 64)


class _CorpusLpips:
    """LPIPS with weights of one on the layers of the feature network; the last reference's layers are kept."""

    def __init__(self) -> None:
        self._last: tuple[Frame, list[Any]] | None = None

    def __call__(self, first: Frame, second: Frame) -> float:
        if first is second:  # the ground truth beside itself
            return 0.0
        theirs = self.kept_layers(second)
        return self.distance(self.layers(first), theirs)

    def distance(self, first: list[Any], second: list[Any]) -> float:
        """Distance of two frames by their layers, 0 for a frame and itself."""
        if first is second:
            return 0.0
        return float(np.mean([float(layer_distance(f, g)) for f, g in zip(first, second, strict=True)]))

    def kept_layers(self, frame: Frame) -> list[Any]:
        """:meth:`layers`, which the same frame shares when it comes again at once."""
        if self._last is None or self._last[0] is not frame:
            self._last = frame, self.layers(frame)
        return self._last[1]

    def layers(self, frame: Frame) -> list[Any]:
        """Features of a frame, one tensor a layer."""
        import torch

        from gmbench.extractors.corpus.networks import as_input

        with torch.inference_mode():
            return [unit_normalised(x) for x in _trained("features").encoder.maps(as_input(_shrunk(frame)[None]))]


@functools.cache
def _corpus_lpips_network() -> _CorpusLpips:
    return _CorpusLpips()


def _corpus_lpips(first: Frame, second: Frame) -> float:
    return _corpus_lpips_network()(first, second)


def _lpips_network() -> Network:
    from gmbench.extractors.corpus.networks import distance_rows, read

    return Network(distance_rows, read, (_path("features"), "features"), batch=256)


def _shrunk(frame: Frame) -> Frame:
    """A frame as the feature network sees it."""
    return np.asarray(cv2.resize(frame, (CORPUS_SIDE, CORPUS_SIDE), interpolation=cv2.INTER_AREA), np.uint8)
