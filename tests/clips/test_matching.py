"""Which generated clip belongs to which reference; sounds of another folder."""

import time
import unicodedata

import pytest

from gmbench.clips import Clip, ClipFolder, find_clips, match
from gmbench.errors import InputError
from gmbench.evaluation.planning import inputs
from tests.clips.trees import touch


def matched(folder, ours, real):
    return match(find_clips(touch(folder / "ours", *ours)), find_clips(touch(folder / "real", *real)))


def partners(pairs):
    return {pair.clip: pair.generated and pair.generated.clip for pair in pairs}


def test_nested_and_flat_names_match(tmp_path):
    pairs, notes = matched(
        tmp_path,
        ["M003_happy_1.mp4", "M003_happy_2.mp4", "extra.mp4"],
        ["M003/happy_1.mp4", "M003/happy_2.mp4", "M003/sad_1.mp4"],
    )
    assert {pair.clip: pair.generated is not None for pair in pairs} == {
        "M003/happy_1": True, "M003/happy_2": True, "M003/sad_1": False,
    }  # fmt: skip
    assert pairs[0].speaker == "M003"
    assert notes == [f"{tmp_path / 'ours'}: extra has no reference and is not scored"]


def test_unicode_forms_match(tmp_path):
    name = "f\u00fcr/\u00e9t\u00e9.mp4"
    nfd, nfc = (unicodedata.normalize(form, name) for form in ("NFD", "NFC"))
    pairs, notes = matched(tmp_path, [nfd.replace("/", "_")], [nfc])
    assert pairs[0].generated is not None
    assert notes == []


def test_one_flat_name_for_two_references_is_refused(tmp_path):
    references = ["M003/happy_1.mp4", "M003_happy/1.mp4"]
    with pytest.raises(InputError, match=r"M003_happy_1.*M003/happy_1.*M003_happy/1"):
        matched(tmp_path, ["M003_happy_1.mp4"], references)
    pairs, _ = matched(tmp_path / "nested", references, references)
    assert partners(pairs) == {"M003/happy_1": "M003/happy_1", "M003_happy/1": "M003_happy/1"}
    pairs, _ = matched(tmp_path / "one", references[:1], references)
    assert partners(pairs) == {"M003/happy_1": "M003/happy_1", "M003_happy/1": None}


def test_two_generated_clips_for_one_reference_are_refused(tmp_path):
    with pytest.raises(InputError, match="both could be clip"):
        matched(tmp_path, ["x/y_z.mp4", "x_y/z.mp4"], ["x_y_z.mp4"])


def test_samples_are_clips_where_the_reference_has_them(tmp_path):
    pairs, _ = matched(tmp_path, ["t.mp4", "t@2.mp4", "t@10.mp4", "t@x.mp4"], ["t.mp4", "t@2.mp4", "t@x.mp4"])
    assert partners(pairs) == {"t": "t", "t@2": "t@2", "t@x": "t@x"}
    assert [clip.clip for clip in pairs[0].samples] == ["t@10"]
    pairs, _ = matched(tmp_path / "b", ["t.mp4", "t@10.mp4", "t@9.mp4"], ["t.mp4"])
    assert [clip.clip for clip in pairs[0].samples] == ["t@9", "t@10"]


def test_a_clip_in_a_kind_of_file_that_is_not_read_says_so(tmp_path):
    pairs, _ = matched(tmp_path, ["a.mp4", "b.heic"], ["a.mp4", "b.mp4"])
    assert pairs[1].generated is None
    assert "b.heic" in pairs[1].reason


@pytest.mark.parametrize("name", ["b", "b.zip", "b.mp4.!ut", "b.npz"])
def test_a_missing_clip_names_the_file_that_is_no_video(tmp_path, name):
    pairs, _ = matched(tmp_path, ["a.mp4", name], ["a.mp4", "b.mp4"])
    assert pairs[1].generated is None
    assert name in pairs[1].reason


@pytest.mark.parametrize("name", ["a b .mp4", "a\u00a0b.mp4", "a\u200b b.mp4", "\ufeffa b.mp4"])
def test_blanks_and_marks_that_nobody_sees_are_forgiven(tmp_path, name):
    pairs, notes = matched(tmp_path, [name], ["a b.mp4"])
    assert pairs[0].generated is not None
    assert notes == []
    _, notes = matched(tmp_path / "other", [name, "c.mp4"], ["c.mp4"])
    assert repr(name.removesuffix(".mp4")) in notes[0]


def test_clips_one_folder_deeper_get_a_hint(tmp_path):
    frames = [f"clip/frames/{n:04d}.png" for n in range(3)]
    with pytest.raises(InputError, match=r"one folder deeper.*clip/frames becomes clip"):
        matched(tmp_path, frames, ["clip.mp4"])
    _, notes = matched(tmp_path / "b", [*frames, "a.mp4"], ["clip.mp4", "a.mp4"])
    assert "one folder deeper" in notes[1]


def gathered(folder, sounds, clips=("a.mp4", "b.mp4")):
    for side in ("ours", "real"):
        touch(folder / side, *clips)
    touch(folder / "s", *sounds)
    return inputs.gather([str(folder / "ours")], reference=folder / "real", audio=folder / "s")


def test_sound_from_another_folder(tmp_path):
    given = gathered(tmp_path, ["M003_a.wav"], ["M003/a.mp4", "M003/b.mp4"])
    first, second = given.methods["ours"]
    assert first.generated.audio.name == first.reference.audio.name == "M003_a.wav"
    assert first.generated.audio_first
    assert second.generated.audio is None
    assert [note for note in given.warnings if "M003/b" in note] == [
        f"{tmp_path / 's'}: no sound for 1 of 2 clips of {tmp_path / side}, their own is used (M003/b)"
        for side in ("real", "ours")
    ]


def test_sounds_that_no_clip_has_are_said(tmp_path):
    given = gathered(tmp_path, ["a.wav", "b.mp4.wav", "c.wav", "x.y@z.wav"], ["a.mp4", "b.mp4", "x.y@z.mp4"])
    assert given.methods["ours"][1].generated.audio.name == "b.mp4.wav"
    assert given.methods["ours"][2].generated.audio.name == "x.y@z.wav"
    assert given.warnings == (f"{tmp_path / 's'}: 1 sound of --audio without a clip of that name (c)",)


def test_no_sound_with_the_name_of_a_clip_is_an_error(tmp_path):
    with pytest.raises(InputError, match=r"'clip_a': known: a, b\)"):
        gathered(tmp_path, ["clip_a.wav", "clip_b.wav"])


def test_a_folder_without_sounds_is_an_error(tmp_path):
    with pytest.raises(InputError, match=r"--audio: .*no sounds found"):
        gathered(tmp_path, ["notes.txt"])


def test_ten_thousand_samples_are_matched_in_seconds(tmp_path):
    names = [f"{n}{mark}" for n in range(3300) for mark in ("", "@1", "@2")]
    ours, real = (ClipFolder(tmp_path, {name: Clip(name, tmp_path) for name in part}) for part in (names, names[::3]))
    start = time.process_time()
    pairs, _ = match(ours, real)
    assert sum(len(pair.samples) for pair in pairs) == 6600
    assert time.process_time() - start < 5
