"""The published networks as feature extractors: which file, which crop, which frames, what is stored."""

import functools
from collections.abc import Callable
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from gmbench.devices import CPU, Answer, Network, key
from gmbench.devices.asking import Given, loaded
from gmbench.evaluation.extraction.accumulators import (
    FrameAccumulator,
    LipSyncAccumulator,
    RunsOfCrops,
    WindowAccumulator,
    asked,
    at_once,
    complete_rows,
    count,
    in_batches,
    in_suite_order,
    no_emotion,
    only_complete,
    softmax,
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
    aligned_crop,
    all_landmarks,
    landmark_box_crop,
    lip_crop,
    longest_track,
    prepared,
    protocol_crop,
    sync_crop,
)
from gmbench.evaluation.protocol import Protocol
from gmbench.face import crops
from gmbench.face.pose import euler_from_matrix
from gmbench.metrics.emotion import SUITE_ORDER
from gmbench.metrics.time_warping import BAND
from gmbench.store import Arrays
from gmbench.weights import load_path

BATCH = 16
_SHOT_CHANGE = 27.0


def fid(protocol: Protocol) -> ClipFeature:
    """Inception features of the frames that the protocol shows."""
    crop, most = protocol.crop, protocol.fid_frames
    return ClipFeature(
        "fid", 1, functools.partial(_fid, crop=crop, most=most, precision=products(protocol)), ("fid_inception",),
        landmarks=crop != "full", options=f"{crop} {most}" + _computed(protocol, products(protocol), " "),
    )  # fmt: skip


def fid_eat(protocol: Protocol) -> ClipFeature:
    """Features of torchvision's Inception, as the EAT evaluation takes them."""
    return ClipFeature(
        "fid_eat", 1, functools.partial(_fid_eat, precision=protocol.precision), ("inception_v3",), landmarks=True,
        options=_computed(protocol, protocol.precision),
    )  # fmt: skip


def fvd(protocol: Protocol) -> ClipFeature:
    """I3D features of windows of 16 frames."""
    precision = products(protocol)
    begin = functools.partial(_fvd, precision=precision)
    return ClipFeature("fvd", 1, begin, ("i3d",), options=_computed(protocol, precision))


def sync(protocol: Protocol) -> ClipFeature:
    """SyncNet's embeddings of lips and sound."""
    crop, precision = protocol.sync_crop, protocol.precision
    options = crop + _computed(protocol, precision, " ")
    boxes = (_face_boxes(protocol),) if crop == "s3fd" else ()
    return ClipFeature(
        "sync", 1, functools.partial(_sync_windows, crop=crop, precision=precision), ("syncnet",),
        landmarks=crop != "s3fd", audio=True, requires=boxes, options=options,
    )  # fmt: skip


def emotion(protocol: Protocol) -> ClipFeature:
    """Emotion-FAN's probabilities of a clip, of the network that was trained on the protocol's dataset."""
    released, precision, name = protocol.fan_released, protocol.precision, f"emotion_fan_{protocol.emotion_network}"
    return ClipFeature(
        "emotion", 1, functools.partial(_emotion, released=released, precision=precision, name=name), (name,),
        landmarks=True, options=("released" if released else "formula") + _computed(protocol, protocol.precision),
    )  # fmt: skip


def affect(protocol: Protocol) -> ClipFeature:
    """EMO-AffectNet's probabilities of windows of a clip."""
    return ClipFeature(
        "affect", 1, functools.partial(_affect, precision=protocol.precision), ("emo_affectnet", "emo_affectnet_lstm"),
        landmarks=True, options=_computed(protocol, protocol.precision),
    )  # fmt: skip


def identity(protocol: Protocol) -> ClipFeature:
    """ArcFace embeddings of every frame."""
    return ClipFeature("identity", 1, _identity, ("arcface",), landmarks=True)


def lip_reader(protocol: Protocol) -> ClipFeature:
    """A lip reader's embeddings of every frame."""
    return ClipFeature("lip_reader", 1, LipReading, ("lip_reader",), landmarks=True)


