"""Sequential decoding beside bare decord and bare PyAV."""

from collections.abc import Iterator
from pathlib import Path

import av
import decord

from benchmarks.timing import clip_folders, seconds
from gmbench.media import Video


def measure(folder: Path, clips: Path | None) -> Iterator[tuple[str, str, str]]:
    reference, _, _ = clip_folders(folder, clips)
    path = sorted(reference.glob("*.*4"))[0]

    def ours() -> int:
        return sum(1 for _ in Video(path))

    def bare_decord() -> None:
        reader = decord.VideoReader(str(path), num_threads=1)
        for _ in range(len(reader)):
            reader.next().asnumpy()

    def bare_pyav() -> None:
        with av.open(str(path)) as container:
            stream = container.streams.video[0]
            stream.codec_context.thread_count = 1
            for frame in container.decode(stream):
                frame.to_ndarray(format="rgb24")

    info = Video(path).info
    our_s, first, second = seconds(ours), seconds(bare_decord), seconds(bare_pyav)
    what = f"reading {info.frames} frames of {info.width} x {info.height}"
    yield what, f"{1e3 * our_s / info.frames:.2f} ms per frame", ""
    yield "against bare decord", f"{100 * (our_s / first - 1):+.0f} %", "<= +15 %"
    yield "against bare PyAV", f"{100 * (our_s / second - 1):+.0f} %", ""
