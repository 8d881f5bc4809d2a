"""One clip in many containers: the same frames, and sound in its place."""

from fractions import Fraction

import numpy as np
import pytest

from gmbench.media import Video
from tests.media.clips import BURSTS, clip, copy, heard_at, same_frames
from tests.shared import REAL, needs_real_clips

CONTAINERS = {
    "a.mkv": {}, "a.avi": {}, "a.mov": {}, "a.ts": {}, "a.nut": {}, "a.flv": {}, "a.asf": {},
    "fragmented.mp4": {"movflags": "frag_keyframe+empty_moov"},
    "dash.mp4": {"movflags": "frag_keyframe+empty_moov+default_base_moof+dash"},
    "delayed.mp4": {"movflags": "frag_keyframe+empty_moov+delay_moov"},
    "no_edit_list.mp4": {"use_editlist": "0"},
    "negative.mp4": {"movflags": "negative_cts_offsets"},
    "front.mp4": {"movflags": "faststart"},
}  # fmt: skip
SOUNDS = [(None, 16000), ("aac", 16000), ("aac", 44100), ("libmp3lame", 44100)]


@pytest.mark.parametrize("b_frames", [0, 2])
@pytest.mark.parametrize(("sound", "rate"), SOUNDS)
def test_a_copy_shows_the_same_frames_and_keeps_sound_in_step(tmp_path, b_frames, sound, rate):
    source = clip(tmp_path / "source.mp4", sound=sound, rate=rate, b_frames=b_frames)
    assert len(list(Video(source))) == 50
    for name, options in CONTAINERS.items():
        target = copy(source, tmp_path / name, **options)
        assert same_frames(source, target), name
        assert not Video(target).info.variable_rate, name
        if sound:
            assert heard_at(target) == pytest.approx(BURSTS, abs=0.02), name


@pytest.mark.parametrize("name", ["a.mkv", "a.mp4", "a.ts"])
def test_stamps_may_begin_at_an_hour(tmp_path, name):
    source = clip(tmp_path / "source.mp4", sound="aac", rate=44100)

    def later(packet, number):
        hour = round(3600 / packet.time_base)
        packet.pts, packet.dts = packet.pts + hour, packet.dts + hour
        return packet

    target = copy(source, tmp_path / name, later)
    assert same_frames(source, target)
    assert heard_at(target) == pytest.approx(BURSTS, abs=0.02)


@pytest.mark.parametrize(
    ("rate", "count"),
    [
        (Fraction(24000, 1001), 48), (24, 48), (30, 60), (Fraction(30000, 1001), 60), (50, 100), (60, 120),
        (Fraction(25, 2), 25), (15, 30), (1, 2),
    ],
)  # fmt: skip
def test_two_seconds_of_any_rate_are_50_frames_in_every_container(tmp_path, rate, count):
    source = clip(tmp_path / "source.mp4", count, rate, sound="aac")
    info = Video(source).info
    assert (info.frames, info.source_frames) == (50, count)
    assert info.source_fps == pytest.approx(float(rate))
    for name, options in CONTAINERS.items():
        if count < 4:
            continue  # too few to tell a rate from a muxer's error
        target = copy(source, tmp_path / name, **options)
        assert same_frames(source, target), name
        assert Video(target).info.source_fps == pytest.approx(float(rate), rel=1e-4), name


@pytest.mark.parametrize("name", ["a.mp4", "a.mkv", "a.flv", "a.ts", "a.mov"])
@pytest.mark.parametrize("late", [-0.12, 0.12, 0.5])
def test_a_true_offset_of_the_sound_stays_and_moves_no_frame(tmp_path, name, late):
    still = clip(tmp_path / "source.mp4", sound="aac")
    source = clip(tmp_path / "offset.mp4", sound="aac", late=late)
    target = copy(source, tmp_path / name)
    assert same_frames(still, target)
    assert heard_at(target) == pytest.approx(np.array(BURSTS) + late, abs=0.02)
    if late > 0:  # an MP4 cuts off what comes before the picture
        assert Video(target).info.start == pytest.approx(-late, abs=0.02)


def test_flash_video_as_ffmpeg_writes_it_reads(tmp_path):
    """Sorenson's codec with MP3, whose first picture is stamped later than 0."""
    target = clip(tmp_path / "a.flv", codec="flv", sound="libmp3lame", rate=44100)
    frames = list(Video(target))
    assert len(frames) == 50
    for mine, other in zip(frames, Video(clip(tmp_path / "b.mp4")), strict=True):
        assert np.abs(mine.astype(int) - other).mean() < 12
    assert heard_at(target) == pytest.approx(BURSTS, abs=0.02)


@pytest.mark.parametrize(
    ("name", "codec"),
    [
        ("a.webm", "libvpx-vp9"), ("a.webm", "libvpx"), ("a.mkv", "libsvtav1"), ("a.mov", "prores"), ("a.gif", "gif"),
        ("a.avi", "mjpeg"), ("a.wmv", "wmv2"), ("a.mpg", "mpeg2video"), ("a.ts", "mpeg2video"), ("a.h264", "libx264"),
        ("a.hevc", "libx265"), ("a.3gp", "mpeg4"), ("a.avi", "mpeg4"),
    ],
)  # fmt: skip
def test_every_stored_frame_is_a_frame(tmp_path, name, codec):
    path = clip(tmp_path / name, 25, codec=codec)
    frames = list(Video(path))
    assert len(frames) == 25
    assert Video(path).info.source_fps == pytest.approx(25)
    changes = [np.abs(a.astype(int) - b).mean() for a, b in zip(frames, frames[1:], strict=False)]
    assert min(changes) > 5


@pytest.mark.slow
@needs_real_clips
@pytest.mark.parametrize(
    "name",
    [
        "lsp_may_5s.mp4", "edtalk_mouth_source.mp4", "vr_face1_22fps.mp4", "vr_face4_30fps.mp4", "geneface_zozo.mp4",
        "hdtf_katiehill_000.mp4", "syncnet_example_adelay5.avi", "style_sadfather_clip1.mp4",
    ],
)  # fmt: skip
def test_copies_of_real_clips_show_the_same_frames(tmp_path, name):
    source = REAL / name
    containers = ["a.mkv", "a.mov", "fragmented.mp4", "no_edit_list.mp4"]
    containers += ["a.flv", "a.ts"] if Video(source).info.codec == "h264" else []
    containers += [] if Video(source).info.variable_rate else ["a.avi"]  # an AVI has one rate
    frames = list(Video(source))
    for container in containers:
        copied = Video(copy(source, tmp_path / container, **CONTAINERS[container]))
        assert copied.info.frames == len(frames), container
        assert all(map(np.array_equal, copied, frames)), container