def pose(protocol: Protocol) -> ClipFeature:
    """TokenHPE's head pose of every frame."""
    precision = products(protocol)
    begin = functools.partial(_pose, precision=precision)
    return ClipFeature("pose", 1, begin, ("tokenhpe",), options=_computed(protocol, precision))


def _face_boxes(protocol: Protocol) -> ClipFeature:
    """S3FD's boxes."""
    precision = products(protocol)
    begin = functools.partial(FaceBoxAccumulator, precision=precision)
    return ClipFeature("s3fd", 1, begin, ("s3fd",), options=_computed(protocol, precision))


def lpips_alex(protocol: Protocol) -> PairFeature:
    """LPIPS of pairs of frames, AlexNet."""
    function, pairs = _lpips_by("alex", "alexnet", protocol)
    options = _computed(protocol, protocol.precision)
    return PairFeature("lpips_alex", 2, function, ("alexnet",), options=options, pairs=pairs)


def lpips_band(protocol: Protocol) -> PairFeature:
    """LPIPS (AlexNet) of pairs of frames inside the band of dynamic time warping."""
    precision = protocol.precision if protocol.precision == "bfloat16" else "float32"
    load = functools.partial(_lpips, "alex", "alexnet", precision)
    return PairFeature(
        "lpips_band", 1, lambda a, b: load().distance(a, b), ("alexnet",), options=band_options(protocol, precision),
        prepare=lambda frame: load().kept_layers(frame), band=BAND, selves=protocol.dtw_gamma > 0,
    )  # fmt: skip


def band_options(protocol: Protocol, precision: str) -> str:
    """What decides the values of :func:`lpips_band`, which is computed on the CPU whatever the device."""
    return " ".join(part for part in (str(BAND), *key(CPU, precision), "selves" if protocol.dtw_gamma else "") if part)


def lpips_vgg(protocol: Protocol) -> PairFeature:
    """LPIPS of pairs of frames, VGG-16."""
    function, pairs = _lpips_by("vgg", "vgg16", protocol)
    options = _computed(protocol, protocol.precision)
    return PairFeature("lpips_vgg", 2, function, ("vgg16",), options=options, pairs=pairs)


def _lpips_by(kind: str, name: str, protocol: Protocol) -> tuple[Callable[[Frame, Frame], float], PairNetwork]:
    """LPIPS of two frames on the CPU, and of many pairs elsewhere."""
    precision = protocol.precision
    network = functools.partial(_lpips_network, kind=kind, name=name, precision=precision)
    of_frames = functools.partial(_lpips_of_frames, kind=kind, name=name, precision=precision)
    return of_frames, PairNetwork(network, _unchanged)


def products(protocol: Protocol) -> str:
    """Precision of the networks that always have float32 weights: their products may be shortened all the same."""
    return "tf32" if protocol.precision == "tf32" else "float32"


def _computed(protocol: Protocol, precision: str, before: str = "") -> str:
    """What device and precision add to a feature's key, since they change numbers; nothing for float32 on the CPU."""
    parts = key(protocol.device, precision)
    return before + " ".join(parts) if parts else ""


def _unchanged(frame: Frame) -> Frame:
    return frame


def _path(name: str) -> Path:
    return load_path(name)[0]


@functools.cache
def _lpips(kind: str, name: str, precision: str) -> Any:
    import torch

    from gmbench.extractors.trunks import load_lpips

    return load_lpips(kind, _path(name), getattr(torch, precision))


def _lpips_of_frames(first: Frame, second: Frame, kind: str, name: str, precision: str) -> float:
    return _lpips(kind, name, precision)(first, second)


def _lpips_network(kind: str, name: str, precision: str) -> Network:
    from gmbench.extractors.trunks import load_lpips_pairs, lpips_rows

    return Network(lpips_rows, load_lpips_pairs, (kind, _path(name)), precision, batch=32)


