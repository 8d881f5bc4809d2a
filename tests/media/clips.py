"""Clips of moving pictures and bursts of sound, and copies of them in which not one bit of either changes."""

from fractions import Fraction
from pathlib import Path

import av
import cv2
import numpy as np
from av.bitstream import BitStreamFilterContext

from gmbench.media import Video, read_audio

BURSTS = (0.4, 0.92, 1.36, 1.88)
_PLAIN = np.random.default_rng(0).integers(0, 256, (24, 24, 3), dtype=np.uint8)


def picture(index, size=96):
    """A picture of soft blocks that no other frame resembles."""
    return cv2.resize(np.roll(_PLAIN, (index, 3 * index), (0, 1)), (size, size), interpolation=cv2.INTER_CUBIC)


def bursts(rate, seconds=2.0):
    """Mono int16: short tones at the times of BURSTS."""
    t = np.arange(int(rate * seconds)) / rate
    tones = sum(np.where((t >= start) & (t < start + 0.03), np.sin(2e3 * np.pi * t), 0) for start in BURSTS)
    return (tones * 20000).astype(np.int16)


def clip(path, count=50, fps=25, codec="libx264", sound=None, rate=16000, b_frames=2, sar=None, late=0, **options):
    """Write ``count`` pictures and, with ``sound`` the name of a codec, bursts that begin ``late`` seconds later."""
    with av.open(str(path), "w", options=options) as container:
        known = {"crf": "4", "x264-params": "no-mbtree=1"} if codec.startswith("libx26") else {"qmin": "1", "qmax": "3"}
        known = {"gif": {}, "libvpx": {"crf": "10"}, "libvpx-vp9": {"crf": "10"}, "libsvtav1": {}}.get(codec, known)
        video = container.add_stream(codec, rate=fps, options=known)
        video.width = video.height = 96
        video.pix_fmt = {"gif": "rgb8", "prores": "yuv422p10le", "mjpeg": "yuvj420p"}.get(codec, "yuv420p")
        if codec.startswith("libx26"):
            video.codec_context.max_b_frames = b_frames
        if sar:
            video.codec_context.sample_aspect_ratio = sar
        heard = container.add_stream(sound, rate=rate, layout="mono") if sound else None
        for index in range(count):
            container.mux(video.encode(av.VideoFrame.from_ndarray(picture(index), format="rgb24")))
        container.mux(video.encode(None))
        if heard is not None:
            write_sound(container, heard, bursts(rate), rate, late)
    return path


def write_sound(container, stream, samples, rate, late=0):
    """Encode mono samples into a stream; the first one plays at ``late`` seconds."""
    context = stream.codec_context
    resampler = av.AudioResampler(context.format, "mono", rate, frame_size=context.frame_size or 1024)
    frame = av.AudioFrame.from_ndarray(samples[None], format="s16", layout="mono")
    frame.sample_rate, frame.pts, frame.time_base = rate, round(late * rate), Fraction(1, rate)
    for part in (*resampler.resample(frame), *resampler.resample(None)):
        container.mux(stream.encode(part))
    container.mux(stream.encode(None))


def copy(source, target, change=lambda packet, number: packet, **options):
    """Copy the packets of all tracks into another container; ``change`` may alter or drop (None) each."""
    with av.open(str(source)) as old, av.open(str(target), "w", options=options) as new:
        start_codes = Path(target).suffix == ".avi" and old.streams.video[0].codec_context.name == "h264"
        filtered = BitStreamFilterContext("h264_mp4toannexb", old.streams.video[0]) if start_codes else None
        tracks = {track.index: new.add_stream_from_template(track) for track in old.streams}
        numbers = dict.fromkeys(tracks, -1)
        for packet in old.demux():
            if packet.dts is None:
                continue
            numbers[packet.stream.index] += 1
            track, changed = tracks[packet.stream.index], change(packet, numbers[packet.stream.index])
            kept = [] if changed is None else [changed]
            for out in filtered.filter(*kept) if filtered and kept and packet.stream.type == "video" else kept:
                out.stream = track
                new.mux(out)
    return target


def same_frames(path, other):
    """Whether two videos show the same frames, bit by bit."""
    mine, others = list(Video(path)), list(Video(other))
    return len(mine) == len(others) and all(map(np.array_equal, mine, others))


def heard_at(path):
    """Times at which bursts begin, in seconds after frame 0."""
    sound = read_audio(path)
    loud = np.abs(sound[: len(sound) // 16 * 16].reshape(-1, 16)).max(1) > 4000  # per millisecond
    quiet_before = np.convolve(loud, np.ones(50), "full")[: len(loud)] - loud == 0
    return np.flatnonzero(loud & quiet_before) / 1000
