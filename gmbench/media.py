"""The only place that decodes or encodes video and audio.

Everything that leaves this module is 25 frames per second, RGB uint8, 16 kHz mono int16. Frame times
come from presentation time stamps. A source frame belongs to output slot round(25 t) and stays on
screen until the next one; of several frames in one slot the last is kept.

PyAV decodes. decord gives the same pixels at the same speed, but it numbers frames instead of timing
them, and it decodes ahead of a slow reader without bound: memory then grows with the length of a clip.
"""

import os
import tempfile
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import av.error
import cv2
import numpy as np
from numpy.typing import NDArray

from gmbench.errors import MediaError

FPS = 25
SAMPLE_RATE = 16_000
SAMPLES_PER_FRAME = SAMPLE_RATE // FPS
VIDEO_SUFFIXES = frozenset({".mp4", ".avi", ".mov", ".flv", ".mkv", ".webm", ".m4v", ".mpg", ".mpeg"})
AUDIO_SUFFIXES = frozenset({".wav", ".m4a", ".mp3", ".flac", ".aac", ".ogg", ".opus"})
IMAGE_SUFFIXES = frozenset({".png", ".jpg", ".jpeg", ".bmp"})

Frames = NDArray[np.uint8]
Audio = NDArray[np.int16]

_LFS_HEAD = b"version https://git-lfs"
_REPEATABLE = {"x264-params": "no-mbtree=1"}
"""With macroblock trees x264 gave different bytes for the same frames in one of eight runs at 96 pixels here."""


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


class Video:
    """A video file or a folder of images, read once from front to back.

    Memory does not grow with the length. A folder's images are its frames at 25 fps in natural order.

    Raises:
        MediaError: unreadable, empty, truncated, or not a video; the message names file and remedy.
    """

    def __init__(self, path: str | os.PathLike[str]) -> None:
        self.path = Path(path)
        if self.path.is_dir():
            self._images = image_files(self.path)
            if not self._images:
                raise MediaError(f"{self.path}: no images in this folder; expected numbered PNG or JPEG frames")
            first = _read_image(self._images[0])
            count = len(self._images)
            height, width = first.shape[:2]
            self.info = VideoInfo(count, height, width, count, float(FPS), False, "images", "rgb24", False)
            return
        check_file(self.path)
        with _open(self.path) as container:
            self._plan(container)

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
            frame = _read_image(path)
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
        pts, end = _presentation_times(self.path, container, stream)
        step = Fraction(stream.time_base) * FPS
        origin = _origin(container) * FPS
        slots = np.array([_round_half_up(t * step - origin) for t in pts], dtype=np.int64)
        total = max(int(slots[-1]) + 1, _round_half_up(end * step - origin), 1)
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
        first = next(_decode(self.path, container, stream), None)
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
        )

    def _source_frames(self) -> Iterator[tuple[int, Frames]]:
        """Stored frames in presentation order with their index, each decoded once."""
        index_of = {pts: index for index, pts in enumerate(self._pts)}
        with _open(self.path) as container:
            for frame in _decode(self.path, container, container.streams.video[0]):
                if frame.pts in index_of:
                    yield index_of[frame.pts], _to_rgb(frame)


def read_audio(path: str | os.PathLike[str]) -> Audio:
    """Sound of an audio or video file as 16 kHz mono int16, aligned with frame 0 of its video.

    Raises:
        MediaError: no audio track, empty, or unreadable.
    """
    path = Path(path)
    check_file(path)
    parts: list[Audio] = []
    start: Fraction | None = None
    try:
        with _open(path) as container:
            if not container.streams.audio:
                raise MediaError(f"{path}: no audio track; put <clip>.wav beside the video or pass --audio")
            stream = container.streams.audio[0]
            origin = _origin(container)
            resampler = av.AudioResampler(format="s16", layout="mono", rate=SAMPLE_RATE)
            for frame in container.decode(stream):
                if start is None:
                    start = Fraction(frame.pts or 0) * Fraction(frame.time_base or 0)
                parts.extend(out.to_ndarray()[0] for out in resampler.resample(frame))
            parts.extend(out.to_ndarray()[0] for out in resampler.resample(None))
    except (av.error.FFmpegError, ValueError) as error:
        raise MediaError(f"{path}: audio cannot be decoded ({_reason(error)}); re-encode it") from error
    if start is None or not parts:
        raise MediaError(f"{path}: audio track is empty")
    audio = np.concatenate(parts)
    shift = _round_half_up((start - origin) * SAMPLE_RATE)
    if shift > 0:
        return np.concatenate([np.zeros(shift, np.int16), audio])
    return audio[-shift:]


