"""The person by a network: MediaPipe's selfie segmenter through the task of image segmentation."""

import contextlib
from collections.abc import Callable, Iterable, Iterator

import numpy as np
from numpy.typing import NDArray

from gmbench.errors import InputError
from gmbench.face.detectors import quiet_stderr
from gmbench.media import FPS, Frames
from gmbench.morphable.landmarks_478 import OVAL
from gmbench.weights import load_path

WEIGHTS = "selfie_segmenter"

Segment = Callable[[Frames], NDArray[np.float32]]
"""From a frame (S, S, 3), in order, to the probability (S, S) of the network's last class."""


def segmenter_mattes(
    frames: Iterable[Frames], landmarks: NDArray[np.floating], segment: Segment
) -> Iterator[NDArray[np.uint8]]:
    """Mattes (S, S) in 0..255 of the person in the frames of one clip.

    Args:
        frames: (S, S, 3).
        landmarks: (T, 478, 2) in pixels of the frames; NaN where no face was found.
        segment: the network, new for this clip. Whether its class is the person is told by the first face.

    Raises:
        InputError: no frame shows a face.
    """
    faces = np.asarray(landmarks)[:, list(OVAL)].mean(axis=1)  # (T, 2)
    seen = np.flatnonzero(np.isfinite(faces).all(axis=1))
    if not len(seen):
        raise InputError("no frame shows a face")
    waiting: list[NDArray[np.uint8]] = []
    inverted: bool | None = None
    for t, frame in enumerate(frames):
        waiting.append(np.rint(np.clip(segment(frame), 0, 1) * 255).astype(np.uint8))
        if t == seen[0]:
            x, y = np.clip(np.rint(faces[t]).astype(int), 0, len(frame) - 1)
            inverted = bool(waiting[-1][y, x] < 128)
        if inverted is not None:
            yield from (255 - mask if inverted else mask for mask in waiting)
            waiting = []


@contextlib.contextmanager
def mediapipe_segmenter() -> Iterator[Segment]:
    """The network for one clip; raises WeightsError where its file is missing."""
    model, _ = load_path(WEIGHTS)
    with quiet_stderr():
        import mediapipe as mp
        from mediapipe.tasks.python import BaseOptions, vision

        options = vision.ImageSegmenterOptions(
            base_options=BaseOptions(model_asset_path=str(model)),
            running_mode=vision.RunningMode.VIDEO,
            output_confidence_masks=True,
        )
        segmenter = vision.ImageSegmenter.create_from_options(options)
    count = 0

    def segment(frame: Frames) -> NDArray[np.float32]:
        nonlocal count
        image = mp.Image(image_format=mp.ImageFormat.SRGB, data=np.ascontiguousarray(frame))
        masks = segmenter.segment_for_video(image, count * 1000 // FPS).confidence_masks
        count += 1
        return np.array(masks[-1].numpy_view(), np.float32).reshape(frame.shape[:2])

    with segmenter:
        yield segment
