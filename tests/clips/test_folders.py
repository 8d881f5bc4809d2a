"""What is a clip below a folder, and what is said of the rest."""

import os
import time
import unicodedata

import pytest

from gmbench.clips import find_clips
from gmbench.errors import InputError
from tests.clips.trees import touch


def numbered(folder, count=3):
    return [f"{folder}/{n:04d}.png" for n in range(count)]


def notes(folder):
    return "\n".join(find_clips(folder).beside(()).notes)


def test_videos_sound_landmarks_and_frames_of_one_clip_come_together(tmp_path):
    touch(tmp_path, "M003/a.mp4", "M003/a.wav", "M003/a.landmarks.npz", "M003/b.mov", "M003/.hidden.mp4", "x.txt")
    touch(tmp_path, *numbered("W009/c"), "W009/c.wav", *numbered("W009/d"), "W009/d/audio.wav", "M003/._a.mp4")
    found = find_clips(tmp_path)
    assert list(found.clips) == ["M003/a", "M003/b", "W009/c", "W009/d"]
    assert found.clips["M003/a"].audio.name == "a.wav"
    assert found.clips["M003/a"].landmarks.name == "a.landmarks.npz"
    assert found.clips["W009/c"].video.is_dir()
    assert found.clips["W009/c"].audio.name == "c.wav"
    assert found.clips["W009/d"].audio.name == "audio.wav"
    assert found.clips["W009/c"].speaker == "W009"
    assert found.notes == ()


def test_suffixes_in_any_case_and_doubled_ones(tmp_path):
    touch(tmp_path, "a.MP4", "a.WAV", "b.Mkv", "b.mp4.wav", "c/1.PNG", "c/2.Png", "b.mp4.landmarks.npz", "d.mp4 ")
    found = find_clips(tmp_path).clips
    assert list(found) == ["a", "b", "c", "d"]
    assert found["a"].audio.name == "a.WAV"
    assert (found["b"].audio.name, found["b"].landmarks.name) == ("b.mp4.wav", "b.mp4.landmarks.npz")


def test_linked_folders_are_followed_and_loops_are_not(tmp_path):
    touch(tmp_path / "r", "M003/a.mp4")
    touch(tmp_path / "elsewhere", "b.mp4")
    os.symlink(tmp_path / "r" / "M003", tmp_path / "r" / "W009")
    os.symlink(tmp_path / "elsewhere", tmp_path / "r" / "W011")
    os.symlink(tmp_path / "r", tmp_path / "r" / "M003" / "up")
    os.symlink(tmp_path / "r" / "self", tmp_path / "r" / "self")
    found = find_clips(tmp_path / "r")
    assert list(found.clips) == ["M003/a", "W009/a", "W011/b"]
    assert "(M003/up, W009/up): a link to a folder that it lies in" in "\n".join(found.notes)


def test_folders_full_of_links_to_each_other_end(tmp_path):
    touch(tmp_path, *(f"{name}/{name}.mp4" for name in "abcdefgh"))
    for one in "abcdefgh":
        for other in set("abcdefgh") - {one}:
            os.symlink(tmp_path / other, tmp_path / one / f"to_{other}")
    found = find_clips(tmp_path)
    assert {"a/a", "a/to_b/b", "h/to_a/a"} <= found.clips.keys()
    assert "a link inside of 4 linked folders" in "\n".join(found.notes)


def test_broken_links_are_named(tmp_path):
    touch(tmp_path, "a.mp4")
    os.symlink(tmp_path / "gone", tmp_path / "M003")
    os.symlink(tmp_path / "gone.mp4", tmp_path / "b.mp4")
    found = find_clips(tmp_path)
    assert list(found.clips) == ["a", "b"]  # opening b says what is wrong with it
    assert "M003" in found.notes[0]
    assert "leads nowhere" in found.notes[0]


def test_media_that_are_not_read_are_named_once(tmp_path):
    touch(tmp_path, "a.mp4", "b.mp4.part", "c.heic", "x/d.HEIC", "e.heic", "f.avif", "notes.txt", "b.mp4.json")
    os.mkfifo(tmp_path / "g.mp4")
    said = notes(tmp_path).splitlines()
    assert sum("heic" in line for line in said) == 1
    text = "\n".join(said)
    assert "3 entries not read (c.heic, e.heic, x/d.HEIC)" in text
    assert "b.mp4.part" in text
    assert "f.avif" in text
    assert "g.mp4" in text
    assert "json" not in text
    assert "txt" not in text


def test_names_that_are_no_text_are_named_and_left_out(tmp_path):
    touch(tmp_path, "a.mp4")
    (tmp_path / os.fsdecode(b"caf\xe9.mp4")).write_bytes(b"x")
    (tmp_path / os.fsdecode(b"M\xe9")).mkdir()
    found = find_clips(tmp_path)
    assert list(found.clips) == ["a"]
    assert "2 entries not read (caf\\udce9.mp4, M\\udce9): a name with bytes that are no UTF-8" in found.notes[0]


