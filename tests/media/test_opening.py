"""Whatever is wrong with a file is said in one kind of error that names it."""

import numpy as np
import pytest

from gmbench.errors import MediaError
from gmbench.media import Video, has_audio, read_audio
from tests.media.clips import clip, copy, same_frames

RAISED = [
    RuntimeError("Cannot change thread_count after codec is open."), PermissionError(1, "Operation not permitted"),
    MemoryError(), EOFError(), ValueError("odd"), OSError(5, "Input/output error"), IndexError(), OverflowError(),
]  # fmt: skip


@pytest.mark.parametrize("error", RAISED, ids=lambda error: type(error).__name__)
@pytest.mark.parametrize("place", ["open", "demux"])
def test_every_exception_of_the_decoder_is_a_media_error(tmp_path, monkeypatch, error, place):
    import av

    path = clip(tmp_path / "a.mp4", 10, sound="aac")

    def fail(*_, **__):
        raise error

    if place == "open":
        monkeypatch.setattr(av, "open", fail)
    else:
        monkeypatch.setattr("gmbench.media.tracks._read_packets", fail)
    for read in (Video, read_audio):
        with pytest.raises(MediaError, match=r"a\.mp4") as raised:
            read(path)
        assert "not permitted" not in str(raised.value)
    if place == "open":
        assert not has_audio(path)


@pytest.mark.parametrize(
    ("name", "sound", "message"),
    [
        ("a.webm", "libopus", "truncated"), ("a.mkv", "aac", "truncated"), ("a.flv", "aac", "truncated"),
        ("a.mp4", "aac", r"index \(moov\) is absent"),
    ],
)  # fmt: skip
@pytest.mark.parametrize("share", [0.4, 0.6, 0.8])
def test_files_cut_short_are_called_truncated(tmp_path, name, sound, message, share):
    codec = "libvpx-vp9" if name.endswith("webm") else "libx264"
    path = clip(tmp_path / name, sound=sound, rate=48000, codec=codec)
    path.write_bytes(path.read_bytes()[: int(share * path.stat().st_size)])
    with pytest.raises(MediaError, match=message) as error:
        list(Video(path))
    assert "not permitted" not in str(error.value)


def test_a_recording_without_length_or_index_reads(tmp_path):
    """As browsers write WebM: to a stream that cannot go back."""
    source = clip(tmp_path / "source.webm", codec="libvpx", sound="libopus", rate=48000)
    live = copy(source, tmp_path / "live.webm", live="1")
    assert same_frames(source, live)


def test_packets_without_stamps_and_pictures_cut_off_are_left_out(tmp_path):
    """The second part of an HEVC video with open groups begins with pictures that need the first part."""
    known = "log-level=error:open-gop=1:keyint=25:min-keyint=25:bframes=4:scenecut=0"
    whole = _hevc(tmp_path / "whole.mp4", known)
    keys = []

    def second(packet, number):
        if packet.is_keyframe:
            keys.append(number)
        return packet if len(keys) == 2 else None

    part = copy(whole, tmp_path / "part.mkv", second)
    frames = list(Video(part))
    assert 20 <= len(frames) <= 25
    expected = list(Video(whole))
    start = int(np.argmin([np.abs(f.astype(int) - frames[0]).mean() for f in expected]))
    assert start == 25
    assert all(map(np.array_equal, frames, expected[start:]))


def _hevc(path, options):
    import av

    from tests.media.clips import picture

    with av.open(str(path), "w") as container:
        stream = container.add_stream("libx265", rate=25, options={"x265-params": options, "crf": "10"})
        stream.width = stream.height = 96
        stream.pix_fmt = "yuv420p"
        for index in range(50):
            container.mux(stream.encode(av.VideoFrame.from_ndarray(picture(index), format="rgb24")))
        container.mux(stream.encode(None))
    return path


def test_a_file_that_begins_between_key_frames_is_refused(tmp_path):
    source = clip(tmp_path / "source.mp4", b_frames=0)
    part = copy(source, tmp_path / "part.mkv", lambda packet, number: packet if number >= 5 else None)
    with pytest.raises(MediaError, match=r"part\.mkv"):
        list(Video(part))


@pytest.mark.parametrize(("b_frames", "lost"), [(0, 20), (0, 44), (2, 1)])
@pytest.mark.parametrize("name", ["part.mp4", "part.ts", "part.mkv"])
def test_a_lost_picture_that_others_refer_to_is_counted_as_damage(tmp_path, name, b_frames, lost):
    source = clip(tmp_path / "source.mp4", b_frames=b_frames)
    part = copy(source, tmp_path / name, lambda packet, number: None if number == lost else packet)
    video = Video(part)
    assert len(list(video)) == 50
    assert 0 < video.corrupt_frames <= 5
    counted = video.corrupt_frames
    assert len(list(video)) == 50  # a second reading counts anew
    assert video.corrupt_frames == counted
    whole = Video(source)
    list(whole)
    assert whole.corrupt_frames == 0


def test_concealed_noise_is_counted_and_refused_above_a_share(tmp_path):
    source = clip(tmp_path / "source.mp4", 100, b_frames=0)
    rng = np.random.default_rng(0)

    def noisy(numbers):
        import av

        def change(packet, number):
            if number not in numbers or packet.size < 100:
                return packet
            data = bytearray(bytes(packet))
            data[40:] = rng.integers(0, 256, len(data) - 40, dtype=np.uint8).tobytes()
            other = av.Packet(bytes(data))
            other.pts, other.dts, other.time_base, other.stream = (
                packet.pts,
                packet.dts,
                packet.time_base,
                packet.stream,
            )
            return other

        return change

    few = Video(copy(source, tmp_path / "few.mp4", noisy(range(50, 54))))
    assert len(list(few)) == 100
    assert 0 < few.corrupt_frames <= 10
    many = copy(source, tmp_path / "many.mp4", noisy(range(20, 80)))
    with pytest.raises(MediaError, match=r"many\.mp4"):
        list(Video(many))


@pytest.mark.parametrize(("name", "codec"), [("a.gif", "gif"), ("a.mpg", "mpeg2video"), ("a.avi", "mpeg4")])
def test_what_a_decoder_reports_is_counted_as_damage(tmp_path, name, codec):
    source = clip(tmp_path / name, 50, codec=codec)
    data = bytearray(source.read_bytes())
    middle = len(data) // 2
    data[middle : middle + 300] = np.random.default_rng(5).bytes(300)
    damaged = tmp_path / f"damaged{source.suffix}"
    damaged.write_bytes(data)
    video, whole = Video(damaged), Video(source)
    list(video), list(whole)
    assert (video.corrupt_frames > 0, whole.corrupt_frames) == (True, 0)
