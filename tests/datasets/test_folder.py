"""Any folder of videos: who speaks, with which emotion, and what each clip is for."""

import shutil

import pytest

from gmbench.datasets import readers
from gmbench.datasets.manifest import unlabelled_as_neutral
from gmbench.errors import InputError
from tests.datasets import trees

LETTERS = {"train": "r", "tune": "u", "test": "e", "held_out": "h"}


@pytest.fixture(scope="module")
def videos(tmp_path_factory):
    """Videos of 1, 3, 12 and 40 s."""
    folder = tmp_path_factory.mktemp("videos")
    made = {}
    for seconds in (1, 3, 12, 40):
        made[seconds] = trees.clip(folder, seconds).rename(folder / f"{seconds}.mp4")
    return made


@pytest.fixture
def put(tmp_path, videos):
    """Puts copies of the video of a length at paths of a folder ``anna``."""

    def copy(seconds, *names):
        for name in names:
            path = tmp_path / "anna" / f"{name}.mp4"
            path.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(videos[seconds], path)
        return tmp_path / "anna"

    return copy


def _splits(root):
    rows = readers.read("folder", root).rows
    return "".join(LETTERS[row.split] for row in sorted(rows, key=lambda row: (len(row.sentence), row.sentence)))


@pytest.mark.parametrize(
    ("name", "speaker", "emotion"),
    [
        ("bea/happy/a", "bea", "happy"), ("happy/bea/a", "bea", "happy"), ("happy/a", "anna", "happy"),
        ("bea/a-sad 2", "bea", "sad"), ("bea/2/a", "bea", ""), ("solo_angry", "solo_angry", "angry"),
        ("bea/sad_happy", "bea", ""),
    ],
)  # fmt: skip
def test_folders_and_names_say_speaker_and_emotion(put, name, speaker, emotion):
    (row,) = readers.read("folder", put(1, name)).rows
    assert (row.speaker, row.emotion) == (speaker, emotion)


def test_the_only_video_of_a_person_is_cut_in_time(put):
    rows = readers.read("folder", put(40, "bea/talk")).rows
    assert [(r.split, r.first_frame, r.n_frames) for r in rows] == [
        ("train", 0, 700), ("tune", 700, 100), ("test", 800, 200)
    ]  # fmt: skip
    assert len({row.clip_id for row in rows}) == 3


@pytest.mark.parametrize(
    ("seconds", "count", "expected"), [(3, 6, "e" * 6), (12, 2, "re"), (3, 10, "rrrrrrruee"), (12, 3, "rre")]
)
def test_of_several_videos_the_last_in_time_test(put, seconds, count, expected):
    assert _splits(put(seconds, *(f"bea/{n}" for n in range(1, count + 1)))) == expected


def test_every_emotion_is_split_by_itself_and_something_always_tests(put):
    put(3, *(f"bea/happy/{n}" for n in range(4)))
    rows = readers.read("folder", put(12, "bea/sad/0", "bea/sad/1")).rows
    assert {(row.emotion, row.split) for row in rows} >= {(e, s) for e in ("happy", "sad") for s in ("train", "test")}
    shutil.rmtree(
        put(3, *(f"cid/{e}/0" for e in ("angry", "fear", "happy", "sad", "neutral", "surprised", "con"))) / "bea"
    )
    rows = readers.read("folder", put(3, "cid/dis/0")).rows
    assert sorted(row.split for row in rows) == ["test"] + ["train"] * 7


def test_a_table_overrides_the_rule(put):
    root = put(3, *(f"bea/{n}" for n in range(1, 10)))
    (root / "splits.csv").write_text("clip,split,emotion,level\nbea/1.mp4,test,,\nbea/2,,joy,3\nbea/[34],held_out,,\n")
    rows = {row.sentence: row for row in readers.read("folder", root).rows}
    assert rows["bea-1"].split == "test"
    assert (rows["bea-2"].emotion, rows["bea-2"].level, rows["bea-2"].clip_id) == (
        "happy", 3, "folder/bea/happy/3/bea-2"
    )  # fmt: skip
    assert rows["bea-3"].split == rows["bea-4"].split == "held_out"
    assert unlabelled_as_neutral(rows.values())[0].emotion == "neutral"
    assert [row.emotion for row in unlabelled_as_neutral([rows["bea-1"]])] == [""]


@pytest.mark.parametrize(
    ("row", "message"),
    [
        ("bea/1,tain,,", "split 'tain' is unknown; did you mean train?"),
        ("bea/1,train,hapy,", "emotion 'hapy' is unknown; did you mean happy"),
        ("bea/1,train,,4", "level '4'; expected 1 to 3"),
        ("bea/1,train,,\nbea/1,test,,", "line 3: 'bea/1' stands there twice"),
    ],
)
def test_what_a_table_says_wrongly_is_refused(put, row, message):
    root = put(1, "bea/1")
    (root / "splits.csv").write_text(f"clip,split,emotion,level\n{row}\n")
    with pytest.raises(InputError, match=message):
        readers.read("folder", root)


def test_rows_of_a_table_without_a_clip_are_named(put):
    root = put(1, "bea/1")
    (root / "splits.csv").write_text("clip,splits\nbea/1,train\nbea/7,train\n")
    reasons = [problem.reason for problem in readers.read("folder", root).problems]
    assert any("did you mean 'split'" in reason for reason in reasons)
    assert "1 row without a clip (bea/7)" in reasons
