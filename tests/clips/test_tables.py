"""Tables of labels and pairs, as people write them."""

import random
import unicodedata

import pytest

from gmbench.clips import find_clips, match, read_labels, read_pairs
from gmbench.errors import InputError
from gmbench.evaluation.planning import inputs
from tests.clips.trees import touch


def labelled(folder, text, clips=("a.mp4", "b.mp4")):
    table = folder / "labels.csv"
    table.write_text(text, "utf-8")
    given = inputs.gather([str(touch(folder / "ours", *clips))], labels=table)
    return {pair.clip: (pair.speaker, pair.emotion) for pair in given.methods["ours"]}, "\n".join(given.warnings)


def test_labels(tmp_path):
    labels, notes = labelled(tmp_path, "clip,speaker,emotion\na,M003,happy\n")
    assert labels == {"a": ("M003", "happy"), "b": ("", "")}
    assert "1 of 2 clips have no row (b)" in notes
    (tmp_path / "labels.csv").write_text("name\na\n")
    with pytest.raises(InputError, match="column clip is missing"):
        read_labels(tmp_path / "labels.csv")


@pytest.mark.parametrize(
    "row", ["M003/a.mp4", "M003\\a", " M003/a ", "./M003/a", "M003_a", "M003/a.MP4 ", "M003\\a.wav", "M003/a,"]
)
def test_forgiven_spellings(tmp_path, row):
    labels, notes = labelled(tmp_path, f"\ufeff Clip ,EMOTION,Speaker\n{row.rstrip(',')}, happy ,x\n", ["M003/a.mp4"])
    assert labels == {"M003/a": ("x", "happy")}
    assert notes == ""


def test_labels_that_match_nothing_are_said_and_all_of_them_an_error(tmp_path):
    _, notes = labelled(tmp_path, "clip,emotion\na,happy\nbb,sad\n")
    assert "1 row without a clip of that name (bb; did you mean b?)" in notes
    with pytest.raises(InputError, match=r"no row has the name of a clip.*'aa'; did you mean a\?|'aa': did you mean a"):
        labelled(tmp_path, "clip,emotion\naa,happy\nbb,sad\n")


def test_words_for_nothing_are_no_labels(tmp_path):
    labels, notes = labelled(tmp_path, "clip,speaker,emotion\na,nan,None\nb,x,N/A\n")
    assert labels == {"a": ("", ""), "b": ("x", "")}
    assert "1 clip without a speaker (a)" in notes
    assert "2 clips without an emotion (a, b)" in notes


def test_unknown_and_empty_emotions_are_said_with_the_nearest(tmp_path):
    labels, notes = labelled(tmp_path, "clip,emotion\na,joyfull\nb,\n")
    assert labels["a"] == ("", "joyfull")
    assert "emotion 'joyfull' of 1 clip is not known" in notes
    assert "did you mean joy" in notes
    assert "1 clip without an emotion (b)" in notes


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("clip,emotion\na,happy\na.mp4,sad\n", "line 3: clip 'a' has other labels"),
        ("clip,emotion\n", "no rows"),
        ("clip,mood\na,happy\n", "no column speaker or emotion"),
        ("clip,emotion\na,happy,7\n", "3 cells under 2 columns"),
        ("clip,emotion\n,happy\n", "line 2: no clip"),
        ("clip;emotion\na;happy\n", "column clip is missing"),
        ("clip,emotion,emotion\na,happy,sad\n", "stands there twice"),
        ("", "column clip is missing"),
    ],
)
def test_tables_that_cannot_be_right(tmp_path, text, message):
    with pytest.raises(InputError, match=message):
        labelled(tmp_path, text)


def test_a_table_that_is_not_utf8(tmp_path):
    (tmp_path / "labels.csv").write_text("clip,emotion\na,happy\n", "utf-16")
    with pytest.raises(InputError, match="not a readable CSV table in UTF-8"):
        read_labels(tmp_path / "labels.csv")


def test_a_row_for_a_sample_is_no_stray_one(tmp_path):
    labels, notes = labelled(tmp_path, "clip,emotion\na,happy\na@2,happy\n", ["a.mp4", "a@2.mp4"])
    assert (labels, notes) == ({"a": ("", "happy")}, "")


PAIRS = "clip,generated,reference"


def pairs_of(folder, *rows, header=PAIRS):
    touch(folder, "ours/a.mp4", "ours/b.mp4", "real/a.mp4", "real/b.mp4")
    (folder / "pairs.csv").write_text("\n".join([header, *rows]) + "\n")
    return read_pairs(folder / "pairs.csv")