def _fid(context: ClipContext, crop: str, most: int, precision: str) -> Accumulator:
    from gmbench.extractors.inception import fid_rows, load_fid

    ask = asked(context.networks, fid_rows, load_fid, _path("fid_inception"), precision=precision)
    indices = spaced(context.frames, most)
    size = in_batches(context.networks, BATCH)
    return FrameAccumulator(ask, protocol_crop(context, crop), indices, size, only_complete)


def _fid_eat(context: ClipContext, precision: str) -> Accumulator:
    from gmbench.extractors.inception import eat_frames, eat_input, eat_rows, load_eat

    ask = asked(context.networks, eat_rows, load_eat, _path("inception_v3"), precision=precision)
    indices = eat_frames(context.frames)
    crop = prepared(protocol_crop(context, "eat128"), eat_input)
    return FrameAccumulator(ask, crop, indices, in_batches(context.networks, BATCH), only_complete)


def _fvd(context: ClipContext, precision: str) -> Accumulator:
    from gmbench.extractors.exported import VIDEO_WINDOW, load_script, video_rows

    ask = asked(context.networks, video_rows, load_script, _path("i3d"), precision=precision, batch=8)
    return WindowAccumulator(ask, VIDEO_WINDOW)


def _emotion(context: ClipContext, released: bool, precision: str, name: str) -> Accumulator:
    from gmbench.extractors import emotion_fan

    ask = asked(context.networks, emotion_fan.frame_rows, emotion_fan.load, _path(name), precision=precision)

    def summarise(features: NDArray[np.float32]) -> Arrays:
        complete = complete_rows(features)
        if len(complete) == 0:
            return no_emotion()
        network = loaded(emotion_fan.load, (_path(name),), precision, CPU)
        logits = emotion_fan.clip_logits(network, complete, released)
        return {
            "probabilities": in_suite_order(softmax(logits), emotion_fan.ORDERS[name]),
            "faces": count(len(complete)),
        }

    return FrameAccumulator(
        ask, aligned_crop(context, crops.fan224_matrix, crops.CHIP_SIZE), np.arange(context.frames),
        in_batches(context.networks, BATCH), summarise,
    )  # fmt: skip


def _affect(context: ClipContext, precision: str) -> Accumulator:
    from gmbench.extractors import affectnet

    files = _path("emo_affectnet"), _path("emo_affectnet_lstm")
    ask = asked(context.networks, affectnet.frame_rows, affectnet.load_backbone, files[0], precision=precision)

    def summarise(features: NDArray[np.float32]) -> Arrays:
        complete = complete_rows(features)
        if len(complete) == 0:
            return {"windows": np.empty((0, len(SUITE_ORDER)))}
        temporal = loaded(affectnet.load_temporal, (files[1],), precision, CPU)
        windows = affectnet.window_probabilities(temporal, complete)
        return {"windows": np.stack([in_suite_order(p, affectnet.ORDER) for p in windows])}

    return FrameAccumulator(
        ask, prepared(landmark_box_crop(context), affectnet.face_input),
        np.arange(0, context.frames, affectnet.FRAME_STEP), in_batches(context.networks, 1), summarise,
    )  # fmt: skip


def _identity(context: ClipContext) -> Accumulator:
    from gmbench.extractors.exported import ARC_POINTS, ARC_SIDE, five_points, identity_embeddings, load_onnx

    session = loaded(load_onnx, (_path("arcface"),), "float32", CPU)  # a program of another library, on the CPU
    crop = aligned_crop(context, lambda points: crops.fit_similarity(five_points(points), ARC_POINTS), ARC_SIDE)
    return FrameAccumulator(
        lambda x: Given(identity_embeddings(session, x)), crop, np.arange(context.frames), BATCH,
        lambda features: {"embeddings": features},
    )  # fmt: skip


def _pose(context: ClipContext, precision: str) -> Accumulator:
    from gmbench.extractors.exported import load_script, pose_input, pose_rows

    ask = asked(context.networks, pose_rows, load_script, _path("tokenhpe"), precision=precision)
    return FrameAccumulator(
        ask, lambda index, frame: pose_input(frame), np.arange(context.frames), in_batches(context.networks, BATCH),
        lambda matrices: {"pose": euler_from_matrix(matrices.astype(np.float64).reshape(-1, 3, 3))},
    )  # fmt: skip


