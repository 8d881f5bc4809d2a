from fractions import Fraction

import av
import cv2
import numpy as np
import pytest
from PIL import ExifTags, Image, ImageCms

from gmbench.errors import MediaError
from gmbench.media import Video, resize
from gmbench.media.shape import displayed
from tests.media.clips import BURSTS, bursts, clip, heard_at, picture, write_sound
from tests.media.files import write

ORIENTATIONS = {
    (1, 0, 0, 1): lambda f: f, (-1, 0, 0, 1): lambda f: f[:, ::-1], (1, 0, 0, -1): lambda f: f[::-1],
    (-1, 0, 0, -1): lambda f: f[::-1, ::-1], (0, 1, -1, 0): lambda f: np.rot90(f, -1),
    (0, -1, 1, 0): np.rot90, (0, 1, 1, 0): lambda f: f.transpose(1, 0, 2),
    (0, -1, -1, 0): lambda f: f.transpose(1, 0, 2)[::-1, ::-1],
}  # fmt: skip


@pytest.mark.parametrize(("matrix", "shown"), ORIENTATIONS.items(), ids=map(str, ORIENTATIONS))
def test_all_eight_display_matrices_are_applied(tmp_path, matrix, shown):
    path = write(tmp_path / "a.mp4", np.arange(3) / 25)
    plain = [shown(frame) for frame in Video(path)]
    data = bytearray(path.read_bytes())
    place = data.find(b"tkhd") + 4 + 40  # the display matrix of the track: a b u, c d v
    for position, value in zip((0, 4, 12, 16), matrix, strict=True):
        data[place + position : place + position + 4] = (value * 0x10000).to_bytes(4, signed=True)
    path.write_bytes(data)
    video = Video(path)
    assert (video.info.height, video.info.width) == plain[0].shape[:2]
    for mine, expected in zip(video, plain, strict=True):
        assert np.array_equal(mine, expected)


def test_a_picture_with_a_named_colour_profile_is_read(tmp_path):
    profile = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    stored = np.full((32, 48, 3), (10, 200, 90), np.uint8)
    Image.fromarray(stored).save(tmp_path / "a.png", icc_profile=profile)
    video = Video(tmp_path / "a.png")
    (shown,) = video
    assert np.array_equal(shown, stored)
    assert video.shown_as_stored


def test_frames_of_several_kinds_are_converted_each_as_by_itself(rng):
    frames = []
    for name, colours, height in (
        ("yuv420p", 1, 48), ("yuvj420p", 1, 48), ("yuv420p", 5, 48), ("yuv444p", 1, 48), ("yuv420p", 1, 64),
    ):  # fmt: skip
        frame = av.VideoFrame.from_ndarray(rng.integers(0, 256, (height, 64, 3), np.uint8), "rgb24").reformat(
            format=name
        )
        frame.colorspace = colours
        frames.append(frame)
    show = displayed(frames[0], "h264", Fraction(1))
    for frame in frames * 2:
        assert np.array_equal(show(frame), frame.to_ndarray(format="rgb24"))
    assert len({show(frame).tobytes() for frame in frames[:3]}) == 3


@pytest.mark.parametrize("name", ["a.jpg", "a.png"])
@pytest.mark.parametrize(("orientation", "turns"), [(1, 0), (3, 2), (6, -1), (8, 1)])
def test_pictures_with_exif_are_turned_as_it_says(tmp_path, name, orientation, turns):
    stored = np.zeros((32, 48, 3), np.uint8)
    stored[:16, :16], stored[:, 32:] = 255, (200, 0, 0)
    exif = Image.Exif()
    exif[ExifTags.Base.Orientation], exif[ExifTags.Base.Make] = orientation, "maker"
    Image.fromarray(stored).save(tmp_path / name, exif=exif, quality=95, subsampling=0)
    video = Video(tmp_path / name)
    (shown,) = video
    assert np.abs(shown.astype(int) - np.rot90(stored, turns)).mean() < 3
    assert video.shown_as_stored == (turns == 0)


