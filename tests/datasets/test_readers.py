import json

import pytest
from typer.testing import CliRunner

from gmbench.commands.app import app
from gmbench.corpus import lexicon, performance
from gmbench.datasets import crema_d, manifest, readers, splits
from gmbench.datasets import mead as mead_layout
from gmbench.datasets.check import check
from gmbench.datasets.manifest import HELD_OUT, OTHER, TEST, TRAIN, ClipRow
from gmbench.emotions import SUITE_ORDER
from gmbench.errors import InputError
from tests.datasets import trees


@pytest.fixture(scope="module")
def source(tmp_path_factory):
    folder = tmp_path_factory.mktemp("source")
    return trees.clip(folder), trees.voice(folder / "voice.m4a")


def mead(root, source, clips):
    video, voice = source
    for speaker, emotion, level, number in clips:
        tail = f"{emotion}/level_{level}/{number}"
        trees.put(video, root / speaker / "video" / "front" / f"{tail}.mp4")
        trees.put(voice, root / speaker / "audio" / f"{tail}.m4a")


def test_every_dataset_has_the_suites_emotions_in_the_suites_order():
    for item in readers.DATASETS.built_in.values():
        assert [name for name in SUITE_ORDER if name in item.emotions] == list(item.emotions), item.name
    assert readers.dataset("mead").emotions == readers.dataset("synth").emotions == SUITE_ORDER
    assert set(lexicon.EMOTION_WORDS) == set(SUITE_ORDER)
    assert {name for pair in performance.PAIRS.items() for name in pair} == set(SUITE_ORDER)


@pytest.mark.parametrize(
    ("path", "expected"),
    [
        ("M003/video/front/angry/level_3/026.mp4", ("M003", "angry", 3, "026")),
        ("W009/video/front/neutral/level_1/031.mp4", ("W009", "neutral", 1, "031")),
    ],
)
def test_mead_paths(path, expected):
    assert mead_layout.parse_mead(path) == expected


@pytest.mark.parametrize(
    "path",
    [
        "M03/video/front/angry/level_3/026.mp4", "M003/video/front/anger/level_3/026.mp4",
        "M003/video/left_30/angry/level_3/026.mp4", "M003/video/front/neutral/level_2/001.mp4",
        "M003/video/front/angry/level_4/026.mp4", "M003/video/front/angry/level_3/26.mp4",
    ],
)  # fmt: skip
def test_malformed_mead_paths_are_refused(path):
    with pytest.raises(InputError, match=path.split("/")[0]):
        mead_layout.parse_mead(path)


@pytest.mark.parametrize(
    ("stem", "expected"),
    [("1001_DFA_ANG_XX", ("1001", "DFA", "angry", 0)), ("1091_IEO_SAD_HI", ("1091", "IEO", "sad", 3))],
)
def test_crema_names(stem, expected):
    assert crema_d.parse_crema(stem) == expected


@pytest.mark.parametrize(
    "stem", ["1001_DFA_ANG", "1001_XXX_ANG_XX", "1001_DFA_CON_XX", "101_DFA_ANG_XX", "1001_DFA_ANG_YY"]
)
def test_malformed_crema_names_are_refused(stem):
    with pytest.raises(InputError, match="1001_DFA_ANG_XX"):
        crema_d.parse_crema(stem)


def test_the_eat_list_has_its_hundred_clips():
    listed = splits.eat_list()
    counts = {who: sum(s == who for s, _, _ in listed) for who in ("M003", "M030", "W009", "W015")}
    assert counts == {"M003": 19, "M030": 29, "W009": 23, "W015": 29}
    assert len(listed) == 100


def test_no_listed_clip_trains_at_any_level():
    rows = [
        ClipRow(f"{s}/{e}/{level}/{n}", "mead", s, e, level, n, "v", "a")
        for s, e, n in sorted(splits.eat_list())
        for level in ((1,) if e == "neutral" else (1, 2, 3))
    ]
    rows += [
        ClipRow("x", "mead", "M003", "angry", 3, "001", "v", "a"),
        ClipRow("y", "mead", "M031", "angry", 3, "026", "v", "a"),
    ]
    found = splits.mead_eat(rows)
    assert [row.split for row in found[-2:]] == [TRAIN, OTHER]
    assert sum(row.split == TEST for row in found) == 100
    assert {row.split for row in found[:-2]} == {TEST, HELD_OUT}


