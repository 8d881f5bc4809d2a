"""The published networks as feature extractors: which file, which crop, which frames, what is stored."""

import functools
from collections.abc import Callable
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from gmbench.evaluation.extraction.accumulators import (
    FrameAccumulator,
    LipSyncAccumulator,
    WindowAccumulator,
    complete_rows,
    count,
    in_suite_order,
    no_emotion,
    only_complete,
    softmax,
    spaced,
)  # fmt: skip
from gmbench.evaluation.extraction.features import Accumulator, ClipContext, ClipFeature, Frame, PairFeature
from gmbench.evaluation.extraction.network_crops import (
    aligned_crop,
    landmark_box_crop,
    longest_track,
    protocol_crop,
    sync_crop,
)
from gmbench.evaluation.protocol import Protocol
from gmbench.face import crops
from gmbench.face.pose import euler_from_matrix
from gmbench.metrics.emotion import SUITE_ORDER
from gmbench.store import Arrays
from gmbench.weights import load_path

BATCH = 16
_SMALL_BATCH = 16
_SHOT_CHANGE = 27.0


def fid(protocol: Protocol) -> ClipFeature:
    """Inception features of the frames that the protocol shows."""
    crop, most = protocol.crop, protocol.fid_frames
    return ClipFeature(
        "fid", 1, functools.partial(_fid, crop=crop, most=most), ("fid_inception",),
        landmarks=crop != "full", options=f"{crop} {most}",
    )  # fmt: skip


def fid_eat(protocol: Protocol) -> ClipFeature:
    """Features of torchvision's Inception, as the EAT evaluation takes them."""
    return ClipFeature(
        "fid_eat", 1, functools.partial(_fid_eat, precision=protocol.precision), ("inception_v3",), landmarks=True,
        options=_reduced(protocol.precision),
    )  # fmt: skip


def fvd(protocol: Protocol) -> ClipFeature:
    """I3D features of windows of 16 frames."""
    return ClipFeature("fvd", 1, _fvd, ("i3d",))


def sync(protocol: Protocol) -> ClipFeature:
    """SyncNet's embeddings of lips and sound."""
    crop, precision = protocol.sync_crop, protocol.precision
    options = crop if precision == "float32" else f"{crop} {precision}"
    boxes = (ClipFeature("s3fd", 1, FaceBoxAccumulator, ("s3fd",)),) if crop == "s3fd" else ()
    return ClipFeature(
        "sync", 1, functools.partial(_sync_windows, crop=crop, precision=precision), ("syncnet",),
        landmarks=crop != "s3fd", audio=True, requires=boxes, options=options,
    )  # fmt: skip


def emotion(protocol: Protocol) -> ClipFeature:
    """Emotion-FAN's probabilities of a clip, of the network that was trained on the protocol's dataset."""
    released, precision, name = protocol.fan_released, protocol.precision, f"emotion_fan_{protocol.emotion_network}"
    return ClipFeature(
        "emotion", 1, functools.partial(_emotion, released=released, precision=precision, name=name), (name,),
        landmarks=True, options=("released" if released else "formula") + _reduced(protocol.precision),
    )  # fmt: skip


def affect(protocol: Protocol) -> ClipFeature:
    """EMO-AffectNet's probabilities of windows of a clip."""
    return ClipFeature(
        "affect", 1, functools.partial(_affect, precision=protocol.precision), ("emo_affectnet", "emo_affectnet_lstm"),
        landmarks=True, options=_reduced(protocol.precision),
    )  # fmt: skip


def identity(protocol: Protocol) -> ClipFeature:
    """ArcFace embeddings of every frame."""
    return ClipFeature("identity", 1, _identity, ("arcface",), landmarks=True)


def pose(protocol: Protocol) -> ClipFeature:
    """TokenHPE's head pose of every frame."""
    return ClipFeature("pose", 1, _pose, ("tokenhpe",))


def lpips_alex(protocol: Protocol) -> PairFeature:
    """LPIPS of pairs of frames, AlexNet."""
    return PairFeature(
        "lpips_alex", 2, functools.partial(_lpips_alex, precision=protocol.precision), ("alexnet",),
        options=_reduced(protocol.precision),
    )  # fmt: skip


def lpips_vgg(protocol: Protocol) -> PairFeature:
    """LPIPS of pairs of frames, VGG-16."""
    return PairFeature(
        "lpips_vgg", 2, functools.partial(_lpips_vgg, precision=protocol.precision), ("vgg16",),
        options=_reduced(protocol.precision),
    )  # fmt: skip


def _reduced(precision: str) -> str:
    """A precision below float32, which changes numbers and hence keys; empty for float32."""
    return "" if precision == "float32" else precision


@functools.cache
def _loaded(load: Callable[..., Any], *names: str, precision: str = "float32") -> Any:
    """A network (or several) from verified files, once per process."""
    import torch

    networks = load(*(load_path(name)[0] for name in names))
    if precision == "float32":
        return networks
    dtype = getattr(torch, precision)
    return tuple(network.to(dtype) for network in networks) if isinstance(networks, tuple) else networks.to(dtype)


@functools.cache
def _lpips(kind: str, name: str, precision: str) -> Any:
    import torch

    from gmbench.extractors.trunks import load_lpips

    return load_lpips(kind, load_path(name)[0], getattr(torch, precision))


def _lpips_alex(first: Frame, second: Frame, precision: str) -> float:
    return _lpips("alex", "alexnet", precision)(first, second)


