"""Media files before they are decoded: what can be said of their bytes, and opening them."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import av
import av.error

from gmbench.errors import MediaError

_LFS_HEAD = b"version https://git-lfs"


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


def open_container(path: Path) -> av.container.InputContainer:
    """Open a media file for reading; raises MediaError."""
    try:
        return av.open(str(path))
    except (av.error.FFmpegError, ValueError) as error:
        raise MediaError(
            f"{path}: not a readable media file ({reason_of(error)}); truncated or another format"
        ) from error


def decode_frames(path: Path, container: Any, stream: Any) -> Iterator[av.VideoFrame]:
    """Frames of a video track in order of presentation; raises MediaError."""
    stream.codec_context.thread_count = 1
    try:
        yield from container.decode(stream)
    except (av.error.FFmpegError, ValueError) as error:
        raise MediaError(f"{path}: video cannot be decoded ({reason_of(error)}); replace or re-encode it") from error


def reason_of(error: Exception) -> str:
    """What an exception of PyAV says, without its number."""
    return str(getattr(error, "strerror", None) or error).strip()
