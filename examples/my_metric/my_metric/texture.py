"""A metric with a network of its own: distance of texture features of a clip and its reference."""

import functools

import cv2
import numpy as np
from numpy.typing import NDArray

from gmbench.errors import MediaError
from gmbench.evaluation.extraction.extractors import ExtractorSpec
from gmbench.evaluation.extraction.features import ClipContext, ClipFeature
from gmbench.evaluation.protocol import Protocol
from gmbench.evaluation.scoring.clip_data import ClipData
from gmbench.evaluation.scoring.metric import Metric, Score, frame_mean
from gmbench.metrics.spec import MetricSpec
from gmbench.weights import Weights, load_path

SIDE = 64
WEIGHTS = Weights(
    name="my_texture",
    file="my_texture.npy",
    what="Laws' texture masks (25, 5, 5), made by python -m my_metric.filters",
    used_by="texture_distance",
    licence="CC0-1.0",
    size=753,
    sha256="9e729f4ed20310997217ae16942904d81a2828534505ab812946fc2b93410704",
    origin="python -m my_metric.filters",
)


@functools.cache
def network() -> NDArray[np.float64]:
    """Masks (25, 5, 5) of unit weight, from the verified file."""
    path, _ = load_path(WEIGHTS.name)
    masks = np.load(path, allow_pickle=False).astype(np.float64)
    return masks / np.abs(masks).sum(axis=(1, 2), keepdims=True)


def texture(masks: NDArray[np.float64], frame: NDArray[np.uint8]) -> NDArray[np.float32]:
    """Mean absolute response (25,) of an RGB frame (H, W, 3) to each mask, in grey levels."""
    grey = cv2.cvtColor(cv2.resize(frame, (SIDE, SIDE), interpolation=cv2.INTER_AREA), cv2.COLOR_RGB2GRAY)
    windows = np.lib.stride_tricks.sliding_window_view(grey.astype(np.float64), (5, 5))  # (60, 60, 5, 5)
    responses = np.tensordot(windows, masks, axes=((2, 3), (1, 2)))  # (60, 60, 25)
    return np.abs(responses).mean(axis=(0, 1)).astype(np.float32)


class TextureAccumulator:
    """Texture of every frame of one clip; frames arrive in order."""

    def __init__(self, context: ClipContext) -> None:
        self._masks = network()
        self._rows: list[NDArray[np.float32]] = []

    def add(self, index: int, frame: NDArray[np.uint8]) -> None:
        """The next frame (H, W, 3)."""
        self._rows.append(texture(self._masks, frame))

    def finish(self) -> dict[str, NDArray[np.float32]]:
        """``features`` (T, 25); raises MediaError for a clip without frames."""
        if not self._rows:
            raise MediaError("no frame")
        return {"features": np.stack(self._rows)}


def build(protocol: Protocol) -> ClipFeature:
    """What gmbench extracts and stores of each clip; it bears the name of the extractor."""
    return ClipFeature("my_texture", 1, TextureAccumulator, weights=(WEIGHTS.name,))


EXTRACTOR = ExtractorSpec(name="my_texture", build=build, weights=(WEIGHTS,))


def texture_distance(clip: ClipData) -> Score:
    """Euclidean distance of the texture features of paired frames, mean over frames."""
    generated = clip.generated.extracted("my_texture")["features"]
    reference = clip.reference.extracted("my_texture")["features"]
    a, b = clip.paired(generated, reference)
    return frame_mean(np.linalg.norm(a - b, axis=1), "no frame to compare", clip.length_flags())


TEXTURE_DISTANCE = Metric(
    spec=MetricSpec(
        name="texture_distance",
        title="Texture distance",
        version=1,
        direction="lower",
        unit="grey levels",
        range="[0, ∞)",
        needs=("reference", "network"),
        aggregation="frame mean -> clip mean",
        source="texture energy of Laws 1980",
        interpretation="0: the same texture in every frame; blur and noise raise it.",
        caveats="Frames are shrunk to 64 pixels: finer texture does not count.",
        responds_to=("blur", "noise"),
    ),
    score=texture_distance,
    extractors=("my_texture",),
)
