"""What controls and graded corruptions do to pictures and sound, on the fly.

Pictures: ``still``, ``blur:<sigma>``, ``noise:<deviation>``, ``shuffle:<block>``, ``reencode:<crf>`` (H.264),
``h265:<crf>``, ``rate:<fps>``. Sound: ``late:<frames>``, negative for early; ``aac:<kbit/s>``, ``mp3:``, ``opus:``.
"""

import itertools
from collections.abc import Iterator

import cv2
import numpy as np
from numpy.typing import NDArray

from gmbench.errors import InputError
from gmbench.media import FPS, SAMPLES_PER_FRAME, Audio, Frames, Video, coded_and_decoded
from gmbench.media.codecs import SOUND_CODECS, pictures_through_h265, sound_through


def corrupted_frames(video: Video, change: str, batch: int) -> Iterator[Frames]:
    """Batches of a video, changed."""
    kind, _, amount = change.partition(":")
    if kind in ("shuffle", "rate"):
        yield from _reordered(video, kind, int(amount), batch)
        return
    if kind in ("reencode", "h265"):
        yield from _reencoded(video, kind, int(amount), batch)
        return
    first: NDArray[np.uint8] | None = None
    start = 0
    for frames in video.batches(batch):
        if kind == "still":
            first = frames[0] if first is None else first
            yield np.broadcast_to(first, frames.shape)
        elif kind == "blur":
            yield np.stack([cv2.GaussianBlur(frame, (0, 0), float(amount)) for frame in frames])
        elif kind == "noise":
            yield np.stack([_noisy(frame, float(amount), start + n) for n, frame in enumerate(frames)])
        elif not change:
            yield frames
        else:
            raise InputError(f"unknown corruption of pictures: {change!r}")
        start += len(frames)


def _noisy(frame: Frames, deviation: float, number: int) -> Frames:
    """Normal noise, the same for the same frame number."""
    noise = np.random.default_rng([41, number]).normal(0.0, deviation, frame.shape)
    return np.clip(np.rint(frame + noise), 0, 255).astype(np.uint8)


def _reordered(video: Video, kind: str, amount: int, batch: int) -> Iterator[Frames]:
    """Frames in another order, or through another frame rate; same number of frames."""
    frames = list(video)
    if kind == "shuffle":  # within blocks of so many frames
        order = np.arange(len(frames))
        generator = np.random.default_rng(43)
        for start in range(0, len(frames), amount):
            generator.shuffle(order[start : start + amount])
        remade: list[Frames] = [frames[i] for i in order]
    else:  # shown at another rate: nearest earlier frames, and back to 25 fps
        times = np.floor(np.arange(len(frames)) * amount / FPS + 1e-9) * FPS / amount
        remade = [frames[min(int(t + 1e-9), len(frames) - 1)] for t in times]
    for start in range(0, len(remade), batch):
        yield np.stack(remade[start : start + batch])


def _reencoded(video: Video, kind: str, quality: int, batch: int) -> Iterator[Frames]:
    """Through a codec at a constant rate factor, a batch at a time; odd sizes are padded for the encoder."""
    height, width = video.info.height, video.info.width
    through = pictures_through_h265 if kind == "h265" else coded_and_decoded
    even = (np.pad(frame, ((0, height % 2), (0, width % 2), (0, 0)), mode="edge") for frame in video)
    decoded = (frame[:height, :width] for frame in through(even, quality))
    while frames := list(itertools.islice(decoded, batch)):
        yield np.stack(frames)


def corrupted_audio(audio: Audio, change: str) -> Audio:
    """Sound, changed; as long as before. Raises InputError for a change that is none of the above."""
    kind, _, amount = change.partition(":")
    if kind == "late":
        delay = int(amount) * SAMPLES_PER_FRAME
        if delay < 0:
            return np.concatenate([audio[-delay:], np.zeros(min(-delay, len(audio)), np.int16)])
        return np.concatenate([np.zeros(delay, np.int16), audio])[: len(audio)]
    if kind in SOUND_CODECS:
        return sound_through(audio, kind, int(amount))
    if change:
        raise InputError(f"unknown corruption of sound: {change!r}")
    return audio
