"""Ranks of methods over metrics, from rows with chosen values."""

import math

import numpy as np
import pytest

from gmbench.reporting import ranks
from gmbench.reporting.summary import Summary
from tests.reporting.test_tables import rows, table_of


def ranked(*methods, leaders=None):
    """Ranks of methods given as (name, {metric: value or values})."""
    records = table_of(
        *(
            rows(name, metric, np.atleast_1d(values).astype(float))
            for name, found in methods
            for metric, values in found.items()
        )
    )
    return {rank.method: rank for rank in ranks.ranks(Summary.of(records).rows, leaders or {})}


def test_a_method_without_a_value_is_the_last_whatever_is_better():
    nothing = [math.nan, math.nan]
    found = ranked(
        ("a", {"psnr": nothing, "m_lmd": nothing}), ("b", {"psnr": 20, "m_lmd": 3}), ("c", {"psnr": 30, "m_lmd": 2})
    )
    assert {name: (rank.mean, rank.firsts) for name, rank in found.items()} == {"a": (3, 0), "b": (2, 0), "c": (1, 2)}
    assert list(found) == ["c", "b", "a"]
    assert found["a"].incomplete == 2


def test_the_better_side_is_the_metrics_own():
    found = ranked(("a", {"psnr": 30, "m_lmd": 3}), ("b", {"psnr": 20, "m_lmd": 2}))
    assert {name: rank.mean for name, rank in found.items()} == {"a": 1.5, "b": 1.5}
    assert {name: rank.firsts for name, rank in found.items()} == {"a": 1, "b": 1}


def test_ties_share_their_rank_and_nobody_is_first():
    found = ranked(("a", {"psnr": 30}), ("b", {"psnr": 30}), ("c", {"psnr": 20}))
    assert {name: (rank.mean, rank.firsts) for name, rank in found.items()} == {
        "a": (1.5, 0),
        "b": (1.5, 0),
        "c": (3, 0),
    }


def test_a_metric_of_one_method_and_those_without_a_better_side_do_not_count():
    found = ranked(("a", {"psnr": 30, "ssim": 0.9, "div": 5}), ("b", {"psnr": 20, "div": 9}))
    assert {name: rank.metrics for name, rank in found.items()} == {"a": 1, "b": 1}


def test_controls_are_not_ranked_and_do_not_push_others_down():
    found = ranked(("ground_truth", {"psnr": 99}), ("a", {"psnr": 30}), ("b", {"psnr": 20}))
    assert {name: rank.mean for name, rank in found.items()} == {"a": 1, "b": 2}


def test_support_is_counted_for_the_leader():
    found = ranked(
        ("a", {"psnr": 30, "ssim": 1}), ("b", {"psnr": 20, "ssim": 0.5}), leaders={"psnr": "a", "ssim": None}
    )
    assert {name: rank.supported for name, rank in found.items()} == {"a": 1, "b": 0}
    assert found["a"].mean == pytest.approx(1)
