"""Pictures of one person that the head generator learns from: frames, renderings, shoulder masks."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from gmbench import shards
from gmbench.datasets.manifest import ClipRow
from gmbench.errors import InputError
from gmbench.media import Video
from gmbench.methods.interface import PreparedDataset
from gmbench.methods.pictures import new_array, read_mattes, resize
from gmbench.methods.tracks import POSE, read_shard
from gmbench.morphable.landmarks_478 import CHIN

DILATION = 0.05


@dataclass(frozen=True)
class Pictures:
    """Pictures of one person, memory-mapped: frames (N, S, S, 3), renderings, masks, motion (N, 12), emotions (N,)."""

    frames: NDArray[np.uint8]
    renders: NDArray[np.uint8]
    masks: NDArray[np.uint8]
    rho: NDArray[np.float32]
    emotion: tuple[str, ...]


def read_pictures(
    dataset: PreparedDataset, rows: Sequence[ClipRow], folder: Path, size_in: int, size_out: int, most: int = 0
) -> Pictures:
    """Frames of one person's clips beside their renderings and shoulder masks, kept as arrays in a folder.

    Frames without a face are left out; of more than ``most`` as many as that are taken, evenly spread; 0: all.

    Raises:
        InputError: clips without renderings, or no person's matte.
    """
    speaker = rows[0].speaker
    rendered = read_shard(dataset.renders, speaker, [])
    fits = read_shard(dataset.coefficients, speaker, ["rho", "segment"])
    usable = [row for row in rows if row.clip_id in rendered and row.clip_id in fits]
    if not usable:
        raise InputError(f"{dataset.renders}: no renderings of {speaker}; run the stage render")
    taken = _taken([fits[row.clip_id]["segment"] >= 0 for row in usable], most)
    count = sum(int(frames.sum()) for frames in taken)
    shapes = {"frames": (size_out, size_out, 3), "renders": (size_in, size_in, 3), "masks": (size_in, size_in)}
    arrays = {name: new_array(folder, name, np.uint8, (count, *shape)) for name, shape in shapes.items()}
    place = 0
    for row, frames in zip(usable, taken, strict=True):
        mattes, landmarks = read_mattes(dataset, row)
        renders = shards.read(dataset.renders, speaker, row.clip_id, ["png"])["png"]
        for t, frame in enumerate(Video(dataset.crops / row.video_path)):
            if not frames[t]:
                continue
            rendering = _decode_color_map(renders[t])
            covered = np.asarray(rendering.any(axis=2))
            arrays["frames"][place] = resize(frame, size_out)
            arrays["renders"][place] = resize(rendering, size_in)
            arrays["masks"][place] = shoulder_mask(mattes[t], covered, landmarks[t], size_in)
            place += 1
    rho = np.concatenate([fits[row.clip_id]["rho"][frames] for row, frames in zip(usable, taken, strict=True)])
    emotion = tuple(row.emotion for row, frames in zip(usable, taken, strict=True) for _ in range(int(frames.sum())))
    return Pictures(arrays["frames"], arrays["renders"], arrays["masks"], rho.astype(np.float32), emotion)


def _taken(shown: Sequence[NDArray[np.bool_]], most: int) -> list[NDArray[np.bool_]]:
    """Which frames of each clip are taken, of those that show a face; all where none does."""
    every = np.concatenate(shown)
    if not every.any():
        every = np.ones_like(every)
    places = np.flatnonzero(every)
    if most and len(places) > most:
        every = np.zeros_like(every)
        every[places[np.linspace(0, len(places) - 1, most).astype(int)]] = True
    return np.split(every, np.cumsum([len(frames) for frames in shown])[:-1])


def shoulder_mask(
    matte: NDArray[np.uint8], covered: NDArray[np.bool_], landmarks: NDArray[np.floating], side: int
) -> NDArray[np.uint8]:
    """Shoulders (side, side) in 0..255: the person's matte without the widened head, below the chin.

    Args:
        matte: (S, S) person in 0..255.
        covered: (S', S') where the rendering is.
        landmarks: (478, 2) in pixels of the matte.
        side: of the result.
    """
    size = len(matte)
    head = cv2.resize(covered.astype(np.uint8), (size, size), interpolation=cv2.INTER_NEAREST)
    if np.isfinite(landmarks).all():
        hull = cv2.convexHull(np.rint(landmarks).astype(np.int32))
        cv2.fillConvexPoly(head, hull, 1)
    reach = max(1, round(DILATION * size))
    head = cv2.dilate(head, cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (2 * reach + 1, 2 * reach + 1)))
    chin = landmarks[CHIN, 1] if np.isfinite(landmarks[CHIN, 1]) else size / 2
    mask = np.where((head == 0) & (np.arange(size)[:, None] > chin), matte, 0).astype(np.uint8)
    return np.asarray(cv2.resize(mask, (side, side), interpolation=cv2.INTER_AREA), np.uint8)


def reference_mask(pictures: Pictures) -> NDArray[np.uint8]:
    """The mask of the frame whose head pose is nearest to the mean."""
    pose = pictures.rho[:, POSE]
    distances = ((pose - pose.mean(axis=0)) / (pose.std(axis=0) + 1e-6)) ** 2
    return np.asarray(pictures.masks[int(distances.sum(axis=1).argmin())])


def _decode_color_map(png: bytes) -> NDArray[np.uint8]:
    """The first map (S, S, 3) RGB of a rendering; others lie below it."""
    image = np.asarray(cv2.imdecode(np.frombuffer(png, np.uint8), cv2.IMREAD_COLOR), np.uint8)
    return image[: image.shape[1], :, ::-1]
