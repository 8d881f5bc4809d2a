"""A few frames of a clip by either reader: the pixels of reading it whole."""

import sys

import numpy as np
import pytest

from gmbench.errors import InputError, PackageError
from gmbench.media import Video, encode_video, few_frames
from tests.media import clips as moving


@pytest.fixture(scope="module")
def clip(tmp_path_factory):
    """60 frames that differ, with key frames between them."""
    frames = np.random.default_rng(0).integers(0, 256, (60, 6, 8, 3)).repeat(8, 1).repeat(8, 2).astype(np.uint8)
    path = tmp_path_factory.mktemp("few") / "clip.mp4"
    path.write_bytes(encode_video(iter(frames), None))
    return path


def _needed(reader):
    """Skip where the reader's package is not here, or torchcodec finds no FFmpeg."""
    if reader in ("decord", "torchcodec"):
        pytest.importorskip(
            f"{reader}.decoders" if reader == "torchcodec" else reader, exc_type=(ImportError, RuntimeError)
        )


@pytest.mark.parametrize("reader", ["pyav", "decord", "torchcodec"])
@pytest.mark.parametrize("wanted", [[0], [59], [5, 3, 3, 40], []])
def test_the_pixels_are_those_of_the_whole_clip(clip, reader, wanted):
    _needed(reader)
    whole = np.stack(list(Video(clip)))
    found = few_frames(Video(clip), wanted, reader)
    assert found.shape == (len(wanted), 48, 64, 3)
    np.testing.assert_array_equal(found, whole[wanted])


def test_decord_is_asked_where_the_environment_says_so(clip, monkeypatch):
    decord = pytest.importorskip("decord")
    opened = []
    original = decord.VideoReader
    monkeypatch.setattr(
        decord, "VideoReader", lambda *given, **named: opened.append(given) or original(*given, **named)
    )
    few_frames(Video(clip), [1])
    assert not opened
    monkeypatch.setenv("GMBENCH_READER", "decord")
    few_frames(Video(clip), [1])
    assert len(opened) == 1


@pytest.mark.parametrize("reader", ["decord", "torchcodec"])
def test_frames_at_another_rate_are_found_by_their_time(tmp_path, reader):
    _needed(reader)
    path = moving.clip(tmp_path / "fifty.mp4", fps=50)
    video = Video(path)
    wanted = [0, video.info.frames // 2, video.info.frames - 1]
    np.testing.assert_array_equal(few_frames(video, wanted, reader), np.stack(list(Video(path)))[wanted])


def test_a_reader_that_cannot_be_loaded_is_named(clip, monkeypatch):
    monkeypatch.setitem(sys.modules, "torchcodec.decoders", None)
    with pytest.raises(PackageError, match=r"torchcodec .*read with pyav"):
        few_frames(Video(clip), [0], "torchcodec")


@pytest.mark.parametrize(
    ("wanted", "reader", "message"), [([60], "pyav", "from 0 to 59"), ([0], "av", "unknown reader")]
)
def test_mistakes_are_named(clip, wanted, reader, message):
    with pytest.raises(InputError, match=message):
        few_frames(Video(clip), wanted, reader)
