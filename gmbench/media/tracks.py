"""What the packets of a file say of time: stamps of the picture, and where the sound begins.

Encoders of sound put samples before the content (AAC 1024, MP3 1105). An MP4 states them in an edit list. Most other
files stamp the picture as much later, so that both are in step but the picture does not begin at zero; and some say
nothing, so that the sound is as much late. The delay never moves the picture here, and never the content of the sound.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
from av.audio.stream import AudioStream
from av.container import InputContainer
from av.packet import Packet
from av.video.stream import VideoStream
from numpy.typing import NDArray

from gmbench.errors import MediaError
from gmbench.media.files import decode_frames, media_errors, open_container, picture_track, sound_track
from gmbench.media.formats import FPS
from gmbench.media.timing import ROUNDING, Schedule, schedule, with_true_start

_DELAYS = {"aac": 1024, "aac_latm": 1024, "mp3": 1105, "mp3float": 1105, "mp2": 481, "mp2float": 481, "ac3": 256}
"""Samples before the content of a sound, by codec; for Windows Media Audio see :func:`_delay`."""

_NUMBERED = ("avi", "asf")
"""Formats that hold no stamps of presentation: their decode stamps count the packets."""


@dataclass(frozen=True)
class SoundStart:
    """Where the sound of a file begins.

    Attributes:
        start: of the first sample that is decoded, in seconds on the file's clock.
        delay: seconds between it and the content: the encoder's delay where the file does not tell to skip it.
        unbroken: the second packet follows the first without a hole.
        end: of the last packet, in seconds on the file's clock.
    """

    start: Fraction
    delay: Fraction
    unbroken: bool
    end: Fraction


@dataclass(frozen=True)
class PictureTrack:
    """The stored frames of a video and when they are shown.

    Attributes:
        ticks: (n,) ascending time stamps.
        by_order: stamps belong to decoded frames by order, not by value.
        schedule: which slots the frames fill.
        sound_origin: what the sound's stamps say at slot 0, in seconds.
        start: seconds from the content of the sound to the first frame; 0 without sound.
        first: the first frame, decoded.
        codec, pixel_format: as named by FFmpeg.
        pixel_aspect: width by height of a stored pixel.
        sound: where the sound begins; None without sound.
        alpha_layer: transparency is stored apart from the picture.
    """

    ticks: NDArray[np.int64]
    by_order: bool
    schedule: Schedule
    sound_origin: Fraction
    start: Fraction
    first: av.VideoFrame
    codec: str
    pixel_format: str
    pixel_aspect: Fraction
    sound: SoundStart | None
    alpha_layer: bool


@dataclass
class _Packets:
    """Packets of the picture as (presentation stamp, decode stamp, duration), and those of the sound."""

    stamps: list[tuple[int | None, int | None, int]]
    key_first: bool
    first: av.VideoFrame
    sound: SoundStart | None


def read_picture_track(path: Path) -> PictureTrack:
    """Read all packets of a file and decode its first frame.

    Raises:
        MediaError: no video track, no frame, or a damaged file.
    """
    with open_container(path) as container, media_errors(path, "damaged or truncated", "copy it again"):
        track = picture_track(container)
        if track is None:
            raise MediaError(f"{path}: no video track; expected a video file")
        if track.time_base is None or track.codec_context is None:
            raise MediaError(f"{path}: its header is damaged, or its codec is not known here; convert it to MP4")
        packets = _read_packets(path, container, track)
        return _picture_track(path, container, track, packets)


def _picture_track(path: Path, container: InputContainer, track: VideoStream, packets: _Packets) -> PictureTrack:
    ticks, tick, by_order = _stamps(path, container, track, packets)
    last = max((duration for pts, _, duration in packets.stamps if pts == ticks[-1]), default=0) * tick
    _refuse_truncated(path, container, track, ticks, tick, last, packets.sound)
    rates = tuple(rate for rate in (track.average_rate, track.base_rate) if rate)
    sound, true, together = packets.sound, ticks, _begin_together(container, track, packets, int(ticks[0]) * tick)
    if sound is not None and sound.delay and together:
        resets = "mp4" in container.format.name or container.format.name == "avi"
        true = with_true_start(ticks, tick, sound.delay, Fraction(1 if resets else 0), rates)
    together &= bool(true[0] == ticks[0])
    start = _start(container, track, packets, int(true[0]) * tick, together)
    plan = schedule(true, tick, last, start if start > 2 * ROUNDING else Fraction(0), rates)
    aspect = track.sample_aspect_ratio
    return PictureTrack(
        ticks=ticks,
        by_order=by_order,
        schedule=plan,
        sound_origin=start + plan.origin + (sound.start + sound.delay if sound is not None else 0),
        start=start,
        first=packets.first,
        codec=track.codec_context.name,
        pixel_format=str(track.codec_context.pix_fmt),
        pixel_aspect=Fraction(aspect) if aspect else Fraction(1),
        sound=sound,
        alpha_layer=track.metadata.get("alpha_mode") == "1",
    )


def read_sound_start(path: Path) -> SoundStart | None:
    """Where the sound of a file begins, None for one without sound; raises MediaError."""
    with open_container(path) as container, media_errors(path, "damaged or truncated", "copy it again"):
        track = sound_track(container)
        if track is None:
            return None
        return _sound_start(track, [packet for packet, _ in zip(container.demux(track), range(2), strict=False)])


def _read_packets(path: Path, container: InputContainer, track: VideoStream) -> _Packets:
    """Read to the end; of the picture only as much is decoded as gives a frame."""
    heard = sound_track(container)
    stamps: list[tuple[int | None, int | None, int]] = []
    sound: list[Packet] = []
    first: av.VideoFrame | None = None
    key_first = False
    track.codec_context.thread_count = 1
    for packet in container.demux(*(t for t in (track, heard) if t is not None)):
        if packet.stream.index != track.index:
            if packet.size:
                sound = [*sound[:2], packet]
            continue
        if first is None:
            first = next((f for f in packet.decode() if isinstance(f, av.VideoFrame)), None)
        if packet.size and not packet.is_discard:
            key_first = key_first or (not stamps and packet.is_keyframe)
            stamps.append((packet.pts, packet.dts, packet.duration or 0))
    if first is None or not stamps:
        raise MediaError(f"{path}: no frame can be decoded; truncated, replace or re-encode the file")
    return _Packets(stamps, key_first, first, _sound_start(heard, sound) if heard is not None else None)


def _stamps(
    path: Path, container: InputContainer, track: VideoStream, packets: _Packets
) -> tuple[NDArray[np.int64], Fraction, bool]:
    """Ascending stamps of the frames that are shown, seconds of a tick, and whether they belong to frames by order."""
    tick = Fraction(track.time_base or 1)
    shown = [pts for pts, _, _ in packets.stamps]
    decoded = [dts for _, dts, _ in packets.stamps]
    if container.format.name in _NUMBERED and None not in decoded:
        return np.sort(np.array(decoded, np.int64)), tick, True
    if all(pts is None for pts in shown):
        return np.arange(len(shown)), 1 / (track.average_rate or Fraction(FPS)), True
    if None in shown:  # only the decoder knows
        shown = list(_decoded_stamps(path))
        return np.sort(np.array(shown, np.int64)), tick, True
    ticks = np.sort(np.array(shown, np.int64))
    if packets.key_first and packets.first.pts is not None:  # pictures before it need some that were cut away
        ticks = ticks[ticks >= packets.first.pts]
    return ticks, tick, False


def _decoded_stamps(path: Path) -> Iterator[int]:
    """Stamps of all frames as the decoder gives them; one that it does not know follows the last."""
    expected = 0
    with open_container(path) as container:
        track = picture_track(container)
        for frame, _ in decode_frames(path, container, track):
            stamp = expected if frame.pts is None else frame.pts
            expected = stamp + (frame.duration or 1)
            yield stamp


def _sound_start(track: AudioStream, packets: list[Packet]) -> SoundStart:
    """From the first two packets of a sound, and the last."""
    tick, rate = Fraction(track.time_base or 1), track.codec_context.sample_rate
    first = [packet.pts or 0 for packet in packets[:1]]
    start = Fraction(track.start_time if track.start_time is not None else sum(first)) * tick
    told = bool(packets) and packets[0].has_sidedata("skip_samples")
    delay = Fraction(0) if told or not rate else Fraction(_delay(track.codec_context.name, rate), rate)
    unbroken = True
    if delay and track.codec_context.frame_size and len(packets) > 1 and packets[1].pts is not None:
        step = (packets[1].pts - sum(first)) * tick
        unbroken = step - Fraction(track.codec_context.frame_size, rate) <= 2 * ROUNDING
        delay = delay if unbroken else step  # the muxer stretched the first packet, which holds no content
    end = (packets[-1].pts or 0) + (packets[-1].duration or 0) if packets else 0
    return SoundStart(start, delay, unbroken, end * tick)


def _delay(codec: str, rate: int) -> int:
    if codec in ("wmav1", "wmav2"):  # one frame, as long as the rate says
        return 512 if rate <= 16_000 else 1024 if rate <= 22_050 else 2048
    return _DELAYS.get(codec, 0)


def _begin_together(container: InputContainer, track: VideoStream, packets: _Packets, first: Fraction) -> bool:
    """Whether picture and sound begin with one stamp: by presentation or, in an MP4 alone, by decoding.

    In an MP4 without edit list the stamps of presentation hold the delay of the picture's encoder.
    """
    if packets.sound is None:
        return False
    begins = [first]
    if "mp4" in container.format.name and packets.stamps[0][1] is not None:
        begins.append(packets.stamps[0][1] * Fraction(track.time_base or 1))
    return packets.sound.unbroken and min(abs(begin - packets.sound.start) for begin in begins) <= ROUNDING


def _start(
    container: InputContainer, track: VideoStream, packets: _Packets, first: Fraction, together: bool
) -> Fraction:
    """Seconds from the content of the sound to the first frame, stamped ``first``; 0 without sound.

    It is 0 where picture and sound begin ``together``: a file that heeds the encoder's delay begins with the sound. An
    AVI, whose sound has no stamps, shows the picture up to a frame after the delay. What rounding may add counts as 0.
    """
    sound, step = packets.sound, 1 / Fraction(track.average_rate or FPS)
    if sound is None:
        return Fraction(0)
    later = first - sound.start
    if container.format.name == "avi":
        together = -ROUNDING <= later <= sound.delay + step + ROUNDING
    elif not sound.delay:
        together = False
    if together:
        return Fraction(0)
    if container.format.name in _NUMBERED:
        later += track.codec_context.reorder_depth * step
    later -= sound.delay
    return later if abs(later) > ROUNDING else Fraction(0)


def _refuse_truncated(
    path: Path, container: InputContainer, track: VideoStream,
    ticks: NDArray[np.int64], tick: Fraction, last: Fraction, sound: SoundStart | None,
) -> None:  # fmt: skip
    """Compare the last stamp with the length that the header declares."""
    seconds = float((int(ticks[-1]) - int(ticks[0])) * tick + last)
    declared = float((track.duration or 0) * tick)
    if not declared and container.format.name.startswith(("matroska", "flv")):
        declared = (container.duration or 0) / av.time_base
        seconds = float(max(int(ticks[-1]) * tick + last, sound.end if sound else Fraction(0)))
    if declared - seconds > max(3 / FPS, declared / 50, 3 * seconds / len(ticks)):
        raise MediaError(
            f"{path}: truncated, time stamps end after {seconds:.2f} s of {declared:.2f} s; "
            "copy or download the file again"
        )
