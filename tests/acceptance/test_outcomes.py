"""Tables of acceptance tests: what is met, what is missing, and what only claims."""

import numpy as np
import pytest

from tests.acceptance.command import finish
from tests.acceptance.maths import correlation, rank_correlation, ratio, standard_errors_apart
from tests.acceptance.outcome import Outcome, at_least, at_most, failed, positive, reported, table

NAN = float("nan")


@pytest.mark.parametrize(
    ("row", "value", "holds"),
    [
        (at_least(1, "x", 0.5, 0.5), "0.5", True),
        (at_least(1, "x", [0.2, 0.6], 0.5), "0.4", False),
        (at_most(1, "x", [0.2, NAN, 0.6, 0.4], 0.5), "0.4 (3 of 4)", True),
        (at_most(1, "x", [0.2, NAN, NAN], 0.5), "0.2 (1 of 3)", False),
        (at_least(1, "x", [NAN, NAN], 0.5), "missing (0 of 2)", False),
        (at_most(1, "x", [], 0.5), "missing (0 of 0)", False),
        (at_most(1, "x", NAN, 0.5), "missing", False),
        (positive(1, "x", NAN), "missing", False),
        (reported(1, "x", [1.0, NAN]), "1 (1 of 2)", None),
    ],
)
def test_a_threshold_needs_values_of_half_of_the_films(row, value, holds):
    assert row.holds is holds
    assert f"| {value} |" in table([[row]])


def test_seeds_stand_beside_each_other_and_what_is_missed_ends_the_command(tmp_path, capsys):
    met, missed = at_least(3, "x", 2.0, 1.0), at_least(3, "x", 0.0, 1.0)
    assert finish([[[met], [met]]], tmp_path) == 0
    assert finish([[[met], [missed]]], tmp_path) == 1
    assert "| 3 | x | >= 1 | 2, 0 | 1 of 2 |" in (tmp_path / "table.md").read_text()
    assert "1 of 2" in capsys.readouterr().out


def test_claims_are_counted_and_never_fail():
    rows = [positive(6, "x", -1.0, claim=True), Outcome(6, "y", 1.0)]
    assert not failed(rows)
    assert "0 of 1" in table([rows])
    assert failed([positive(6, "x", -1.0)])


def test_tracks_that_do_not_move_or_are_missing_have_no_correlation():
    moving = np.linspace(0, 1, 9)
    assert correlation(moving, 2 * moving + 1) == pytest.approx(1)
    assert rank_correlation(moving, -(moving**3)) == pytest.approx(-1)
    gap = np.where(np.arange(9) == 4, NAN, moving)
    assert correlation(gap, moving) == pytest.approx(1)
    for other in (np.ones(9), np.full(9, NAN), moving[:2]):
        assert np.isnan(correlation(moving, other))
    assert np.isnan(ratio(1.0, 0.0))


def test_means_are_so_many_standard_errors_apart():
    a, b = np.array([1.0, 2.0, 3.0]), np.array([-1.0, 0.0, 1.0])
    assert standard_errors_apart(a, b) == pytest.approx(2 / np.sqrt(2 / 3))
    assert np.isnan(standard_errors_apart(a, [1.0]))