def test_pixels_become_square(tmp_path):
    wide = Video(clip(tmp_path / "a.mp4", 5, sar=Fraction(4, 3)))
    assert (wide.info.height, wide.info.width, wide.info.pixel_aspect) == (96, 128, pytest.approx(4 / 3))
    square = Video(clip(tmp_path / "b.mp4", 5))
    assert square.info.pixel_aspect == 1
    for mine, plain in zip(wide, square, strict=True):
        expected = cv2.resize(plain.astype(np.float32), (128, 96), interpolation=cv2.INTER_LINEAR)
        assert np.abs(mine - expected).max() <= 0.51


def test_pixels_of_no_possible_shape_are_refused(tmp_path):
    with pytest.raises(MediaError, match=r"a\.mp4.*9:1"):
        Video(clip(tmp_path / "a.mp4", 5, sar=Fraction(9, 1)))


def test_resizing_rounds_once(rng):
    frame = rng.integers(0, 256, (40, 40, 3), dtype=np.uint8)
    larger = resize(frame, 64, 80)
    exact = cv2.resize(frame.astype(np.float64), (80, 64), interpolation=cv2.INTER_LINEAR)
    assert np.abs(larger - exact).max() <= 0.501
    assert abs((larger - exact).mean()) < 0.02
    assert resize(frame, 40, 40) is frame


def test_shrinking_takes_all_pixels_in(rng):
    frame = rng.integers(0, 256, (64, 64, 3), dtype=np.uint8)
    small = resize(frame, 16, 16)
    assert abs(small.mean() - frame.mean()) < 0.5
    assert small.std() < frame.std() / 2


def test_transparent_pixels_are_noticed(tmp_path):
    opaque, clear = np.full((8, 8, 4), 255, np.uint8), np.full((8, 8, 4), 255, np.uint8)
    clear[:4, :, 3] = 90
    for name, pictures in {"opaque": [opaque] * 2, "clear": [opaque, clear], "first": [clear, opaque]}.items():
        (tmp_path / name).mkdir()
        for number, image in enumerate(pictures):
            cv2.imwrite(str(tmp_path / name / f"{number}.png"), image)
        video = Video(tmp_path / name)
        assert len(list(video)) == 2
        assert video.transparent_frames == (name != "opaque")
        assert video.info.has_alpha == (name == "first")


def test_a_video_with_alpha_is_noticed(tmp_path):
    path = tmp_path / "a.mov"
    with av.open(str(path), "w") as container:
        stream = container.add_stream("prores_ks", rate=25)
        stream.width, stream.height, stream.pix_fmt = 96, 96, "yuva444p10le"
        for index in range(5):
            image = np.dstack([picture(index), np.full((96, 96), 128 if index > 1 else 255, np.uint8)])
            container.mux(stream.encode(av.VideoFrame.from_ndarray(image, format="rgba")))
        container.mux(stream.encode(None))
    video = Video(path)
    assert len(list(video)) == 5
    assert video.transparent_frames == 3


def test_cover_art_is_no_picture_of_a_video(tmp_path):
    path = tmp_path / "a.m4a"
    with av.open(str(path), "w", format="mp4") as container:
        cover = container.add_stream("mjpeg", rate=1)
        cover.width = cover.height = 96
        cover.pix_fmt = "yuvj420p"
        cover.disposition = av.stream.Disposition.attached_pic
        sound = container.add_stream("aac", rate=16000, layout="mono")
        container.mux(cover.encode(av.VideoFrame.from_ndarray(picture(0), format="rgb24")))
        container.mux(cover.encode(None))
        write_sound(container, sound, bursts(16000), 16000)
    with pytest.raises(MediaError, match="no video track"):
        Video(path)
    assert heard_at(path) == pytest.approx(BURSTS, abs=0.02)