def _sync_windows(context: ClipContext, crop: str, precision: str) -> Accumulator:
    from gmbench.extractors import syncnet

    networks, path = context.networks, _path("syncnet")
    if networks.device == CPU:
        network = loaded(syncnet.load, (path,), precision, CPU)
        return LipSyncAccumulator(
            context, sync_crop(context, crop), syncnet.LipStream(network),
            lambda mfcc, count: syncnet.sound_embeddings(network, mfcc, count),
        )  # fmt: skip
    lips = asked(networks, syncnet.lip_rows, syncnet.load_flat, path, precision=precision, batch=4)
    sounds = asked(networks, syncnet.sound_rows, syncnet.load, path, precision=precision, batch=256)
    return LipSyncAccumulator(
        context, sync_crop(context, crop), RunsOfCrops(lips, syncnet.WINDOW),
        lambda mfcc, count: at_once(sounds, syncnet.mfcc_windows(mfcc, count), 256),
    )  # fmt: skip


class FaceBoxAccumulator:
    """S3FD's boxes of a clip, cut at shot changes and tracked; ``boxes`` (T, 4), NaN outside the longest track."""

    def __init__(self, context: ClipContext, precision: str = "float32") -> None:
        from gmbench.extractors import s3fd

        self._ask = asked(context.networks, s3fd.candidate_rows, s3fd.load, _path("s3fd"), precision=precision)
        self._scale = s3fd.search_scale(context.height, context.width)
        self._size = in_batches(context.networks, 1)
        self._frames: list[Frame] = []
        self._answers: list[Answer] = []  # of the last frames: candidates take more memory than boxes
        self._detections: list[NDArray[np.float64]] = []
        self._cuts: list[int] = []
        self._last: NDArray[np.float32] | None = None
        self._shape = context.height, context.width

    def add(self, index: int, frame: Frame) -> None:
        """The next frame."""
        from gmbench.extractors import s3fd

        self._frames.append(s3fd.search_input(frame, self._scale))
        if len(self._frames) == self._size:
            self._flush()
        colours = cv2.cvtColor(np.ascontiguousarray(frame), cv2.COLOR_RGB2HSV).astype(np.float32)
        if self._last is not None and np.abs(colours - self._last).mean() > _SHOT_CHANGE:
            self._cuts.append(index)
        self._last = colours

    def finish(self) -> Arrays:
        """The longest track; raises MediaError where none is long enough."""
        self._flush()
        self._take(0)
        return {"boxes": longest_track(self._detections, self._cuts)}

    def _flush(self) -> None:
        if self._frames:
            self._answers.append(self._ask(np.stack(self._frames)))
            self._frames = []
            self._take(1)

    def _take(self, left: int) -> None:
        """Boxes of all answers but so many of the last."""
        from gmbench.extractors import s3fd

        while len(self._answers) > left:
            found = self._answers.pop(0).result()
            self._detections += [s3fd.best_boxes(candidates, *self._shape)[:, :4] for candidates in found]


class LipReading:
    """Embeddings of a lip reader, which sees the mouths of the whole clip; ``embeddings`` (T, d)."""

    def __init__(self, context: ClipContext) -> None:
        from gmbench.extractors.exported import load_script
        from gmbench.extractors.lip_reading import lip_embeddings

        self._network, self._embeddings = loaded(load_script, (_path("lip_reader"),), "float32", CPU), lip_embeddings
        self._points = all_landmarks(context)
        self._mouths: list[NDArray[np.uint8]] = []

    def add(self, index: int, frame: Frame) -> None:
        """The next frame."""
        self._mouths.append(lip_crop(frame, self._points[index]))

    def finish(self) -> Arrays:
        """Embeddings of all frames."""
        return {"embeddings": self._embeddings(self._network, np.stack(self._mouths))}