def test_the_last_sentences_of_each_emotion_are_held_out_and_one_stays():
    rows = [ClipRow(f"n{n}", "synth", "M003", "neutral", 1, f"{n:03d}", "v", "a") for n in range(1, 5)]
    rows += [
        ClipRow(f"a{n}", "synth", "M003", "angry", level, f"{n:03d}", "v", "a") for level in (1, 2) for n in (1, 2)
    ]
    rows += [ClipRow("s1", "synth", "W004", "sad", 2, "001", "v", "a")]
    test = [row.clip_id for row in splits.last_sentences(rows, 2) if row.split == TEST]
    assert test == ["n3", "n4", "a2", "a2"]


def test_mead_is_read_and_its_traps_reported(tmp_path, source):
    mead(tmp_path, source, [("M003", "angry", 3, "026"), ("M003", "angry", 3, "001"), ("W011", "happy", 2, "004")])
    trees.put(source[0], tmp_path / "M003/video/front/sad/level_1/001.mp4")  # no sound
    trees.put(source[0], tmp_path / "M003/video/front/anger/level_1/001.mp4")  # misspelt
    trees.put(source[0], tmp_path / "M003/video/left_30/angry/level_3/026.mp4")  # another view
    found = readers.read("mead", tmp_path)
    assert {row.clip_id: row.split for row in found.rows} == {
        "mead/M003/angry/3/001": TRAIN, "mead/M003/angry/3/026": TEST, "mead/W011/happy/2/004": TRAIN,
    }  # fmt: skip
    assert sorted(p.kind for p in found.problems) == ["missing", "name"]


def test_crema_is_read_with_its_splits(tmp_path, source):
    actors = range(1001, 1021)
    for actor in actors:
        for sentence in ("DFA", "TSI"):
            stem = f"{actor}_{sentence}_ANG_XX"
            trees.put(source[0], tmp_path / "VideoFlash" / f"{stem}.flv")
            trees.put(source[1], tmp_path / "AudioWAV" / f"{stem}.wav")
    lines = ["ActorID,Age,Sex"] + [f"{a},30,{'Male' if a % 2 else 'Female'}" for a in actors]
    (tmp_path / "VideoDemographics.csv").write_text("\n".join(lines))
    rows = readers.read("crema_d", tmp_path).rows
    by_split = {s: sorted({r.speaker for r in rows if r.split == s}) for s in (TRAIN, TEST, HELD_OUT, OTHER)}
    assert by_split[HELD_OUT] == [str(a) for a in range(1001, 1006)]
    assert by_split[TRAIN] == by_split[TEST] == [str(a) for a in range(1006, 1016)]
    assert all(row.sentence.startswith("TSI") for row in rows if row.split == TEST)


def test_sequences_are_split_in_time(tmp_path, source):
    trees.put(source[0], tmp_path / "lsp1.mp4")
    trees.put(source[1], tmp_path / "lsp1.wav")
    first, second = readers.read("lsp", tmp_path).rows
    assert (first.first_frame, first.n_frames, first.split) == (0, 24, TRAIN)
    assert (second.first_frame, second.n_frames, second.split) == (24, 6, TEST)


