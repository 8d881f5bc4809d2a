"""Frames of a video file or of a folder of images.

Frame times come from presentation time stamps. A source frame belongs to output slot round(25 t) and stays on
screen until the next one; of several frames in one slot the last is kept.

PyAV decodes. decord gives the same pixels at the same speed, but it numbers frames instead of timing
them, and it decodes ahead of a slow reader without bound: memory then grows with the length of a clip.
"""

import os
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import av
import numpy as np
from numpy.typing import NDArray

from gmbench.errors import MediaError
from gmbench.media.files import check_file, decode_frames, media_errors, open_container, picture_track
from gmbench.media.formats import FPS, Frames
from gmbench.media.images import image_files, read_image_with_alpha
from gmbench.media.shape import display_matrix, displayed, has_transparency, stores_alpha
from gmbench.media.tracks import read_picture_track

MAX_CORRUPT_SHARE = 0.1
"""Share of damaged stored frames above which a video is refused."""


@dataclass(frozen=True)
class VideoInfo:
    """What a video is before and after conversion.

    Attributes:
        frames: number of frames at 25 fps.
        height, width: of the frames that come out, in pixels.
        source_frames, source_fps: as stored (mean rate).
        variable_rate: steps between the stored time stamps differ.
        codec, pixel_format: as named by FFmpeg; ``images`` for a folder of frames.
        has_audio: an audio track is inside.
        pixel_aspect: width by height of a stored pixel; frames come out with square pixels.
        has_alpha: some pixel of the first frame is not opaque; what lies below is shown.
        start: seconds from the beginning of the sound to frame 0; negative where the sound begins later.
        missing_frames: stored frames that an otherwise steady rate lacks, lost or left out as repetitions.
    """

    frames: int
    height: int
    width: int
    source_frames: int
    source_fps: float
    variable_rate: bool
    codec: str
    pixel_format: str
    has_audio: bool
    pixel_aspect: float = 1.0
    has_alpha: bool = False
    start: float = 0.0
    missing_frames: int = 0


class Video:
    """A video file or a folder of images, read once from front to back.

    Memory does not grow with the length. A folder's images are its frames at 25 fps in natural order.

    Attributes:
        info: known on opening.
        corrupt_frames: stored frames that the last reading found damaged although the decoder gave a picture.
        transparent_frames: stored frames of the last reading with a pixel that is not opaque.

    Raises:
        MediaError: unreadable, empty, truncated, or not a video; the message names file and remedy.
    """

    def __init__(self, path: str | os.PathLike[str]) -> None:
        self.path = Path(path)
        self.corrupt_frames = self.transparent_frames = 0
        if self.path.is_dir():
            self._open_images()
            return
        check_file(self.path)
        self._track = track = read_picture_track(self.path)
        self._repeats = track.schedule.repeats
        with media_errors(self.path, "picture cannot be shown", "re-encode it"):
            picture = displayed(track.first, track.codec, track.pixel_aspect)(track.first)
            transparent = has_transparency(track.first)
        self.info = VideoInfo(
            frames=int(self._repeats.sum()),
            height=picture.shape[0],
            width=picture.shape[1],
            source_frames=len(track.ticks),
            source_fps=track.schedule.rate,
            variable_rate=track.schedule.variable,
            codec=track.codec,
            pixel_format=track.pixel_format,
            has_audio=track.sound is not None,
            pixel_aspect=float(track.pixel_aspect),
            has_alpha=track.alpha_layer or transparent,
            start=float(track.start),
            missing_frames=track.schedule.missing,
        )

    def _open_images(self) -> None:
        self._images = image_files(self.path)
        if not self._images:
            raise MediaError(f"{self.path}: no images in this folder; expected numbered PNG or JPEG frames")
        first, transparent = read_image_with_alpha(self._images[0])
        count = len(self._images)
        self._repeats = np.ones(count, np.int64)
        height, width = first.shape[:2]
        rate, codec, pixels = float(FPS), "images", "rgb24"
        self.info = VideoInfo(count, height, width, count, rate, False, codec, pixels, False, has_alpha=transparent)

    @property
    def source_indices(self) -> NDArray[np.int64]:
        """(frames,) index of the stored frame that each frame at 25 fps shows, in order of presentation."""
        return np.repeat(np.arange(len(self._repeats)), self._repeats)

    @property
    def shown_as_stored(self) -> bool:
        """Whether the stored frames are shown without being turned, stretched or laid on a ground."""
        if self.info.codec == "images" or self.info.has_alpha or self.info.pixel_aspect != 1:
            return False
        return display_matrix(self._track.first, self._track.codec) is None

    def batches(self, size: int = 16) -> Iterator[Frames]:
        """Frames at 25 fps in order, as arrays (n <= size, H, W, 3)."""
        batch: list[Frames] = []
        for frame in self:
            batch.append(frame)
            if len(batch) == size:
                yield np.stack(batch)
                batch.clear()
        if batch:
            yield np.stack(batch)

    def __iter__(self) -> Iterator[Frames]:
        """Frames (H, W, 3) at 25 fps in order; a frame shown twice comes as the same array."""
        if self.info.codec == "images":
            yield from self._iterate_images()
            return
        shape = (self.info.height, self.info.width, 3)
        show = displayed(self._track.first, self._track.codec, self._track.pixel_aspect)
        emitted = 0
        for index, stored in self._stored_frames():
            if not self._repeats[index]:
                continue
            frame = show(stored)
            if frame.shape != shape:
                raise MediaError(f"{self.path}: size changes from {shape[:2]} to {frame.shape[:2]}; re-encode it")
            for _ in range(int(self._repeats[index])):
                yield frame
                emitted += 1
        self._refuse_damaged(emitted)

    def _refuse_damaged(self, emitted: int) -> None:
        stored = self.info.source_frames
        if emitted != self.info.frames:
            raise MediaError(
                f"{self.path}: truncated or damaged, {emitted} of {self.info.frames} frames could be decoded; "
                "replace or re-encode the file"
            )
        if self.corrupt_frames > MAX_CORRUPT_SHARE * stored:
            raise MediaError(
                f"{self.path}: {self.corrupt_frames} of {stored} stored frames are damaged, more than "
                f"{MAX_CORRUPT_SHARE:.0%}; replace the file"
            )

    def _iterate_images(self) -> Iterator[Frames]:
        self.transparent_frames = 0
        for path in self._images:
            frame, transparent = read_image_with_alpha(path)
            self.transparent_frames += transparent
            if frame.shape[:2] != (self.info.height, self.info.width):
                raise MediaError(
                    f"{path}: {frame.shape[:2]} pixels where the first frame has {self.info.height, self.info.width}"
                )
            yield frame

    def _stored_frames(self) -> Iterator[tuple[int, av.VideoFrame]]:
        """Stored frames in order of presentation with their index, each decoded once; counts the damaged ones."""
        self.corrupt_frames = self.transparent_frames = 0
        ticks, seen = self._track.ticks, Counter[int]()
        maybe = stores_alpha(self._track.first)
        with open_container(self.path) as container:
            track = picture_track(container)
            for number, (frame, damaged) in enumerate(decode_frames(self.path, container, track)):
                self.corrupt_frames += damaged
                self.transparent_frames += self._track.alpha_layer or (maybe and has_transparency(frame))
                index = number
                if not self._track.by_order:
                    if frame.pts is None:
                        continue
                    index = int(np.searchsorted(ticks, frame.pts)) + seen[frame.pts]
                    seen[frame.pts] += 1
                    if index >= len(ticks) or ticks[index] != frame.pts:
                        continue
                if index < len(ticks):
                    yield index, frame
