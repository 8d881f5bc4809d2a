"""Layouts as people have them: other suffixes, linked folders, what is unpacked elsewhere."""

import json
import os
import shutil

import av
import numpy as np
import pytest
from typer.testing import CliRunner

from gmbench.commands.app import app
from gmbench.datasets import check, readers
from gmbench.datasets.manifest import TEST, TRAIN, ClipRow, Problem
from gmbench.errors import InputError
from gmbench.media import write_video
from tests.clips.trees import touch
from tests.datasets import trees
from tests.media.files import write


def found(name, root):
    result = readers.read(name, root)
    return [row.clip_id.partition("/")[2] for row in result.rows], [(p.kind, p.path) for p in result.problems]


@pytest.mark.parametrize(
    "audio", ["audio/happy/level_1/001.wav", "audio/happy/level_1/001.M4A", "happy/level_1/001.wav"]
)
@pytest.mark.parametrize("front", ["video/front", "front", "M003/front", "tar/video/front"])
def test_mead_as_it_is_unpacked(tmp_path, audio, front):
    touch(tmp_path, f"M003/{front}/happy/level_1/001.MP4", f"M003/{audio}")
    rows = readers.read("mead", tmp_path).rows
    assert [(row.clip_id, row.audio_path) for row in rows] == [("mead/M003/happy/1/001", f"M003/{audio}")]
    assert readers.recognise(tmp_path) == "mead"


def test_mead_says_what_is_absent(tmp_path):
    touch(tmp_path, "M003/video/left_30/happy/level_1/001.mp4", "M003/audio/happy/level_1/001.m4a", "W009/video.tar")
    touch(tmp_path, "M005/front/happy/level_1/001.mp4", "M005/video/front/happy/level_1/001.mp4", "M005/x/notes.txt")
    touch(tmp_path, *(f"M005/audio/happy/level_1/{n:03d}.wav" for n in (1, 2, 3)), "M005/front/happy/level_1/2.heic")
    rows, problems = found("mead", tmp_path)
    assert rows == ["M005/happy/1/001"]
    assert problems == [
        ("missing", "M003"), ("name", "M005/front"), ("missing", "M005/audio/happy/level_1"), ("missing", "W009")
    ]  # fmt: skip
    reasons = {p.path: p.reason for p in readers.read("mead", tmp_path).problems}
    assert "video/left_30" in reasons["M003"]
    assert "video.tar" in reasons["W009"]
    assert reasons["M005/audio/happy/level_1"] == "2 sounds without a video (002, 003)"


def test_hdtf_in_parts_and_links(tmp_path):
    touch(tmp_path / "a", "train/RD_A_0.mp4", "train/RD_A_1.mp4", "test/WDA_B_0.MP4", "test/WDA_B_0.wav")
    assert readers.recognise(tmp_path / "a") == "hdtf"
    rows = readers.read("hdtf", tmp_path / "a").rows
    assert [(row.speaker, row.split) for row in rows] == [("WDA_B", TEST), ("RD_A", TRAIN), ("RD_A", TRAIN)]
    assert rows[0].audio_path == "test/WDA_B_0.wav"
    touch(tmp_path / "elsewhere", "WDA_C_0.mp4", "WDA_C_1.mp4")
    touch(tmp_path / "b", "RD_A_0.mp4")
    os.symlink(tmp_path / "elsewhere", tmp_path / "b" / "more")
    os.symlink(tmp_path / "elsewhere", tmp_path / "b" / "twice")
    rows, problems = found("hdtf", tmp_path / "b")
    assert sorted(rows) == ["RD_A/neutral/0/0", "WDA_C/neutral/0/0", "WDA_C/neutral/0/1"]
    assert problems == [("duplicate", "twice/WDA_C_0.mp4"), ("duplicate", "twice/WDA_C_1.mp4")]
    touch(tmp_path / "c", "train/a.mp4", "train/b.mp4", "train/RD_A_0.mp4")
    assert readers.recognise(tmp_path / "c") == "folder"


