"""Small files of every kind that gmbench reads, and ways to damage them, all by a seed."""

import io
from collections.abc import Callable
from fractions import Fraction
from pathlib import Path

import av
import numpy as np

FRAMES, SIZE, RATE = 12, 64, 16_000
KINDS = ("media", "landmarks", "table")
FORMATS = {
    "mp4": ("libx264", "aac"), "mkv": ("libx264", "aac"), "mov": ("mjpeg", "pcm_s16le"), "avi": ("mpeg4", "libmp3lame"),
    "flv": ("flv", "libmp3lame"), "webm": ("libvpx", "libopus"), "ts": ("mpeg2video", "mp2"),
    "mpg": ("mpeg2video", "mp2"), "wmv": ("wmv2", "libmp3lame"), "gif": ("gif", ""), "hevc": ("libx265", ""),
}  # fmt: skip
"""Codecs of picture and sound by suffix."""
_RATES = {"libopus": 48_000, "libmp3lame": 44_100, "mp2": 32_000}
LABELS = b"clip,speaker,emotion\na,M003,happy\nb,W009,sad\n"
PAIRS = b"clip,generated,reference,speaker\na,ours/a.mp4,real/a.mp4,M003\nb,ours/b.mp4,real/b.mp4,W009\n"


def write_clip(path: Path, codec: str, sound: str) -> None:
    """A clip of moving noise, with a tone unless ``sound`` is empty."""
    pixels = np.random.default_rng(0).integers(0, 256, (SIZE, 4 * SIZE, 3), np.uint8)
    with av.open(str(path), "w") as container:
        known = {"x265-params": "log-level=error"} if codec == "libx265" else {}
        video = container.add_stream(codec, rate=25, options=known)
        video.width = video.height = SIZE
        video.pix_fmt = {"gif": "rgb8", "mjpeg": "yuvj420p"}.get(codec, "yuv420p")
        heard = container.add_stream(sound, rate=_RATES.get(sound, RATE), layout="mono") if sound else None
        for index in range(FRAMES):
            picture = np.ascontiguousarray(pixels[:, 4 * index : 4 * index + SIZE])
            container.mux(video.encode(av.VideoFrame.from_ndarray(picture, format="rgb24")))
        container.mux(video.encode(None))
        if heard is not None:
            _write_tone(container, heard)


