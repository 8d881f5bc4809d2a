"""What a video of one person shows and lets hear: checked before anything is cut or trained."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from gmbench.audio.onsets import frame_rms
from gmbench.datasets.check import SILENCE_DB
from gmbench.errors import InputError, MediaError
from gmbench.face.clip_crop import Square, anchor_square, middle_square
from gmbench.face.following import LEAST_ELSEWHERE, followed
from gmbench.face.landmarks import backend
from gmbench.media import AUDIO_SUFFIXES, FPS, SAMPLES_PER_FRAME, Audio, Frames, Video, has_audio, read_audio
from gmbench.progress import duration

EVERY, MOST_LOOKED_AT = 5, 4000
"""Every fifth frame is looked at for faces, or as few of a long video as give so many."""
SIDE = 640
"""Longest side of the pictures in which faces are looked for."""
MOST_OTHERS = 0.1
"""Share of the frames that may show a second face."""
LEAST_OTHER = 0.25
"""Area of a second face, in shares of the first, from which on it counts."""
FACES = 2
STAYS = 0.15
"""Shares of the crop's half side by which a head may be away from its usual place before the crop follows it."""


@dataclass(frozen=True)
class Footage:
    """One video of the person.

    Attributes:
        video, emotion: file and label, empty for none.
        height, width: of its pictures in pixels.
        frames: at 25 fps.
        sound: 16 kHz samples, 640 a frame.
        rms: (frames,) loudness.
        usable: (frames,) whether the person is seen and there is sound.
        squares: (n, 3) x, y and half side of the head's square at the frames ``times`` (n,); NaN without a face.
    """

    video: Path
    emotion: str
    height: int
    width: int
    frames: int
    sound: Audio
    rms: NDArray[np.float64]
    usable: NDArray[np.bool_]
    times: NDArray[np.int64]
    squares: NDArray[np.float64]

    def square(self, first: int, stop: int) -> Square:
        """The square of a part of the video, inside the picture: the same for all parts, unless the head is elsewhere.

        A square that stays shows the same background in all clips, which a head generator can learn.
        """
        usual = np.nanmedian(self.squares, axis=0)
        half = min(float(usual[2]), self.height / 2, self.width / 2)
        within = self.squares[(self.times >= first) & (self.times < stop)]
        here = np.nanmedian(within, axis=0) if np.isfinite(within).any() else usual
        x, y, _ = usual if np.abs(here[:2] - usual[:2]).max() <= STAYS * half else here
        return Square(float(np.clip(x, half, self.width - half)), float(np.clip(y, half, self.height - half)), half)


def look(video: Path, emotion: str, landmarks: str, report: Callable[[int, int], None] | None = None) -> Footage:
    """Read a video's sound and look for faces in it.

    Raises:
        MediaError: unreadable. InputError: no sound, silence, no face, or several people; each names file and remedy.
    """
    opened = Video(video)
    info = opened.info
    sound = _sound(video)
    heard = len(sound) // SAMPLES_PER_FRAME
    sound = np.pad(sound, (0, max(0, info.frames * SAMPLES_PER_FRAME - len(sound))))[: info.frames * SAMPLES_PER_FRAME]
    step = max(EVERY, info.frames // MOST_LOOKED_AT)
    times, squares, others = _faces(opened, landmarks, step, report)
    seen = np.isfinite(squares).all(axis=1)
    if not seen.any():
        raise InputError(f"{video}: no face in {duration(info.frames / FPS)}; is it the right file?")
    if others > MOST_OTHERS:
        raise InputError(
            f"{video}: {others:.0%} of the frames show more than one face; cut or crop it so that one person is seen"
        )
    usable = np.repeat(seen, step)[: info.frames] & (np.arange(info.frames) < heard + FPS)
    return Footage(
        video, emotion, info.height, info.width, info.frames, sound, frame_rms(sound), usable, times, squares
    )


def _sound(video: Path) -> Audio:
    """The video's own sound, else that of a file of its name beside it."""
    source: Path | None = video if has_audio(video) else None
    if source is None:
        beside = [video.with_suffix(suffix) for suffix in sorted(AUDIO_SUFFIXES)]
        source = next((path for path in beside if path.exists()), None)
    if source is None:
        raise InputError(f"{video}: no sound in it; put {video.stem}.wav beside it")
    sound = read_audio(source)
    level = 20 * np.log10(max(float(np.sqrt(np.mean((sound / 32768.0) ** 2))), 1e-9)) if len(sound) else -200.0
    if level < SILENCE_DB:
        raise InputError(f"{source}: nothing is to be heard ({level:.0f} dB); record it again with sound")
    return sound


def _faces(
    video: Video, landmarks: str, step: int, report: Callable[[int, int], None] | None
) -> tuple[NDArray[np.int64], NDArray[np.float64], float]:
    """Frames that were looked at, the head's square in each, and the share of them that show a second person."""
    info = video.info
    shrink = min(1.0, SIDE / max(info.height, info.width))
    times = np.arange(0, info.frames, step)
    boxes = np.full((len(times), FACES, 4), np.nan)
    squares = np.full((len(times), FACES, 3), np.nan)
    with backend(landmarks).open() as detect:
        for t, frame in enumerate(video):
            if t % step:
                continue
            faces = [face for face in detect(_shrunk(frame, shrink)) if face.mesh is not None]
            if any(face.mesh is None for face in faces):
                raise MediaError(f"landmark backend {landmarks} gives no 478 points; use mediapipe")
            largest = sorted(faces, key=lambda face: -face.area)[:FACES]
            for k, face in enumerate(largest):
                mesh = np.asarray(face.mesh, np.float64) / shrink
                boxes[t // step, k] = np.r_[np.nanmin(mesh, axis=0), np.nanmax(mesh, axis=0)]
                place = anchor_square(mesh)
                squares[t // step, k] = place.x, place.y, place.half
            if report is not None:
                report(t + 1, info.frames)
    chosen, _ = followed(boxes, max(1, LEAST_ELSEWHERE // step))
    areas = (boxes[..., 2] - boxes[..., 0]) * (boxes[..., 3] - boxes[..., 1])
    second = np.nan_to_num(areas.min(axis=1) / areas.max(axis=1)) > LEAST_OTHER
    found = np.where(chosen[:, None] >= 0, squares[np.arange(len(times)), np.maximum(chosen, 0)], np.nan)
    return times, found, float(second.mean())


def _shrunk(frame: Frames, shrink: float) -> Frames:
    if shrink == 1:
        return frame
    size = round(frame.shape[1] * shrink), round(frame.shape[0] * shrink)
    return np.asarray(cv2.resize(frame, size, interpolation=cv2.INTER_AREA), np.uint8)


def whole_picture(footage: Footage) -> Square:
    """The middle square of a video, for pictures that are cropped already."""
    return middle_square(footage.height, footage.width)
