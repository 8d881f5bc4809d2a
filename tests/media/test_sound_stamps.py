"""Sound lies where its time stamps say, from the first sample of its content."""

import av
import numpy as np
import pytest
from av.stream import Disposition

from gmbench.media import read_audio
from tests.media.clips import BURSTS, bursts, clip, copy, heard_at, write_sound


def test_a_hole_in_the_stamps_is_silence(tmp_path):
    source = clip(tmp_path / "source.mp4", sound="aac")

    def holed(packet, number):
        hole = packet.stream.type == "audio" and 0.7 <= float(packet.pts * packet.time_base) < 1.2
        return None if hole else packet

    for name in ("a.mp4", "a.mkv", "a.ts"):
        target = copy(source, tmp_path / name, holed)
        assert heard_at(target) == pytest.approx([0.4, 1.36, 1.88], abs=0.02), name
        assert len(read_audio(target)) == pytest.approx(len(read_audio(source)), abs=320)


def test_copies_have_the_same_samples(tmp_path):
    """The delay is cut off before the rate is changed, and rounding of stamps counts as nothing."""
    source = clip(tmp_path / "source.mp4", sound="aac", rate=44100)
    for name in ("a.mkv", "a.ts", "a.flv", "a.avi", "a.nut"):
        np.testing.assert_array_equal(read_audio(copy(source, tmp_path / name)), read_audio(source), err_msg=name)
    fragmented = copy(source, tmp_path / "a.mp4", movflags="frag_keyframe+empty_moov")
    np.testing.assert_array_equal(read_audio(fragmented), read_audio(source))


def test_stamps_that_are_off_by_themselves_tear_no_hole(tmp_path):
    source = clip(tmp_path / "source.mp4", sound="aac", rate=44100)

    def jittered(packet, number):
        if packet.stream.type == "audio" and number % 5 == 3:
            packet.pts += round(0.018 / packet.time_base)
            packet.dts = packet.pts
        return packet

    np.testing.assert_array_equal(read_audio(copy(source, tmp_path / "a.mkv", jittered)), read_audio(source))


def test_overlapping_packets_do_not_delay_what_follows(tmp_path):
    source = clip(tmp_path / "source.mp4", sound="aac")

    def overlapping(packet, number):
        if packet.stream.type == "audio" and float(packet.pts * packet.time_base) >= 0.7:
            packet.pts -= round(0.05 / packet.time_base)
            packet.dts = packet.pts
        return packet

    target = copy(source, tmp_path / "a.mkv", overlapping)
    assert heard_at(target) == pytest.approx([0.4, 0.87, 1.31, 1.83], abs=0.02)


@pytest.mark.parametrize("aside", [Disposition.comment, Disposition.visual_impaired])
def test_a_commentary_is_not_heard(tmp_path, aside):
    _two_tracks(tmp_path / "a.mkv", aside, Disposition(0))
    assert np.abs(read_audio(tmp_path / "a.mkv")).max() == pytest.approx(10000, rel=0.05)


@pytest.mark.parametrize("default", [0, 1])
def test_the_default_track_is_heard(tmp_path, default):
    _two_tracks(tmp_path / "a.mkv", *(Disposition.default if n == default else Disposition(0) for n in (0, 1)))
    assert np.abs(read_audio(tmp_path / "a.mkv")).max() == pytest.approx(20000 >> default, rel=0.05)


def _two_tracks(path, *dispositions):
    """A clip with two sounds, the second half as loud."""
    with av.open(str(path), "w") as container:
        video = container.add_stream("libx264", rate=25)
        video.width = video.height = 96
        tracks = [container.add_stream("flac", rate=16000, layout="mono") for _ in range(2)]
        for track, disposition in zip(tracks, dispositions, strict=True):
            track.disposition = disposition
        for _ in range(50):
            container.mux(video.encode(av.VideoFrame.from_ndarray(np.zeros((96, 96, 3), np.uint8), format="rgb24")))
        container.mux(video.encode(None))
        for index, track in enumerate(tracks):
            write_sound(container, track, (bursts(16000) >> index), 16000)


@pytest.mark.parametrize(
    ("name", "codec", "rate", "options"),
    [
        ("a.mp3", "libmp3lame", 44100, {}), ("a.mp3", "libmp3lame", 44100, {"write_xing": "0"}),
        ("a.mp3", "libmp3lame", 16000, {"write_xing": "0"}), ("a.aac", "aac", 44100, {}), ("a.m4a", "aac", 16000, {}),
        ("a.m4a", "aac", 16000, {"use_editlist": "0"}), ("a.mka", "aac", 16000, {}), ("a.mka", "libmp3lame", 44100, {}),
        ("a.wma", "wmav2", 44100, {}), ("a.wma", "wmav2", 16000, {}), ("a.mp2", "mp2", 44100, {}),
        ("a.ac3", "ac3", 48000, {}), ("a.aiff", "pcm_s16be", 16000, {}), ("a.au", "pcm_s16be", 16000, {}),
        ("a.caf", "pcm_s16be", 16000, {}), ("a.w64", "pcm_s16le", 16000, {}), ("a.opus", "libopus", 48000, {}),
        ("a.flac", "flac", 44100, {}), ("a.wv", "wavpack", 44100, {}), ("a.tta", "tta", 44100, {}),
    ],
)  # fmt: skip
def test_encoders_delay_nothing_in_files_of_sound(tmp_path, name, codec, rate, options):
    path = tmp_path / name
    with av.open(str(path), "w", options=options) as container:
        write_sound(
            container, container.add_stream(codec, rate=rate, layout="mono", options={"b": "64k"}), bursts(rate), rate
        )
    assert heard_at(path) == pytest.approx(BURSTS, abs=0.008)