def _write_tone(container, stream) -> None:
    context = stream.codec_context
    tone = 8000 * np.sin(np.arange(RATE * FRAMES // 25) * 0.2)
    frame = av.AudioFrame.from_ndarray(tone.astype(np.int16)[None], format="s16", layout="mono")
    frame.sample_rate, frame.pts, frame.time_base = RATE, 0, Fraction(1, RATE)
    resampler = av.AudioResampler(context.format, "mono", context.sample_rate, context.frame_size or 1024)
    for part in (*resampler.resample(frame), *resampler.resample(None)):
        container.mux(stream.encode(part))
    container.mux(stream.encode(None))


def points() -> np.ndarray:
    """Landmarks (FRAMES, 68, 2) of a face that moves."""
    rng = np.random.default_rng(1)
    return rng.uniform(10, 50, (68, 2)) + rng.normal(0, 0.5, (FRAMES, 68, 2))


def damaged(data: bytes, rng: np.random.Generator) -> bytes:
    """Bytes changed in one to three ways, as transfer, storage and editors do."""
    for _ in range(int(rng.integers(1, 4))):
        way = _WAYS[int(rng.integers(len(_WAYS)))]
        first, last = sorted(int(n) for n in rng.integers(0, len(data) + 1, 2))
        data = way(data, first, last, rng)
    return data


def _flipped(data: bytes, first: int, last: int, rng: np.random.Generator) -> bytes:
    changed = np.frombuffer(data, np.uint8).copy()
    for place in rng.integers(0, max(1, len(data)), min(len(data), 20)):
        changed[place] ^= 1 << int(rng.integers(8))
    return changed.tobytes()


def _huge(data: bytes, first: int, last: int, rng: np.random.Generator) -> bytes:
    """Numbers of the header at their largest."""
    place = int(rng.integers(0, max(1, min(len(data), 1500) // 4))) * 4
    return data[:place] + bytes([int(rng.choice([127, 128, 255])), *[255] * 3]) + data[place + 4 :]


def _header(data: bytes, first: int, last: int, rng: np.random.Generator) -> bytes:
    place = int(rng.integers(0, max(1, min(len(data), 600))))
    return data[:place] + rng.bytes(int(rng.integers(1, 5))) + data[place + 1 :]


def _replaced(data: bytes, first: int, last: int, rng: np.random.Generator) -> bytes:
    last = min(last, first + 64)
    return data[:first] + rng.bytes(last - first) + data[last:]


_WAYS: tuple[Callable[[bytes, int, int, np.random.Generator], bytes], ...] = (
    _flipped,
    _huge,
    _header,
    _replaced,
    lambda data, first, last, rng: data[:last],
    lambda data, first, last, rng: data[:first] + data[last:],
    lambda data, first, last, rng: data[:last] + data[first:],
    lambda data, first, last, rng: data[:first] + bytes(last - first) + data[last:],
    lambda data, first, last, rng: data[first:] + data[:first],
    lambda data, first, last, rng: data[:first] + rng.bytes(int(rng.integers(1, 9))) + data[first:],
)


def damaged_landmarks(rng: np.random.Generator) -> bytes:
    """An ``.npz`` with arrays of other shapes, types and values, or with damaged bytes."""
    arrays: dict[str, np.ndarray] = {"points": points(), "detector": np.array("x")}
    if rng.random() < 0.3:
        arrays["matrices"] = np.tile(np.eye(4), (FRAMES, 1, 1))
    if rng.random() < 0.7:
        name = str(rng.choice([name for name in arrays if name != "detector"]))  # a name of its own is no damage
        arrays[name] = _ARRAYS[int(rng.integers(len(_ARRAYS)))](arrays[name], rng)
    stream = io.BytesIO()
    np.savez(stream, **arrays)
    return damaged(stream.getvalue(), rng) if rng.random() < 0.4 else stream.getvalue()


def _some_rows(value: float) -> Callable[[np.ndarray, np.random.Generator], np.ndarray]:
    def change(array: np.ndarray, rng: np.random.Generator) -> np.ndarray:
        if array.dtype.kind != "f":
            return np.full(1, value)
        changed = array.copy()
        changed[rng.random(changed.shape[: int(rng.integers(1, changed.ndim + 1))]) < rng.random()] = value
        return changed

    return change


_ARRAYS: tuple[Callable[[np.ndarray, np.random.Generator], np.ndarray], ...] = (
    *(_some_rows(value) for value in (0, -1, np.nan, np.inf, -np.inf, 1e9, 1e300, 5)),
    lambda array, rng: array[: int(rng.integers(0, 3))] if array.ndim else array[None],
    lambda array, rng: np.concatenate([array, array]) if array.ndim else array,
    lambda array, rng: array.T,
    lambda array, rng: array[..., None],
    lambda array, rng: array.reshape(-1),
    lambda array, rng: array.astype(rng.choice(["f2", "i1", "c16", "U4", "?", ">f4", "O"])) if array.ndim else array,
    lambda array, rng: array * 1e-2 if array.dtype.kind == "f" else array,
    lambda array, rng: array * -1 if array.dtype.kind == "f" else array,
    lambda array, rng: array * 10 if array.dtype.kind == "f" else array,
    lambda array, rng: np.zeros((0, 68, 2)),
    lambda array, rng: np.array({"a": 1}, dtype=object),
)


def damaged_table(data: bytes, rng: np.random.Generator) -> bytes:
    """A CSV with changed bytes, separators, quotes, lines and encodings."""
    for _ in range(int(rng.integers(1, 4))):
        place, kind = int(rng.integers(0, len(data) + 1)), rng.random()
        if kind < 0.5:
            data = data[:place] + bytes([int(rng.choice(list(b"\0\n\r\",;\t\\/~.|' \xff\xc8=@0a")))]) + data[place:]
        elif kind < 0.7:
            data = data[:place] + data[place + int(rng.integers(1, 8)) :]
        elif kind < 0.8:
            lines = data.splitlines(keepends=True) or [b""]
            data = b"".join(lines[int(n)] for n in rng.integers(0, len(lines), len(lines) + 1))
        elif kind < 0.9:
            text = data.decode("latin-1")
            data = text.encode(str(rng.choice(["utf-16", "utf-8-sig", "utf-32", "utf-16-be"])))
        else:
            data = damaged(data, rng)
    return data
