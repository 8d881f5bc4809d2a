"""Which pictures are frames, and in which order."""

import random

import pytest

from gmbench.errors import MediaError
from gmbench.media import frame_names, image_files, natural_key


def shuffled(names):
    names = list(names)
    random.Random(0).shuffle(names)
    return names


@pytest.mark.parametrize(
    "names",
    [
        [f"{n}.png" for n in range(120)],
        [f"frame_{n}.png" for n in range(120)],
        [f"frame_{n:04d}.JPG" for n in range(120)],
        [f"a1b{n}.png" for n in range(120)],
        [f"clip (12) {n}.tiff" for n in range(1, 30)],
        [f"{n}_t{n * 37 % 11}.png" for n in range(40)],
        [f"shot2.{n}.png" for n in range(120)],
        [f"{n:03d}.png" for n in range(990, 1010)],
        [f"{n}.{'jpg' if n % 2 else 'png'}" for n in range(40)],
        [f"{n / 25:.3f}.png" for n in range(60)],
        [f"t{round(n / 25, 2)}.png" for n in range(60)],
        [f"{'Frame' if n % 2 else 'frame'}{n}.png" for n in range(40)],
        [f"{n:04x}.png" for n in range(40)],
        [f"f_{n:X}.png" for n in range(300)],
        [f"{n * 7919 % 1000 + 1000}_{n}.png" for n in range(40)],
    ],
    ids=lambda names: names[-1],
)
def test_numbered_names_count(names):
    found = frame_names(shuffled(names))
    assert list(found.frames) == names
    assert (found.strays, found.gaps, found.problem) == ((), "", "")


def test_natural_key():
    names = ["b1", "a10", "a2", "A3", "a02x", "10", "9"]
    assert sorted(names, key=natural_key) == ["9", "10", "a2", "a02x", "A3", "a10", "b1"]


@pytest.mark.parametrize("stray", ["source.png", "0005_mask.png", "00 (1).png", "0005.jpg", "ref1.png", "Thumb.PNG"])
def test_stray_pictures_are_left_out(stray):
    names = [f"{n:04d}.png" for n in range(20)]
    found = frame_names(shuffled([*names, stray, ".hidden.png", "notes.txt"]))
    assert list(found.frames) == names
    assert found.strays == (stray,)


@pytest.mark.parametrize(
    ("names", "message"),
    [
        ([f"{n:04d}{end}.png" for n in range(20) for end in ("", "_mask")], r"0000\.png to 0019\.png.*0000_mask\.png"),
        ([f"{n:04d}.{end}" for n in range(20) for end in ("png", "jpg")], r"0000\.\w+ to 0019\.\w+ \(20\) and 0000"),
        ([f"s{s}_{n}.png" for s in (1, 2) for n in range(9)], r"s1_0\.png to s1_8\.png \(9\) and s2_0"),
        ([f"{n:04d}.png" for n in range(20)] + [f"key{n}.png" for n in range(5)], "several series"),
        ([f"{n:04d}.png" for n in range(1, 20)] + ["0.png"], "leading zeros"),
        (["1.png", "01.png", "2.png"], "leading zeros"),
        (["frame.png", *(f"frame ({n}).png" for n in range(2, 12))], r"frame\.png could be the first frame"),
        (["frame.png", *(f"frame{n}.png" for n in range(1, 12))], r"frame\.png could be the first frame"),
        (["a.png", "b.png"], "without numbers"),
        (["0.png", "source.png"], "which are the frames"),
        (["0.png", "1.png", "x.png", "y.png", "z.png"], "which are the frames"),
    ],
)
def test_what_cannot_be_told_is_refused(names, message, tmp_path):
    for name in names:
        (tmp_path / name).write_bytes(b"x")
    with pytest.raises(MediaError, match=message):
        image_files(tmp_path)


def test_a_few_pictures_of_another_series_are_stray():
    names = [f"{n:04d}.png" for n in range(50)]
    found = frame_names([*names, *(f"key{n}.png" for n in range(5))])
    assert (list(found.frames), len(found.strays)) == (names, 5)


@pytest.mark.parametrize(
    ("numbers", "gaps"),
    [
        ([*range(10), *range(20, 30)], "10 numbers absent: 10 to 19"),
        ([1, 2, 4, 5, 6, 9], "3 numbers absent: 3, 7 to 8"),
        (range(5, 50, 5), "numbers go up by 5"),
        ([0, 2, 4, 8, 10], "numbers go up by 2, not evenly"),
        (range(7, 30), ""),
    ],
)
def test_gaps_in_the_numbering_are_said(numbers, gaps):
    assert frame_names([f"f{n}.png" for n in numbers]).gaps == gaps


def test_one_picture_is_one_frame():
    assert frame_names(["a.png"]).frames == ("a.png",)
