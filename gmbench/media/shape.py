"""From a decoded frame to the picture that a player shows: RGB, upright, with square pixels."""

import contextlib
import math
from collections import defaultdict
from collections.abc import Callable
from fractions import Fraction
from typing import Any, cast

import av
import numpy as np
from av.video.reformatter import VideoReformatter
from PIL import Image

from gmbench.media.formats import Frames

_WIDEST_PIXEL = 4
"""Pixels further from square are no shape that a camera or an encoder means."""
_WITH_NAMED_PROFILES = ("apng", "png")
"""Codecs whose frames can bring a colour profile with a name; PyAV, asked for their side data, frees that twice."""


def resize(frame: Frames, height: int, width: int) -> Frames:
    """Bilinear, antialiased when it shrinks, computed in float and rounded once; the frame itself if the size is right.

    Args:
        frame: (H, W, 3) uint8.
        height, width: of the result, in pixels.
    """
    if frame.shape[:2] == (height, width):
        return frame
    planes = [Image.fromarray(frame[..., channel].astype(np.float32)) for channel in range(frame.shape[2])]
    sized = [np.asarray(plane.resize((width, height), Image.Resampling.BILINEAR)) for plane in planes]
    return np.rint(np.stack(sized, axis=-1)).clip(0, 255).astype(np.uint8)


def displayed(first: av.VideoFrame, codec: str, pixel_aspect: Fraction) -> Callable[[av.VideoFrame], Frames]:
    """A function from frames of a track to (H, W, 3) RGB as a player shows them, by first frame and codec.

    Frames alike share one conversion, which takes ten times as long to set up as to do at 128 pixels; so the function
    serves one reader at a time.

    Raises:
        ValueError: the pixels are more than four times as wide as high, or the reverse.
    """
    if not 1 / _WIDEST_PIXEL <= pixel_aspect <= _WIDEST_PIXEL:
        raise ValueError(f"pixels of {pixel_aspect.numerator}:{pixel_aspect.denominator} are no shape that is shown")
    turned, flip = _orientation(display_matrix(first, codec))
    to_rgb: dict[tuple[object, ...], VideoReformatter] = defaultdict(VideoReformatter)

    def show(frame: av.VideoFrame) -> Frames:
        kind = (frame.format.name, frame.width, frame.height, frame.colorspace, frame.color_range)
        picture = np.asarray(to_rgb[kind].reformat(frame, format="rgb24", threads=1).to_ndarray(), np.uint8)
        if pixel_aspect != 1:
            picture = resize(picture, picture.shape[0], int(picture.shape[1] * pixel_aspect + Fraction(1, 2)))
        if turned:
            picture = picture.transpose(1, 0, 2)
        return np.ascontiguousarray(picture[flip])

    return show


def display_matrix(frame: av.VideoFrame, codec: str) -> tuple[float, float, float, float] | None:
    """Numbers a to d by which a player shows (x, y) at (a x + c y, b x + d y), up to a factor; None: shown as stored.

    Of PNG, and of frames with side data of a kind that PyAV does not know, such as Exif, the turn alone is known: those
    that are mirrored, too, are not told from others.
    """
    if codec not in _WITH_NAMED_PROFILES:
        with contextlib.suppress(ValueError):
            data = frame.side_data.get("DISPLAYMATRIX")
            if data is None:
                return None
            a, b, _, c, d = np.frombuffer(memoryview(cast(Any, data)), np.int32)[:5].tolist()
            return a, b, c, d
    turn = math.radians(-frame.rotation)
    return (math.cos(turn), math.sin(turn), -math.sin(turn), math.cos(turn)) if turn else None


def _orientation(matrix: tuple[float, float, float, float] | None) -> tuple[bool, tuple[slice, slice]]:
    """Whether a display matrix swaps rows and columns, and the slices that mirror them afterwards.

    Of turns between, the nearest of the eight is taken.
    """
    if matrix is None:
        return False, (slice(None), slice(None))
    a, b, c, d = matrix
    turned = abs(b) + abs(c) > abs(a) + abs(d)
    x, y = (c, b) if turned else (a, d)
    return turned, (slice(None, None, -1 if y < 0 else 1), slice(None, None, -1 if x < 0 else 1))


def stores_alpha(frame: av.VideoFrame) -> bool:
    """Whether the pixel format of a frame can hold pixels that are not opaque."""
    return frame.format.name == "pal8" or any(component.is_alpha for component in frame.format.components)


def has_transparency(frame: av.VideoFrame) -> bool:
    """Whether some pixel of a frame is not opaque."""
    return stores_alpha(frame) and bool(frame.to_ndarray(format="rgba")[..., 3].min() < 255)