def test_voxceleb2_suffixes_and_own_sound(tmp_path):
    for name in ("1.mp4", "2.MP4", "3.mp4"):
        touch(tmp_path, f"test/mp4/id00001/abc/0000{name}")
    touch(tmp_path, "test/aac/id00001/abc/00001.M4A", "test/mp4/id00001/abc/00004.heic")
    write(tmp_path / "sound.mp4", np.arange(5) / 25, audio=np.zeros((1, 3200), np.int16))
    shutil.copy(tmp_path / "sound.mp4", tmp_path / "test/mp4/id00001/abc/00002.MP4")
    rows, problems = found("voxceleb2", tmp_path)
    assert rows == ["id00001/none/0/abc-00001", "id00001/none/0/abc-00002"]
    assert sorted(problems) == [
        ("missing", "test/aac/id00001/abc/00003.m4a"), ("unread", "test/mp4/id00001/abc/00004.heic")
    ]  # fmt: skip
    assert readers.recognise(tmp_path) == "voxceleb2"


def test_voxceleb2_in_the_folders_of_its_archives(tmp_path):
    touch(tmp_path, "vox2_test_mp4/mp4/id00001/abc/00001.mp4", "vox2_test_aac/aac/id00001/abc/00001.m4a")
    row = readers.read("voxceleb2", tmp_path).rows[0]
    assert (row.audio_path, row.split) == ("vox2_test_aac/aac/id00001/abc/00001.m4a", TEST)


def test_a_layout_that_begins_one_folder_below_is_named(tmp_path):
    touch(tmp_path, "MEAD/M003/video/front/happy/level_1/001.mp4", "MEAD/M003/audio/happy/level_1/001.m4a")
    with pytest.raises(InputError, match=r"that of mead begins in .*MEAD: pass this folder"):
        readers.read("mead", tmp_path)
    result = CliRunner().invoke(app, ["data", "check", str(tmp_path)])
    assert "that of mead begins in" in " ".join(result.output.split())


def test_crema_d_passes_over_what_is_no_video(tmp_path):
    touch(tmp_path, "VideoFlash/1001_DFA_ANG_XX.flv", "VideoFlash/.DS_Store", "VideoFlash/readme.txt")
    touch(tmp_path, "AudioWAV/1001_DFA_ANG_XX.WAV", "AudioWAV/1002_DFA_ANG_XX.wav", "VideoFlash/1003_DFA_ANG_XX.swf")
    rows, problems = found("crema_d", tmp_path)
    assert rows == ["1001/angry/0/DFA-XX"]
    assert problems == [("unread", "VideoFlash/1003_DFA_ANG_XX.swf"), ("missing", "AudioWAV")]


def test_plain_folders_say_what_is_left_out(tmp_path):
    touch(tmp_path, "a.mp4", "b.heic", "thumbs/a.png")
    touch(tmp_path / "r", "c.mp4")
    os.symlink(tmp_path / "r", tmp_path / "linked")
    result = readers.read("folder", tmp_path)
    assert [row.video_path for row in result.rows] == ["a.mp4", "linked/c.mp4", "r/c.mp4"]
    text = "\n".join(problem.reason for problem in result.problems)
    assert "b.heic" in text
    assert "thumbs/" in text


def test_a_plain_folder_takes_the_videos_own_sound_first(tmp_path):
    write(tmp_path / "a.mp4", np.arange(5) / 25, audio=np.zeros((1, 3200), np.int16))
    write(tmp_path / "b.mp4", np.arange(5) / 25)
    touch(tmp_path, "a.wav", "b.wav")
    assert [row.audio_path for row in readers.read("folder", tmp_path).rows] == ["", "b.wav"]


