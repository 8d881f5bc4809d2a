"""Media files before they are decoded: what can be said of their bytes, and opening them.

Whatever PyAV raises leaves this package as MediaError. A file is opened anew for every pass: seeking to its beginning
fails where no index says what lies there.
"""

import errno
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import av
import av.error
import av.logging
from av.audio.stream import AudioStream
from av.container import InputContainer
from av.stream import Disposition
from av.video.stream import VideoStream

from gmbench.errors import MediaError
from gmbench.media.h264 import LostPictures

_ASIDE = Disposition.comment | Disposition.visual_impaired | Disposition.hearing_impaired
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


@contextmanager
def media_errors(path: Path, what: str, remedy: str) -> Iterator[None]:
    """Turn every exception of PyAV, of whatever type, into MediaError: ``PATH: WHAT (reason); REMEDY``."""
    try:
        yield
    except MediaError:
        raise
    except Exception as error:
        raise MediaError(f"{path}: {what} ({reason_of(error)}); {remedy}") from error


@contextmanager
def open_container(path: Path) -> Iterator[InputContainer]:
    """Open a media file for one pass from its beginning; raises MediaError."""
    if av.logging.get_level() is None:
        av.logging.set_level(av.logging.PANIC)  # prints nothing, but errors of the decoders are counted from now on
    with media_errors(path, _unreadable(path), "copy it again, or convert it"):
        container = av.open(str(path))
    try:
        yield container
    finally:
        container.close()


def _unreadable(path: Path) -> str:
    with path.open("rb") as stream:
        head = stream.read(12)
    if head[4:8] == b"ftyp":
        return "its index (moov) is absent or damaged: truncated, or a recording that was not finished"
    return "not a readable media file: truncated, damaged or of another format"


def picture_track(container: InputContainer) -> VideoStream | None:
    """The video track that a player shows: the default one, else the first; cover art is none."""
    tracks = [track for track in container.streams.video if not track.disposition & Disposition.attached_pic]
    return next((track for track in tracks if track.disposition & Disposition.default), tracks[0] if tracks else None)


def sound_track(container: InputContainer) -> AudioStream | None:
    """The audio track that a player plays: the default one, else the first that is no commentary or description."""
    tracks = sorted(container.streams.audio, key=lambda track: bool(track.disposition & _ASIDE))
    return next((track for track in tracks if track.disposition & Disposition.default), tracks[0] if tracks else None)


def decode_frames(
    path: Path, container: InputContainer, track: VideoStream | None
) -> Iterator[tuple[av.VideoFrame, bool]]:
    """Frames of a video track in order of presentation, and whether each is damaged; raises MediaError.

    Decoders mark what they conceal, or report an error and give a picture. Where pictures are missing that others refer
    to, HEVC's reports an error, H.264's sometimes, hence :mod:`gmbench.media.h264`; others say nothing.
    """
    if track is None:
        return
    track.codec_context.thread_count = 1
    codec, damaged = track.codec_context.name, False
    lost = LostPictures(track.codec_context.extradata) if codec == "h264" else None
    with media_errors(path, "video cannot be decoded", "damaged; replace or re-encode it"):
        for packet in container.demux(track):
            if not packet.size and packet.dts is not None:  # the frame before it stays
                continue
            errors = av.logging.get_last_error()[0]
            frames = [frame for frame in packet.decode() if isinstance(frame, av.VideoFrame)]
            reported = codec != "mjpeg" and av.logging.get_last_error()[0] > errors  # Motion JPEG: of odd markers too
            damaged = damaged or reported or (lost is not None and lost.before(bytes(packet)))
            for frame in frames:
                yield frame, frame.is_corrupt or damaged
                damaged = False


def reason_of(error: Exception) -> str:
    """What is wrong with a file by an exception of PyAV, in words that do not blame the operating system."""
    code = getattr(error, "errno", None)
    if isinstance(error, EOFError):
        return "it ends too early"
    if isinstance(error, av.error.InvalidDataError):
        return "invalid data"
    if isinstance(error, MemoryError) or code == errno.ENOMEM:
        return "sizes in it cannot be true"
    if isinstance(error, PermissionError):
        return "no data where its index says"
    return str(getattr(error, "strerror", None) or error).strip() or type(error).__name__
