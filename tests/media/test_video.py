import av
import cv2
import numpy as np
import pytest

from gmbench.errors import MediaError
from gmbench.media import Video, read_audio, write_video
from tests.media.files import gradient_frame, numbers, tone, write
from tests.shared import REAL, needs_real_clips


def test_constant_25_fps_comes_out_frame_by_frame(tmp_path):
    video = Video(write(tmp_path / "a.mp4", np.arange(30) / 25))
    assert numbers(video) == list(range(30))
    assert (video.info.frames, video.info.height, video.info.width) == (30, 64, 96)
    assert not video.info.variable_rate


def test_30_fps_goes_by_time_not_by_index(tmp_path):
    video = Video(write(tmp_path / "a.mp4", np.arange(60) / 30))
    shown = numbers(video)
    assert len(shown) == 50
    assert all(abs(n / 30 - k / 25) <= 0.5 / 25 + 1e-6 for k, n in enumerate(shown))


def test_variable_rate_and_late_start_go_by_time_stamps(tmp_path):
    times = [0.033, 0.107, 0.133, 0.233, 0.265, 0.4]
    video = Video(write(tmp_path / "a.mp4", times, audio=tone(0.48)))
    shown = numbers(video)
    assert video.info.variable_rate
    assert shown[0] == 0  # nothing is shown before the first frame, so it fills the time before
    slots = [int(t * 25 + 0.5) for t in times]
    for k, n in enumerate(shown):
        assert n == max([i for i, slot in enumerate(slots) if slot <= k], default=0)


def test_a_hole_in_the_time_stamps_holds_the_last_frame(tmp_path):
    video = Video(write(tmp_path / "a.mp4", [0.0, 0.12, 0.16, 0.20]))
    assert numbers(video) == [0, 0, 0, 1, 2, 3]


@pytest.mark.parametrize(
    ("name", "codec", "pix_fmt"),
    [
        ("a.mp4", "libx264", "yuv420p"), ("a.mov", "libx264", "yuv420p"), ("a.flv", "libx264", "yuv420p"),
        ("a.avi", "mpeg4", "yuv420p"), ("a.mp4", "libx265", "yuv420p"), ("d.mp4", "libx264", "yuv444p"),
        ("e.mkv", "libx264", "yuv420p"),
    ],
)  # fmt: skip
def test_containers_codecs_and_pixel_formats(tmp_path, name, codec, pix_fmt):
    video = Video(write(tmp_path / name, np.arange(12) / 25, codec, pix_fmt))
    assert numbers(video) == list(range(12))
    assert next(iter(video)).dtype == np.uint8


@pytest.mark.parametrize("pix_fmt", ["yuv420p10le", "gray"])
def test_10_bit_and_grey_video_become_8_bit_rgb(tmp_path, pix_fmt):
    frames = list(Video(write(tmp_path / "a.mp4", np.arange(12) / 25, pix_fmt=pix_fmt)))
    levels = [float(frame[16:, 16:].mean()) for frame in frames]
    assert len(levels) == 12
    assert frames[0].shape == (64, 96, 3)
    assert frames[0].dtype == np.uint8
    assert np.diff(levels) == pytest.approx(3.0, abs=1.0)


@pytest.mark.parametrize("size", [1, 5, 8, 100])
def test_batches_hold_the_same_frames(tmp_path, size):
    video = Video(write(tmp_path / "a.mp4", np.arange(21) / 25))
    batches = list(video.batches(size))
    assert [len(b) for b in batches[:-1]] == [size] * (len(batches) - 1)
    assert np.array_equal(np.concatenate(batches), np.stack(list(video)))


def test_folder_of_images_in_natural_order(tmp_path):
    for n in range(12):
        cv2.imwrite(str(tmp_path / f"{n}.png"), gradient_frame(n)[..., ::-1])
    (tmp_path / "notes.txt").write_text("ignored")
    assert numbers(Video(tmp_path)) == list(range(12))


def test_folder_of_unequal_images_names_the_odd_one(tmp_path):
    for n in range(3):
        cv2.imwrite(str(tmp_path / f"{n}.png"), gradient_frame(n, height=64 + 8 * (n == 2)))
    with pytest.raises(MediaError, match=r"2\.png"):
        list(Video(tmp_path))


def test_rotation_of_the_display_is_applied(tmp_path):
    path = write(tmp_path / "a.mp4", np.arange(3) / 25)
    data = bytearray(path.read_bytes())
    place = data.find(b"tkhd") + 4 + 40  # the display matrix of the track
    assert int.from_bytes(data[place : place + 4]) == 0x10000
    for index, value in enumerate((0, 0x10000, 0, -0x10000, 0, 0)):
        data[place + 4 * index : place + 4 * index + 4] = value.to_bytes(4, signed=True)
    path.write_bytes(data)
    video = Video(path)
    assert (video.info.height, video.info.width) == (96, 64)
    assert next(iter(video)).shape == (96, 64, 3)