@pytest.mark.parametrize(("kind", "stem"), [("hdtf", "RD_A_0"), ("lsp", "lsp1")])
def test_a_video_s_own_sound_goes_before_a_file_beside_it(tmp_path, kind, stem):
    touch(tmp_path, f"{stem}.wav")
    write(tmp_path / f"{stem}.mp4", np.arange(50) / 25)
    assert {row.audio_path for row in readers.read(kind, tmp_path).rows} == {f"{stem}.wav"}
    write(tmp_path / f"{stem}.mp4", np.arange(50) / 25, audio=np.zeros((1, 32000), np.int16))
    assert {row.audio_path for row in readers.read(kind, tmp_path).rows} == {""}


def test_a_long_video_without_sound_is_one_problem(tmp_path):
    write(tmp_path / "lsp1.mp4", np.arange(50) / 25)
    result = check.check("lsp", tmp_path)
    assert [(p.kind, p.path) for p in result.problems] == [("no_audio", "lsp1.mp4")]
    trees.voice(tmp_path / "lsp1.WAV", seconds=2.0)
    rows = check.check("lsp", tmp_path).rows
    assert [(row.split, row.first_frame, row.n_frames) for row in rows] == [(TRAIN, 0, 40), (TEST, 40, 10)]


def damaged(source, target):
    """A copy of a video with noise in the coded pictures 20 to 25."""
    noise = np.random.default_rng(0)
    with av.open(str(source)) as video, av.open(str(target), "w") as copy:
        streams = {stream.index: copy.add_stream_from_template(stream) for stream in video.streams}
        count = 0
        for packet in video.demux():
            if packet.dts is None:
                continue
            if packet.stream.type == "video":
                count += 1
                if 20 <= count < 26:
                    data = bytearray(bytes(packet))
                    data[40:] = noise.integers(0, 255, max(0, len(data) - 40), np.uint8).tobytes()
                    packet.update(bytes(data))
            packet.stream = streams[packet.stream.index]
            copy.mux(packet)


def test_damage_in_the_middle_is_found_on_request_and_the_depth_is_said(tmp_path):
    frames = np.random.default_rng(0).integers(0, 255, (50, 64, 96, 3), np.uint8)
    write_video(tmp_path / "a.mp4", list(frames), trees.sound(2))
    damaged(tmp_path / "a.mp4", tmp_path / "b.mp4")
    shallow, deep = check.check("folder", tmp_path), check.check("folder", tmp_path, deep=True)
    assert [row.video_path for row in shallow.rows] == ["a.mp4", "b.mp4"]
    assert [row.video_path for row in deep.rows] == ["a.mp4"]
    assert [(p.kind, p.path) for p in deep.problems] == [("corrupt", "b.mp4")]
    result = CliRunner().invoke(app, ["data", "check", str(tmp_path), "--deep", "--json"])
    assert json.loads(result.stdout)["rows"][0] == {
        "dataset": "folder", "clips": 1, "problems": {"corrupt": 1}, "deep": True,
    }  # fmt: skip
    assert "the first picture (--deep: all)" in CliRunner().invoke(app, ["data", "check", str(tmp_path)]).stdout


@pytest.mark.parametrize("error", [RuntimeError("codec is open"), PermissionError(1, "Operation not permitted")])
@pytest.mark.parametrize("broken", ["Video", "read_audio"])
def test_whatever_a_decoder_raises_is_the_clips_problem(tmp_path, monkeypatch, error, broken):
    write(tmp_path / "a.mp4", np.arange(5) / 25, audio=np.zeros((1, 3200), np.int16))

    def failing(path):
        raise error

    monkeypatch.setattr(check, broken, failing)
    result = check.check_clip((tmp_path, ClipRow("i", "d", "s", "", 0, "t", "a.mp4", "")))
    assert isinstance(result, Problem)
    assert (result.path, result.kind) == ("a.mp4", "corrupt")
    assert type(error).__name__ in result.reason


def test_frames_without_sound_are_a_problem_of_sound(tmp_path):
    import cv2

    (tmp_path / "c").mkdir()
    for n in range(3):
        cv2.imwrite(str(tmp_path / "c" / f"{n}.png"), np.zeros((8, 8, 3), np.uint8))
    assert [p.kind for p in check.check("folder", tmp_path).problems] == ["no_audio"]
