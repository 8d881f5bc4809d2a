"""Frames and sound into files, whole or not at all."""

import os
import tempfile
from collections.abc import Iterable, Iterator
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import numpy as np

from gmbench.errors import MediaError
from gmbench.media.audio import read_audio
from gmbench.media.formats import FPS, SAMPLE_RATE, Audio, Frames
from gmbench.media.video import Video

_REPEATABLE = {"x264-params": "no-mbtree=1"}
"""With macroblock trees x264 gave different bytes for the same frames in one of eight runs at 96 pixels here."""


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