def test_nothing_but_what_is_not_read(tmp_path):
    touch(tmp_path / "a", "b.heic")
    with pytest.raises(InputError, match=r"no videos found.*b\.heic"):
        find_clips(tmp_path / "a")
    touch(tmp_path / "clip", "0000.png", "0001.png")
    with pytest.raises(InputError, match="pass the folder above"):
        find_clips(tmp_path / "clip")


def test_one_name_in_two_unicode_forms_is_one_clip(tmp_path):
    name = "f\u00fcr.mp4"
    touch(tmp_path / "a", unicodedata.normalize("NFD", name))
    assert list(find_clips(tmp_path / "a").clips) == ["f\u00fcr"]
    touch(tmp_path / "a", unicodedata.normalize("NFC", name))
    with pytest.raises(InputError, match="keep one of them"):
        find_clips(tmp_path / "a")


@pytest.mark.parametrize(
    "pictures",
    [
        ["thumbs/a.png"], ["thumbs/a.png", "thumbs/b.png"], ["thumbs/001.png", "thumbs/002.png"], ["b/cover.jpg"],
        ["thumbs/001_t.png", "thumbs/002_t.png"], ["thumbs/a-1.png", "thumbs/b1.png"],
        [f"all/a_{n:04d}.png" for n in range(3)],
        [f"c/mask/{n:04d}.png" for n in range(3)],
    ],
)  # fmt: skip
def test_folders_with_pictures_beside_videos_are_no_clips(tmp_path, pictures):
    touch(tmp_path, "a.mp4", "001.mp4", "002.mp4", "b/x.mp4", *numbered("c"))
    os.remove(tmp_path / "b" / "x.mp4")
    touch(tmp_path, *pictures)
    found = find_clips(tmp_path)
    folder = pictures[0].rpartition("/")[0]
    assert sorted(found.clips) == ["001", "002", "a", "c"]
    assert list(found.doubtful) == [folder]
    assert f"left out ({folder}/)" in found.beside(()).notes[-1]


def test_a_still_is_a_clip_where_the_other_side_has_it(tmp_path):
    touch(tmp_path / "ours", "a.mp4", "b/0.png", "thumbs/a.png")
    touch(tmp_path / "real", "a.mp4", "b.mp4")
    ours, real = find_clips(tmp_path / "ours"), find_clips(tmp_path / "real")
    assert list(ours.beside([real]).clips) == ["a", "b"]
    assert "(thumbs/)" in ours.beside([real]).notes[0]
    touch(tmp_path / "ours", "a/thumb.png")
    assert find_clips(tmp_path / "ours").beside([real]).clips["a"].video.name == "a.mp4"
    touch(tmp_path / "stills", "a/0.png", "b/0.png")
    assert list(find_clips(tmp_path / "stills").clips) == ["a", "b"]  # there is nothing else


def test_what_is_odd_among_frames_is_said(tmp_path):
    touch(tmp_path, *numbered("a", 9), "a/source.png", "a/preview.gif", *numbered("b", 9), *numbered("c", 9))
    os.remove(tmp_path / "b/0004.png")
    said = notes(tmp_path)
    assert "1 picture outside of the numbered frames left out (a/source.png)" in said
    assert "1 animation among frames not used (a/preview.gif)" in said
    assert "b: 1 number absent: 4" in said
    assert list(find_clips(tmp_path).clips) == ["a", "b", "c"]


def test_files_beside_the_videos_that_belong_to_none(tmp_path):
    touch(tmp_path, "a.mp4", "a.m4a", "a.wav", "gone.landmarks.npz", "poster.png")
    said = notes(tmp_path)
    assert "a.wav before a.m4a" in said
    assert find_clips(tmp_path).clips["a"].audio.name == "a.wav"
    assert "1 landmark file without a clip of that name (gone.landmarks.npz)" in said
    assert "1 picture beside videos not used (poster.png)" in said


def test_a_folder_that_cannot_be_opened_is_named(tmp_path, monkeypatch):
    touch(tmp_path, "a.mp4", "M003/b.mp4")
    original = os.scandir

    def refusing(path):
        if str(path).endswith("M003"):
            raise PermissionError(13, "Permission denied")
        return original(path)

    monkeypatch.setattr(os, "scandir", refusing)
    assert "M003): a folder that cannot be opened (Permission denied)" in notes(tmp_path)


def test_finding_takes_time_in_proportion_to_the_clips(tmp_path):
    def seconds(count):
        folder = touch(tmp_path / str(count), *(f"s{n % 20}/{n}@{k}.mp4" for n in range(count // 2) for k in "12"))
        start = time.process_time()
        assert len(find_clips(folder).clips) == count
        return time.process_time() - start

    assert seconds(1200) < 10 * seconds(300) + 0.5