def test_written_video_comes_back(tmp_path):
    audio = tone(1.0)[0]
    write_video(tmp_path / "a.mp4", (gradient_frame(n) for n in range(25)), audio)
    assert numbers(Video(tmp_path / "a.mp4")) == list(range(25))
    sound = read_audio(tmp_path / "a.mp4")
    length = min(len(sound), len(audio))
    assert length >= len(audio)
    assert np.corrcoef(sound[:length], audio[:length])[0, 1] > 0.99
    assert [p.name for p in tmp_path.iterdir()] == ["a.mp4"]
    with av.open(str(tmp_path / "a.mp4")) as container:
        assert container.streams.video[0].codec_context.name == "h264"
        assert container.streams.audio[0].codec_context.name == "aac"


def test_nothing_is_left_of_a_video_that_fails(tmp_path):
    with pytest.raises(MediaError, match="even"):
        write_video(tmp_path / "a.mp4", [np.zeros((63, 64, 3), np.uint8)])
    with pytest.raises(MediaError, match="no frames"):
        write_video(tmp_path / "b.mp4", [])
    assert list(tmp_path.iterdir()) == []


def test_truncated_files_are_refused(tmp_path):
    whole = write(tmp_path / "whole.mp4", np.arange(200) / 25).read_bytes()
    (tmp_path / "cut.mp4").write_bytes(whole[: len(whole) // 2])
    with pytest.raises(MediaError, match=r"cut\.mp4"):
        list(Video(tmp_path / "cut.mp4"))


def test_truncated_file_with_its_index_in_front_is_refused(tmp_path):
    path = tmp_path / "front.mp4"
    with av.open(str(path), "w", options={"movflags": "faststart"}) as container:
        stream = container.add_stream("libx264", rate=25)
        stream.width, stream.height = 96, 64
        rng = np.random.default_rng(0)
        for _ in range(100):
            noise = rng.integers(0, 256, (64, 96, 3), dtype=np.uint8)
            container.mux(stream.encode(av.VideoFrame.from_ndarray(noise, format="rgb24")))
        container.mux(stream.encode(None))
    path.write_bytes(path.read_bytes()[:-200_000])
    with pytest.raises(MediaError, match=r"front\.mp4.*truncated"):
        list(Video(path))


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "empty file"),
        (b"version https://git-lfs.github.com/spec/v1\noid sha256:00\nsize 3\n", "git lfs pull"),
        (b"this is a text file, not a video\n" * 50, "not a readable media file"),
    ],
)
def test_files_that_are_no_videos(tmp_path, content, message):
    path = tmp_path / "bad.mp4"
    path.write_bytes(content)
    with pytest.raises(MediaError, match=message) as error:
        Video(path)
    assert "bad.mp4" in str(error.value)


def test_sound_file_is_no_video(tmp_path):
    write(tmp_path / "a.mp4", [0.0, 0.04], audio=tone(0.2))
    with av.open(str(tmp_path / "a.m4a"), "w", format="mp4") as container:
        stream = container.add_stream("aac", rate=16000, layout="mono")
        frame = av.AudioFrame.from_ndarray(tone(0.2), format="s16", layout="mono")
        frame.sample_rate = 16000
        container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    with pytest.raises(MediaError, match="no video track"):
        Video(tmp_path / "a.m4a")


@needs_real_clips
def test_variable_rate_clip_by_its_time_stamps():
    video = Video(REAL / "vr_face1_22fps.mp4")
    assert video.info.variable_rate
    assert (video.info.source_frames, video.info.frames) == (135, 153)  # 6.1 s
    with av.open(str(video.path)) as container:
        stamps = np.array([float(frame.time) for frame in container.decode(video=0)])
    shown = video.source_indices
    error = stamps[shown] - np.arange(len(shown)) / 25
    assert error[1:].max() <= 0.02 + 1e-6  # never more than half a frame early
    assert error.min() > -0.06  # and late only while the next frame is still to come


@needs_real_clips
def test_frames_that_the_muxer_shifted_for_the_sounds_delay_stay_in_step():
    """The same picture beside another sound: its stamps run 0, 120, 160 ms for the delay of MP3."""
    copied = Video(REAL / "syncnet_example_adelay5.avi")
    assert (copied.info.source_frames, copied.info.frames) == (317, 317)
    for mine, other in zip(copied, Video(REAL / "syncnet_example.avi"), strict=True):
        assert np.array_equal(mine, other)


@needs_real_clips
@pytest.mark.parametrize("name", ["hdtf_katiehill_000.mp4", "lsp_may_5s.mp4", "syncnet_example.avi"])
def test_pixels_are_those_of_an_independent_reader(name):
    decord = pytest.importorskip("decord", reason="decord has no wheel for this system")
    reader = decord.VideoReader(str(REAL / name), num_threads=1)
    for index, frame in enumerate(Video(REAL / name)):
        assert np.array_equal(frame, reader.next().asnumpy()), index
