"""Ratings of raters: each kind takes its own values and refuses those of another, with line and remedy."""

import re
import textwrap
from pathlib import Path

import pytest

from gmbench.errors import InputError
from gmbench.reporting.user_study import KINDS, read_ratings, study_rows

DOCUMENT = Path(__file__).parents[2] / "docs" / "reporting.md"
HEAD = "rater,clip,method,aspect,value"


def ratings(tmp_path, *lines, head=HEAD):
    path = tmp_path / "ratings.csv"
    path.write_text("\n".join([head, *lines]) + "\n")
    return path


@pytest.mark.parametrize("kind", KINDS)
def test_the_documents_examples_are_read(tmp_path, kind):
    blocks = [
        textwrap.dedent(text) for text in re.findall(r"(?m)^    rater,(?:.*\n)(?:    .*\n)+", DOCUMENT.read_text())
    ]
    path = tmp_path / "ratings.csv"
    path.write_text(blocks[KINDS.index(kind)])
    assert {row.method for row in study_rows(read_ratings(path, kind), kind)} >= {"ours"}


@pytest.mark.parametrize("value", ["4", "2", "0.5", "-1"])
def test_ratings_are_no_votes(tmp_path, value):
    path = ratings(tmp_path, "r1,c1,ours,sync,1", "", f"r1,c1,base,sync,{value}")
    with pytest.raises(InputError, match=rf"ratings.csv, line 4: value '{value}' is no vote.*--kind opinion"):
        read_ratings(path, "preference")


def test_votes_may_be_written_as_decimals_with_blanks(tmp_path):
    path = ratings(tmp_path, "r1, c1, ours , sync, 1.0", "r1,c1,base,sync,0")
    rows = {row.method: row for row in study_rows(read_ratings(path, "preference"), "preference")}
    assert (rows["ours"].value, rows["base"].value) == (100, 0)


@pytest.mark.parametrize(
    ("line", "why"),
    [
        ("r1,c1,ours,sync,good", "value 'good' is no number"),
        ("r1,c1,ours,sync,inf", "value 'inf' is no number"),
        ("r1,c1,ours,sync,", "no value; every rating needs one"),
        ("r1,c1,,sync,4", "no method; every rating needs one"),
        ("r1,c1,ours", "no aspect; every rating needs one"),
    ],
)
def test_a_rating_without_a_number_is_named_by_its_line(tmp_path, line, why):
    with pytest.raises(InputError, match=f"line 3: {why}"):
        read_ratings(ratings(tmp_path, "r0,c1,ours,sync,4", line), "opinion")


def test_emotions_have_many_names_and_are_no_numbers(tmp_path):
    head = f"{HEAD},target"
    path = ratings(tmp_path, "r1,c1,ours,emotion,Happiness,happy", "r2,c1,ours,emotion,sad,happy", head=head)
    (row,) = study_rows(read_ratings(path, "emotion"), "emotion")
    assert row.value == 50
    path = ratings(tmp_path, "r1,c1,ours,emotion,4,happy", head=head)
    with pytest.raises(InputError, match="line 2: value '4' is a number"):
        read_ratings(path, "emotion")