def test_hdtf_and_voxceleb2_are_read(tmp_path, source):
    trees.put(
        source[0], tmp_path / "hdtf/WDA_Someone_000.mp4", tmp_path / "hdtf/WDA_Someone_001.mp4", tmp_path / "hdtf/x.mp4"
    )
    found = readers.read("hdtf", tmp_path / "hdtf")
    assert [(row.speaker, row.split) for row in found.rows] == [("WDA_Someone", TRAIN), ("WDA_Someone", TEST)]
    assert [p.kind for p in found.problems] == ["name"]
    vox = tmp_path / "vox"
    trees.put(source[0], vox / "dev/mp4/id00001/abc/00001.mp4", vox / "test/mp4/id00002/abc/00007.mp4")
    trees.put(source[1], vox / "dev/aac/id00001/abc/00001.m4a", vox / "test/aac/id00002/abc/00007.m4a")
    rows = readers.read("voxceleb2", vox).rows
    assert [(row.speaker, row.sentence, row.split) for row in rows] == [
        ("id00001", "abc-00001", TRAIN),
        ("id00002", "abc-00007", TEST),
    ]


def test_layouts_are_recognised(tmp_path, source):
    mead(tmp_path / "m", source, [("M003", "angry", 3, "026")])
    trees.put(
        source[0],
        tmp_path / "c/VideoFlash/a.flv",
        tmp_path / "h/RD_x_000.mp4",
        tmp_path / "f/any.mp4",
        tmp_path / "l/lsp1.mp4",
    )
    trees.put(source[0], tmp_path / "v/mp4/id00001/abc/00001.mp4")
    names = {"m": "mead", "c": "crema_d", "h": "hdtf", "f": "folder", "l": "lsp", "v": "voxceleb2"}
    assert {key: readers.recognise(tmp_path / key) for key in names} == names


def test_checking_finds_everything_that_is_wrong(tmp_path, source):
    clips = [("M003", "angry", 3, f"{n:03d}") for n in range(1, 8)]
    mead(tmp_path, source, clips)
    base = "M003/{}/angry/level_3/{:03d}.{}"
    (tmp_path / base.format("video/front", 2, "mp4")).write_bytes(trees.LFS)
    (tmp_path / base.format("video/front", 3, "mp4")).write_bytes(source[0].read_bytes()[:900])
    trees.voice(tmp_path / base.format("audio", 4, "m4a"), level=0)
    trees.voice(tmp_path / base.format("audio", 5, "m4a"), seconds=2.0)
    (tmp_path / base.format("audio", 6, "m4a")).write_bytes(b"")
    report = check("mead", tmp_path)
    assert [row.sentence for row in report.rows] == ["001", "007"]
    assert all(row.n_frames == 30 for row in report.rows)
    assert report.counts() == {"corrupt": 2, "length": 1, "lfs_pointer": 1, "silent": 1}


def test_the_command_prints_it_and_fails_on_nothing(tmp_path, source):
    mead(tmp_path / "good", source, [("M003", "angry", 3, "001")])
    trees.put(source[0], tmp_path / "good/M003/video/front/sad/level_1/001.mp4")
    result = CliRunner().invoke(app, ["data", "check", str(tmp_path / "good"), "--json"])
    assert result.exit_code == 0
    rows = json.loads(result.stdout)["rows"]
    assert rows[0] == {"dataset": "mead", "clips": 1, "problems": {"missing": 1}, "deep": False}
    assert "sad" in rows[1]["path"]


@pytest.mark.parametrize("name", [n for n in readers.DATASETS.built_in if n not in ("folder",)])
def test_absent_data_names_whom_to_ask(tmp_path, name):
    with pytest.raises(InputError, match=readers.dataset(name).obtain.split(" ")[0]):
        readers.read(name, tmp_path / "absent")
    with pytest.raises(InputError, match="nothing in the layout"):
        readers.read(name, tmp_path)


def test_a_manifest_is_read_as_it_was_written(tmp_path):
    rows = [
        ClipRow("a/b/c/1/2", "a", "b", "happy", 1, "2", "v.mp4", "", 3, 4, TEST),
        ClipRow("a/b/c/1/1", "a", "b", "", 0, "1", "w", "x"),
    ]
    manifest.write(rows, tmp_path / "m.parquet")
    assert manifest.read(tmp_path / "m.parquet") == sorted(rows, key=lambda row: row.clip_id)
    with pytest.raises(InputError, match="run the ingest stage"):
        manifest.read(tmp_path / "none.parquet")