def test_paths_of_pairs_in_any_spelling(tmp_path, monkeypatch):
    monkeypatch.setenv("HOME", str(tmp_path))
    found = pairs_of(tmp_path, "a, ours/a.mp4 ,~/real/a.mp4", f"b,ours\\b.mp4,{tmp_path}/real/b.mp4")
    for pair in found.methods["ours"]:
        assert pair.generated.video.is_file()
        assert pair.reference.video.is_file()
    assert found.notes == ()


def test_a_sound_that_a_table_names_goes_before_the_videos_own(tmp_path):
    touch(tmp_path, "a.wav")
    found = pairs_of(tmp_path, "a,ours/a.mp4,real/a.mp4,a.wav", "b,ours/b.mp4,real/b.mp4,", header=f"{PAIRS},audio")
    named, own = (pair.generated for pair in found.methods["ours"])
    assert (named.audio_first, named.audio) == (True, tmp_path / "a.wav")
    assert (own.audio_first, own.audio) == (False, None)


def test_paths_of_pairs_in_another_unicode_form(tmp_path):
    touch(tmp_path, unicodedata.normalize("NFD", "\u00e9.mp4"))
    found = pairs_of(tmp_path, "a,\u00e9.mp4,real/a.mp4")
    assert found.methods["ours"][0].generated.video.is_file()


def test_files_of_pairs_that_do_not_exist(tmp_path):
    found = pairs_of(tmp_path, "a,ours/a.mp4,real/gone.mp4", "b,ours/b.mp4,real/b.mp4")
    assert found.notes == (f"{tmp_path / 'pairs.csv'}: 1 of 4 files do not exist (line 2: real/gone.mp4)",)
    with pytest.raises(InputError, match=r"no file of column generated exists \(line 2: .*ours/x\.mp4"):
        pairs_of(tmp_path, "a,ours/x.mp4,real/a.mp4")
    with pytest.raises(InputError, match="no file of column reference exists"):
        pairs_of(tmp_path, "a,ours/a.mp4,real/x.mp4")


def test_a_clip_has_one_reference(tmp_path):
    with pytest.raises(InputError, match=r"line 3: clip 'a' has another reference"):
        pairs_of(
            tmp_path, "one,a,ours/a.mp4,real/a.mp4", "two,a,ours/b.mp4,real/b.mp4",
            header="method,clip,generated,reference",
        )  # fmt: skip


def test_a_column_that_is_nearly_known_is_said(tmp_path):
    found = pairs_of(tmp_path, "a,ours/a.mp4,real/a.mp4,sad", header="clip,generated,reference,emotoin")
    assert "column 'emotoin' is not read; did you mean 'emotion'?" in found.notes[0]


def test_pairs_list_their_sounds_themselves(tmp_path):
    pairs_of(tmp_path, "a,ours/a.mp4,real/a.mp4")
    with pytest.raises(InputError, match="--audio"):
        inputs.gather([], pairs=tmp_path / "pairs.csv", audio=tmp_path / "ours")


def test_labels_of_pairs_without_a_reference_stand_with_the_generated_clip(tmp_path):
    pairs, _ = match(find_clips(touch(tmp_path / "g", "happy/a.mp4")), None)
    assert [(pair.speaker, pair.emotion) for pair in pairs] == [("happy", "happy")]


def mutated(text, chance):
    """A table with some bytes changed, put in or taken out."""
    data = bytearray(text.encode())
    for _ in range(chance.randint(1, 6)):
        place = chance.randrange(len(data) + 1)
        byte = chance.choice([0, 10, 13, 34, 44, 46, 47, 59, 92, 126, 200, 255, chance.randrange(256)])
        data[place : place + chance.randint(0, 3)] = bytes([byte] * chance.randint(0, 2))
    return bytes(data)


def test_mutated_tables_are_read_or_refused(tmp_path):
    """Any other exception than InputError fails the test."""
    chance = random.Random(0)
    pairs_of(tmp_path, "a,ours/a.mp4,real/a.mp4")
    folders = {"videos": [str(tmp_path / "ours")], "reference": tmp_path / "real"}
    refused = 0
    for number in range(600):
        labels = bool(number % 2)
        rows = "clip,speaker,emotion\na,M,happy\nb,W,sad\n" if labels else "clip,generated,audio\na,ours/a.mp4,~x.wav\n"
        (tmp_path / "t.csv").write_bytes(mutated(rows, chance))
        try:
            inputs.gather(**folders, labels=tmp_path / "t.csv") if labels else read_pairs(tmp_path / "t.csv")
        except InputError:
            refused += 1
    assert 100 < refused < 600
