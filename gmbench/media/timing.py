"""When each stored frame is shown: from time stamps to slots of 25 frames a second."""

from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import av.error
import numpy as np
from numpy.typing import NDArray

from gmbench.errors import MediaError
from gmbench.media.files import decode_frames, reason_of
from gmbench.media.formats import FPS


def presentation_times(path: Path, container: Any, stream: Any) -> tuple[NDArray[np.int64], int]:
    """Ascending time stamps of the stored frames and the end of the last, in units of the time base."""
    times: list[int] = []
    durations: dict[int, int] = {}
    try:
        for packet in container.demux(stream):
            if packet.size == 0 or packet.is_discard:
                continue
            if packet.pts is None:  # some AVI files: only the decoder knows
                container.seek(0)
                times = [f.pts for f in decode_frames(path, container, stream) if f.pts is not None]
                break
            times.append(packet.pts)
            durations[packet.pts] = packet.duration or 0
    except (av.error.FFmpegError, ValueError) as error:
        raise MediaError(f"{path}: damaged or truncated ({reason_of(error)}); copy it again") from error
    if not times:
        raise MediaError(f"{path}: no video frame with a time stamp; truncated, or remux the file")
    pts = np.unique(np.array(times, dtype=np.int64))
    usual = int(np.median(np.diff(pts))) if len(pts) > 1 else 0
    rate = stream.average_rate or FPS
    last = durations.get(int(pts[-1])) or usual or round(1 / (rate * stream.time_base))
    return pts, int(pts[-1]) + last


def common_zero(container: av.container.InputContainer) -> Fraction:
    """Time of the earliest track in seconds: the common zero of picture and sound."""
    starts = [
        Fraction(stream.start_time) * Fraction(stream.time_base)
        for stream in (*container.streams.video[:1], *container.streams.audio[:1])
        if stream.start_time is not None and stream.time_base is not None
    ]
    return min(starts, default=Fraction(0))


def round_half_up(value: Fraction) -> int:
    """The nearest whole number, the larger of two equally near ones."""
    return int((value + Fraction(1, 2)).__floor__())