def has_audio(path: str | os.PathLike[str]) -> bool:
    """Whether a file holds a sound track; False for a folder of images and for what cannot be read."""
    path = Path(path)
    if path.is_dir():
        return False
    try:
        with _open(path) as container:
            return bool(container.streams.audio)
    except MediaError:
        return False


def write_video(
    path: str | os.PathLike[str],
    frames: Iterable[Frames],
    audio: Audio | None = None,
    crf: int = 18,
    audio_path: str | os.PathLike[str] | None = None,
) -> None:
    """Write frames (H, W, 3) at 25 fps as H.264 and 16 kHz mono audio as AAC into an MP4.

    The file appears under its name only when complete. ``audio_path`` reads the sound from a file.

    Raises:
        MediaError: no frames, or a height or width that H.264 cannot hold (odd).
    """
    path = Path(path)
    if audio_path is not None:
        audio = read_audio(audio_path)
    partial = path.with_name(f".{path.name}.{os.getpid()}.part")
    try:
        with av.open(str(partial), "w", format="mp4") as container:
            video_stream = sound_stream = None
            for frame in frames:
                if video_stream is None:
                    height, width = frame.shape[:2]
                    if height % 2 or width % 2:
                        raise MediaError(f"{path}: H.264 needs even sizes, got {width}x{height}; crop or pad")
                    video_stream = container.add_stream("libx264", rate=FPS, options={"crf": str(crf)} | _REPEATABLE)
                    video_stream.width, video_stream.height = width, height
                    video_stream.pix_fmt = "yuv420p"
                    video_stream.codec_context.thread_count = 1
                    if audio is not None:
                        sound_stream = container.add_stream("aac", rate=SAMPLE_RATE, layout="mono")
                picture = av.VideoFrame.from_ndarray(np.ascontiguousarray(frame), format="rgb24")
                container.mux(video_stream.encode(picture))
            if video_stream is None:
                raise MediaError(f"{path}: no frames to write")
            container.mux(video_stream.encode(None))
            if sound_stream is not None and audio is not None:
                _write_audio(container, sound_stream, audio)
        os.replace(partial, path)
    finally:
        partial.unlink(missing_ok=True)


def encode_video(frames: Iterable[Frames], audio: Audio | None = None, crf: int = 18) -> bytes:
    """The bytes of the MP4 that :func:`write_video` makes of frames (H, W, 3) and sound; the same errors."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "clip.mp4"
        write_video(path, frames, audio, crf)
        return path.read_bytes()


def encode_audio(audio: Audio) -> bytes:
    """The bytes of the M4A that :func:`write_audio` makes of 16 kHz mono audio."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "clip.m4a"
        write_audio(path, audio)
        return path.read_bytes()


