"""Which clips train and which test: every rule by itself, on rows alone."""

import pytest

from gmbench.datasets import splits
from gmbench.datasets.manifest import HELD_OUT, OTHER, TEST, TRAIN, TUNE, ClipRow


def row(speaker, emotion="angry", level=3, sentence="001"):
    return ClipRow(f"{speaker}/{emotion}/{level}/{sentence}", "d", speaker, emotion, level, sentence, "v", "a")


def split_of(rows):
    return {found.clip_id: found.split for found in rows}


@pytest.mark.parametrize(
    ("clip", "expected"),
    [
        (row("M003", "angry", 3, "026"), TEST),
        (row("M003", "angry", 2, "026"), HELD_OUT),
        (row("M003", "angry", 1, "026"), HELD_OUT),
        (row("M003", "angry", 3, "001"), TRAIN),
        (row("W009", "neutral", 1, "001"), TRAIN),
        (row("M009", "angry", 3, "026"), TRAIN),
        (row("W011", "happy", 1, "004"), TRAIN),
        (row("M005", "angry", 3, "026"), OTHER),
    ],
)
def test_mead(clip, expected):
    assert splits.mead_eat([clip])[0].split == expected


def test_neutral_is_tested_at_its_only_level():
    number = next(n for s, e, n in sorted(splits.eat_list()) if (s, e) == ("M030", "neutral"))
    found = splits.mead_eat([row("M030", "neutral", level, number) for level in (1, 2, 3)])
    assert [r.split for r in found] == [TEST, HELD_OUT, HELD_OUT]


def test_the_last_sentences_are_those_with_the_highest_names():
    rows = [row("a", sentence=f"{n:03d}") for n in (4, 1, 5, 2, 3)] + [row("a", "sad", sentence="009")]
    found = split_of(splits.last_sentences(rows, 2))
    assert [key for key, split in found.items() if split == TEST] == ["a/angry/3/004", "a/angry/3/005"]
    assert found["a/sad/3/009"] == TRAIN


@pytest.mark.parametrize(("count", "tests"), [(1, 1), (3, 3), (5, 4), (9, 4)])
def test_one_sentence_always_trains(count, tests):
    found = splits.last_sentences([row("a", sentence=f"{n:03d}") for n in range(5)], count)
    assert [r.split == TEST for r in found] == [False] * (5 - tests) + [True] * tests
    assert found[0].split == TRAIN


def test_people_and_levels_are_split_apart():
    rows = [row(s, level=level, sentence=f"{n:03d}") for s in "ab" for level in (1, 2) for n in range(2)]
    found = splits.last_sentences(rows, 1)
    assert [r.split for r in found] == [TRAIN, TEST] * 4
    assert [r.clip_id for r in found] == [r.clip_id for r in rows]


ACTORS = [str(a) for a in range(1001, 1021)]


def crema(sexes, actors=ACTORS):
    rows = [row(actor, sentence=sentence) for actor in actors for sentence in ("DFA", "TSI-LO", "WSI")]
    found = splits.crema(rows, sexes)
    return {
        split: sorted({r.speaker for r in found if r.split == split}) for split in (TRAIN, TEST, HELD_OUT, OTHER)
    }, found


def test_crema_takes_five_of_each_sex_of_the_last_fifteen():
    """Of 1006 to 1020 the first nine are women: five of these and five of the six men."""
    people, found = crema({a: "Female" if int(a) < 1015 else "Male" for a in ACTORS})
    assert people[HELD_OUT] == ACTORS[:5]
    assert people[TEST] == people[TRAIN] == [str(a) for a in (*range(1006, 1011), *range(1015, 1020))]
    assert people[OTHER] == [str(a) for a in (*range(1011, 1015), 1020)]
    assert {r.sentence: r.split for r in found if r.speaker == "1006"} == {"DFA": TRAIN, "TSI-LO": TEST, "WSI": TEST}


def test_crema_without_sexes_takes_the_ten_lowest_of_the_fifteen():
    people, _ = crema({})
    assert people[TEST] == ACTORS[5:15]
    assert people[OTHER] == ACTORS[15:]
    assert people[HELD_OUT] == ACTORS[:5]


def test_crema_with_some_sexes_takes_those_without_as_a_third_kind():
    people, _ = crema(dict.fromkeys(ACTORS[5:12], "Male"))
    assert people[TEST] == [*ACTORS[5:10], *ACTORS[12:17]]


def test_mead_chooses_recipes_on_the_highest_number_that_is_not_tested():
    numbers = [f"{n:03d}" for n in range(20, 27)]  # 026 is on the list
    rows = [row("M003", "angry", level, number) for level in (1, 2, 3) for number in numbers]
    found = split_of(splits.mead_eat([*rows, row("M003", "angry", 1, "030"), row("M009", "angry", 3, "001")]))
    assert [key for key, split in found.items() if split == TUNE] == ["M003/angry/3/025"]
    assert found["M003/angry/1/025"] == found["M003/angry/2/025"] == HELD_OUT
    assert found["M003/angry/1/030"] == found["M003/angry/3/024"] == found["M009/angry/3/001"] == TRAIN


@pytest.mark.parametrize(
    ("takes", "expected"),
    [(1, "r"), (2, "re"), (3, "rre"), (4, "rrue"), (5, "rrrue")],
)
def test_a_take_before_the_last_chooses_recipes_where_two_train(takes, expected):
    found = splits.last_sentences([row("a", sentence=f"{n:03d}") for n in range(takes)])
    assert "".join({TRAIN: "r", TUNE: "u", TEST: "e"}[r.split] for r in found) == expected


@pytest.mark.parametrize("frames", [30, 499, 500, 4501])
def test_parts_of_a_sequence_follow_each_other_to_its_end(frames):
    parts = splits.of_sequence(frames)
    assert [split for split, _, _ in parts] == ([TRAIN, TUNE, TEST] if frames >= 500 else [TRAIN, TEST])
    ends = [first + count for _, first, count in parts]
    assert [0, *ends] == [*[first for _, first, _ in parts], frames]
    assert parts[-1][1] == int(0.8 * frames)
    assert frames < 500 or parts[1][2] == frames // 10


def test_crema_chooses_recipes_on_a_sentence_of_its_own():
    rows = [row("1001", sentence=sentence) for sentence in ("DFA", "ITS", "ITS-HI", "TSI")]
    assert [r.split for r in splits.crema(rows, {})] == [TRAIN, TUNE, TUNE, TEST]
