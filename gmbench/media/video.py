"""Frames of a video file or of a folder of images.

Frame times come from presentation time stamps. A source frame belongs to output slot round(25 t) and stays on
screen until the next one; of several frames in one slot the last is kept.

PyAV decodes. decord gives the same pixels at the same speed, but it numbers frames instead of timing
them, and it decodes ahead of a slow reader without bound: memory then grows with the length of a clip.
"""

import os
from collections.abc import Iterator
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
from numpy.typing import NDArray

from gmbench.errors import MediaError
from gmbench.media.files import check_file, decode_frames, open_container
from gmbench.media.formats import FPS, Frames
from gmbench.media.images import image_files, read_image
from gmbench.media.timing import common_zero, presentation_times, round_half_up


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
        has_alpha: the pixel format stores transparency, which is dropped.
        start: seconds from the beginning of the sound to frame 0; negative where the sound begins later.
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
            self._images = image_files(self.path)
            self._repeats = np.ones(len(self._images), np.int64)
            if not self._images:
                raise MediaError(f"{self.path}: no images in this folder; expected numbered PNG or JPEG frames")
            first = read_image(self._images[0])
            count = len(self._images)
            height, width = first.shape[:2]
            self.info = VideoInfo(count, height, width, count, float(FPS), False, "images", "rgb24", False)
            return
        check_file(self.path)
        with open_container(self.path) as container:
            self._plan(container)

    @property
    def source_indices(self) -> NDArray[np.int64]:
        """(frames,) index of the stored frame that each frame at 25 fps shows, in order of presentation."""
        return np.repeat(np.arange(len(self._repeats)), self._repeats)

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
        emitted = 0
        for index, frame in self._source_frames():
            if frame.shape != shape:
                raise MediaError(f"{self.path}: size changes from {shape[:2]} to {frame.shape[:2]}; re-encode it")
            for _ in range(int(self._repeats[index])):
                yield frame
                emitted += 1
        if emitted != self.info.frames:
            raise MediaError(
                f"{self.path}: truncated or damaged, {emitted} of {self.info.frames} frames could be decoded; "
                "replace or re-encode the file"
            )

    def _iterate_images(self) -> Iterator[Frames]:
        for path in self._images:
            frame = read_image(path)
            if frame.shape[:2] != (self.info.height, self.info.width):
                raise MediaError(
                    f"{path}: {frame.shape[:2]} pixels where the first frame has {self.info.height, self.info.width}"
                )
            yield frame

    def _plan(self, container: av.container.InputContainer) -> None:
        """Read the packet table and decide which source frame fills which slots."""
        if not container.streams.video:
            raise MediaError(f"{self.path}: no video track; expected a video file")
        stream = container.streams.video[0]
        if stream.time_base is None:
            raise MediaError(f"{self.path}: no time base; remux the file")
        pts, end = presentation_times(self.path, container, stream)
        step = Fraction(stream.time_base) * FPS
        origin = common_zero(container) * FPS
        slots = np.array([round_half_up(t * step - origin) for t in pts], dtype=np.int64)
        total = max(int(slots[-1]) + 1, round_half_up(end * step - origin), 1)
        edges = np.append(np.maximum(slots, 0), total)
        edges[0] = 0  # a late first frame also fills the time before it
        self._repeats = np.diff(edges)
        self._pts = pts
        steps = np.diff(pts)
        variable = bool(len(steps) > 1 and steps.max() != steps.min())
        seconds = float((end - pts[0]) * step) / FPS
        declared = float((stream.duration or 0) * step) / FPS
        if declared - seconds > max(3 / FPS, declared / 50):
            raise MediaError(
                f"{self.path}: truncated, time stamps end after {seconds:.2f} s of {declared:.2f} s; "
                "copy or download the file again"
            )
        context = stream.codec_context
        container.seek(0)
        first = next(decode_frames(self.path, container, stream), None)
        if first is None:
            raise MediaError(f"{self.path}: no frame can be decoded; replace or re-encode the file")
        picture = _to_rgb(first)
        self.info = VideoInfo(
            frames=total,
            height=picture.shape[0],
            width=picture.shape[1],
            source_frames=len(pts),
            source_fps=len(pts) / seconds if seconds > 0 else float(FPS),
            variable_rate=variable,
            codec=context.name,
            pixel_format=str(context.pix_fmt),
            has_audio=bool(container.streams.audio),
            has_alpha=any(component.is_alpha for component in first.format.components),
        )

    def _source_frames(self) -> Iterator[tuple[int, Frames]]:
        """Stored frames in presentation order with their index, each decoded once."""
        self.corrupt_frames = 0
        index_of = {pts: index for index, pts in enumerate(self._pts)}
        with open_container(self.path) as container:
            for frame in decode_frames(self.path, container, container.streams.video[0]):
                if frame.pts in index_of:
                    self.corrupt_frames += frame.is_corrupt
                    yield index_of[frame.pts], _to_rgb(frame)


def _to_rgb(frame: av.VideoFrame) -> Frames:
    picture = np.asarray(frame.to_ndarray(format="rgb24"), np.uint8)
    turns = round(frame.rotation / 90) % 4
    return np.ascontiguousarray(np.rot90(picture, turns)) if turns else picture
