"""Sound and pictures after a codec and back, at the same length: what re-encoding does to metrics."""

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

SOUND_CODECS = {"aac": ("aac", "m4a"), "mp3": ("libmp3lame", "mp3"), "opus": ("libopus", "ogg")}
"""By name: encoder, and container whose header tells the encoder's delay."""
_CHUNK = 1024
_LEAST_SIDE = 64


def sound_through(audio: Audio, codec: str, kilobits: int) -> Audio:
    """16 kHz mono samples (n,) as they are after a lossy codec at a rate in kbit/s, (n,), without the encoder's delay.

    Raises:
        MediaError: a codec that is none of :data:`SOUND_CODECS`.
    """
    if codec not in SOUND_CODECS:
        raise MediaError(f"codec {codec!r}: expected one of {', '.join(SOUND_CODECS)}")
    encoder, suffix = SOUND_CODECS[codec]
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / f"sound.{suffix}"
        with av.open(str(path), "w") as container:
            stream: Any = container.add_stream(encoder, rate=SAMPLE_RATE, layout="mono")
            stream.bit_rate = 1000 * kilobits
            for start in range(0, len(audio), _CHUNK):
                samples = np.ascontiguousarray(audio[None, start : start + _CHUNK])
                frame = av.AudioFrame.from_ndarray(samples, format="s16", layout="mono")
                frame.sample_rate, frame.pts, frame.time_base = SAMPLE_RATE, start, Fraction(1, SAMPLE_RATE)
                container.mux(stream.encode(frame))
            container.mux(stream.encode(None))
        heard = read_audio(path)
    return np.concatenate([heard, np.zeros(max(0, len(audio) - len(heard)), np.int16)])[: len(audio)]


def pictures_through_h265(frames: Iterable[Frames], crf: int) -> Iterator[Frames]:
    """Frames (H, W, 3) of even size as they are after H.265 of a constant rate factor.

    Below 64 pixels they are padded: the encoder ends the process there.
    """
    shape = (0, 0)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "clip.mp4"
        with av.open(str(path), "w") as container:
            stream: Any = None
            for frame in frames:
                shape = frame.shape[:2]
                missing = [(0, max(0, _LEAST_SIDE - length)) for length in shape]
                padded = np.pad(frame, (*missing, (0, 0)), mode="edge")
                if stream is None:
                    options = {"crf": str(crf), "x265-params": "log-level=none:frame-threads=1"}
                    stream = container.add_stream("libx265", rate=FPS, options=options)
                    stream.height, stream.width = padded.shape[:2]
                    stream.pix_fmt = "yuv420p"
                container.mux(stream.encode(av.VideoFrame.from_ndarray(np.ascontiguousarray(padded), format="rgb24")))
            if stream is not None:
                container.mux(stream.encode(None))
        yield from (frame[: shape[0], : shape[1]] for frame in Video(path))