def coded_and_decoded(frames: Iterable[Frames], crf: int) -> Iterator[Frames]:
    """Frames (H, W, 3) as they are after H.264 of a constant rate factor: without noise and fine lines."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "clip.mp4"
        write_video(path, frames, crf=crf)
        yield from Video(path)


def write_audio(path: str | os.PathLike[str], audio: Audio) -> None:
    """Write 16 kHz mono audio as AAC into an M4A, uncompressed where the name ends in ``.wav``; whole or not at all."""
    path = Path(path)
    partial = path.with_name(f".{path.name}.{os.getpid()}.part")
    wave = path.suffix.lower() == ".wav"
    try:
        with av.open(str(partial), "w", format="wav" if wave else "ipod") as container:
            stream = container.add_stream("pcm_s16le" if wave else "aac", rate=SAMPLE_RATE, layout="mono")
            _write_audio(container, stream, audio)
        os.replace(partial, path)
    finally:
        partial.unlink(missing_ok=True)


def _write_audio(container: Any, stream: Any, audio: Audio) -> None:
    for start in range(0, len(audio), 1024):
        chunk = np.ascontiguousarray(audio[None, start : start + 1024])
        frame = av.AudioFrame.from_ndarray(chunk, format="s16", layout="mono")
        frame.sample_rate = SAMPLE_RATE
        frame.pts = start
        frame.time_base = Fraction(1, SAMPLE_RATE)
        container.mux(stream.encode(frame))
    container.mux(stream.encode(None))


def image_files(folder: Path) -> list[Path]:
    """Images of a folder in natural order (2 before 10)."""
    files = [p for p in folder.iterdir() if p.suffix.lower() in IMAGE_SUFFIXES and not p.name.startswith(".")]
    return sorted(files, key=lambda p: (len(p.stem), p.stem) if p.stem.isdigit() else (0, p.stem))


def check_file(path: Path) -> None:
    """Raise MediaError for what is recognisably no media file: missing, empty, Git-LFS pointer."""
    try:
        with path.open("rb") as stream:
            head = stream.read(len(_LFS_HEAD))
    except FileNotFoundError:
        raise MediaError(f"{path}: no such file") from None
    except OSError as error:
        raise MediaError(f"{path}: cannot be read ({error.strerror})") from error
    if not head:
        raise MediaError(f"{path}: empty file (0 bytes); copy or generate it again")
    if head == _LFS_HEAD:
        raise MediaError(f"{path}: a Git-LFS pointer, not the file itself; run 'git lfs pull' where it came from")


def _open(path: Path) -> av.container.InputContainer:
    try:
        return av.open(str(path))
    except (av.error.FFmpegError, ValueError) as error:
        raise MediaError(
            f"{path}: not a readable media file ({_reason(error)}); truncated or another format"
        ) from error


def _decode(path: Path, container: Any, stream: Any) -> Iterator[av.VideoFrame]:
    stream.codec_context.thread_count = 1
    try:
        yield from container.decode(stream)
    except (av.error.FFmpegError, ValueError) as error:
        raise MediaError(f"{path}: video cannot be decoded ({_reason(error)}); replace or re-encode it") from error


def _presentation_times(path: Path, container: Any, stream: Any) -> tuple[NDArray[np.int64], int]:
    """Ascending time stamps of the stored frames and the end of the last, in units of the time base."""
    times: list[int] = []
    durations: dict[int, int] = {}
    try:
        for packet in container.demux(stream):
            if packet.size == 0 or packet.is_discard:
                continue
            if packet.pts is None:  # some AVI files: only the decoder knows
                container.seek(0)
                times = [f.pts for f in _decode(path, container, stream) if f.pts is not None]
                break
            times.append(packet.pts)
            durations[packet.pts] = packet.duration or 0
    except (av.error.FFmpegError, ValueError) as error:
        raise MediaError(f"{path}: damaged or truncated ({_reason(error)}); copy it again") from error
    if not times:
        raise MediaError(f"{path}: no video frame with a time stamp; truncated, or remux the file")
    pts = np.unique(np.array(times, dtype=np.int64))
    usual = int(np.median(np.diff(pts))) if len(pts) > 1 else 0
    rate = stream.average_rate or FPS
    last = durations.get(int(pts[-1])) or usual or round(1 / (rate * stream.time_base))
    return pts, int(pts[-1]) + last


def _origin(container: av.container.InputContainer) -> Fraction:
    """Time of the earliest track in seconds: the common zero of picture and sound."""
    starts = [
        Fraction(stream.start_time) * Fraction(stream.time_base)
        for stream in (*container.streams.video[:1], *container.streams.audio[:1])
        if stream.start_time is not None and stream.time_base is not None
    ]
    return min(starts, default=Fraction(0))


def _to_rgb(frame: av.VideoFrame) -> Frames:
    picture = np.asarray(frame.to_ndarray(format="rgb24"), np.uint8)
    turns = round(frame.rotation / 90) % 4
    return np.ascontiguousarray(np.rot90(picture, turns)) if turns else picture


def _read_image(path: Path) -> Frames:
    check_file(path)
    picture = cv2.imread(str(path), cv2.IMREAD_COLOR)
    if picture is None:
        raise MediaError(f"{path}: not a readable image")
    return np.asarray(cv2.cvtColor(picture, cv2.COLOR_BGR2RGB), np.uint8)


def _round_half_up(value: Fraction) -> int:
    return int((value + Fraction(1, 2)).__floor__())


def _reason(error: Exception) -> str:
    return str(getattr(error, "strerror", None) or error).strip()
