"""Small media files of every kind that the tests need."""

from fractions import Fraction

import av
import numpy as np


def gradient_frame(index, height=64, width=96):
    """A frame whose mean grey level tells its number."""
    frame = np.full((height, width, 3), 30 + 3 * (index % 70), np.uint8)
    frame[:8, :8] = 255
    return frame


def write(path, times, codec="libx264", pix_fmt="yuv420p", time_base=Fraction(1, 12800), audio=None, rate=16000):
    """A video with frames at the given times in seconds, and optionally sound (int16, channels x samples)."""
    with av.open(str(path), "w") as container:
        options = {"crf": "1"} if codec.startswith("libx26") else {"qmin": "1", "qmax": "2"}
        stream = container.add_stream(codec, rate=25, options=options)
        stream.width, stream.height, stream.pix_fmt = 96, 64, pix_fmt
        stream.codec_context.time_base = time_base
        stream.codec_context.max_b_frames = 0
        sound = None
        if audio is not None:
            name = {"avi": "pcm_s16le", "flv": "aac"}.get(path.suffix[1:], "aac")
            sound = container.add_stream(name, rate=rate, layout="mono" if len(audio) == 1 else "stereo")
        for index, time in enumerate(times):
            frame = av.VideoFrame.from_ndarray(gradient_frame(index), format="rgb24").reformat(format=pix_fmt)
            frame.pts, frame.time_base = round(time / time_base), time_base
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
        if sound is not None:
            _write_sound(container, sound, audio, rate)
    return path


def _write_sound(container, stream, audio, rate):
    layout = "mono" if len(audio) == 1 else "stereo"
    resampler = av.AudioResampler(format=stream.codec_context.format, layout=layout, rate=rate)
    for start in range(0, audio.shape[1], 1024):
        part = np.ascontiguousarray(audio[:, start : start + 1024].T.reshape(1, -1))
        frame = av.AudioFrame.from_ndarray(part, format="s16", layout=layout)
        frame.sample_rate, frame.pts, frame.time_base = rate, start, Fraction(1, rate)
        for out in resampler.resample(frame):
            container.mux(stream.encode(out))
    container.mux(stream.encode(None))


def numbers(video):
    """Which source frame each frame of a video shows, read from its grey level."""
    return [round((float(frame[16:, 16:].mean()) - 30) / 3) for frame in video]


def tone(seconds, rate=16000, frequency=440.0, channels=1):
    t = np.arange(int(seconds * rate)) / rate
    return np.tile(np.round(8000 * np.sin(2 * np.pi * frequency * t)).astype(np.int16), (channels, 1))