def _lpips_vgg(first: Frame, second: Frame, precision: str) -> float:
    return _lpips("vgg", "vgg16", precision)(first, second)


def _fid(context: ClipContext, crop: str, most: int) -> Accumulator:
    from gmbench.extractors.inception import fid_features, load_fid

    network = _loaded(load_fid, "fid_inception")
    indices = spaced(context.frames, most)
    return FrameAccumulator(
        lambda x: fid_features(network, x), protocol_crop(context, crop), indices, BATCH, only_complete
    )


def _fid_eat(context: ClipContext, precision: str) -> Accumulator:
    from gmbench.extractors.inception import eat_features, eat_frames, load_eat

    network = _loaded(load_eat, "inception_v3", precision=precision)
    indices = eat_frames(context.frames)
    return FrameAccumulator(
        lambda x: eat_features(network, x), protocol_crop(context, "eat128"), indices, BATCH, only_complete
    )


def _fvd(context: ClipContext) -> Accumulator:
    from gmbench.extractors.exported import VIDEO_WINDOW, load_script, video_features

    network = _loaded(load_script, "i3d")
    return WindowAccumulator(lambda x: video_features(network, x), VIDEO_WINDOW)


def _emotion(context: ClipContext, released: bool, precision: str, name: str) -> Accumulator:
    from gmbench.extractors import emotion_fan

    network = _loaded(emotion_fan.load, name, precision=precision)

    def summarise(features: NDArray[np.float32]) -> Arrays:
        complete = complete_rows(features)
        if len(complete) == 0:
            return no_emotion()
        logits = emotion_fan.clip_logits(network, complete, released)
        return {
            "probabilities": in_suite_order(softmax(logits), emotion_fan.ORDERS[name]),
            "faces": count(len(complete)),
        }

    return FrameAccumulator(
        lambda x: emotion_fan.frame_features(network, x), aligned_crop(context, crops.fan224_matrix, crops.CHIP_SIZE),
        np.arange(context.frames), BATCH, summarise,
    )  # fmt: skip


def _affect(context: ClipContext, precision: str) -> Accumulator:
    from gmbench.extractors import affectnet

    backbone, temporal = _loaded(affectnet.load, "emo_affectnet", "emo_affectnet_lstm", precision=precision)

    def summarise(features: NDArray[np.float32]) -> Arrays:
        complete = complete_rows(features)
        if len(complete) == 0:
            return {"windows": np.empty((0, len(SUITE_ORDER)))}
        windows = affectnet.window_probabilities(temporal, complete)
        return {"windows": np.stack([in_suite_order(p, affectnet.ORDER) for p in windows])}

    return FrameAccumulator(
        lambda x: np.stack([affectnet.frame_feature(backbone, face) for face in x]), landmark_box_crop(context),
        np.arange(0, context.frames, affectnet.FRAME_STEP), 1, summarise,
    )  # fmt: skip


def _identity(context: ClipContext) -> Accumulator:
    from gmbench.extractors.exported import ARC_POINTS, ARC_SIDE, five_points, identity_embeddings, load_onnx

    session = _loaded(load_onnx, "arcface")
    crop = aligned_crop(context, lambda points: crops.fit_similarity(five_points(points), ARC_POINTS), ARC_SIDE)
    return FrameAccumulator(
        lambda x: identity_embeddings(session, x), crop, np.arange(context.frames), _SMALL_BATCH,
        lambda features: {"embeddings": features},
    )  # fmt: skip


def _pose(context: ClipContext) -> Accumulator:
    from gmbench.extractors.exported import load_script, pose_matrices

    network = _loaded(load_script, "tokenhpe")
    return FrameAccumulator(
        lambda x: pose_matrices(network, x).reshape(len(x), 9), lambda index, frame: frame, np.arange(context.frames),
        _SMALL_BATCH, lambda matrices: {"pose": euler_from_matrix(matrices.astype(np.float64).reshape(-1, 3, 3))},
    )  # fmt: skip


def _sync_windows(context: ClipContext, crop: str, precision: str) -> Accumulator:
    from gmbench.extractors import syncnet

    network = _loaded(syncnet.load, "syncnet", precision=precision)
    return LipSyncAccumulator(
        context, sync_crop(context, crop), syncnet.LipStream(network),
        lambda mfcc, count: syncnet.sound_embeddings(network, mfcc, count),
    )  # fmt: skip


class FaceBoxAccumulator:
    """S3FD's boxes of a clip, cut at shot changes and tracked; ``boxes`` (T, 4), NaN outside the longest track."""

    def __init__(self, context: ClipContext) -> None:
        from gmbench.extractors import s3fd

        self._network, self._detect = _loaded(s3fd.load, "s3fd"), s3fd.detect
        self._scale = s3fd.search_scale(context.height, context.width)
        self._detections: list[NDArray[np.float64]] = []
        self._cuts: list[int] = []
        self._last: NDArray[np.float32] | None = None

    def add(self, index: int, frame: Frame) -> None:
        """The next frame."""
        self._detections.append(self._detect(self._network, frame, self._scale)[:, :4])
        colours = cv2.cvtColor(np.ascontiguousarray(frame), cv2.COLOR_RGB2HSV).astype(np.float32)
        if self._last is not None and np.abs(colours - self._last).mean() > _SHOT_CHANGE:
            self._cuts.append(index)
        self._last = colours

    def finish(self) -> Arrays:
        """The longest track; raises MediaError where none is long enough."""
        return {"boxes": longest_track(self._detections, self._cuts)}
