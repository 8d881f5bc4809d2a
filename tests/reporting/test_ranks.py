"""Ranks of methods over metrics, from rows with chosen values."""

import math

import numpy as np

from gmbench.reporting import ranks
from gmbench.reporting.summary import Summary
from tests.reporting.test_tables import rows, table_of


def ranked(*methods):
    """Ranks of methods given as (name, {metric: value or values})."""
    records = table_of(
        *(
            rows(name, metric, np.atleast_1d(values).astype(float))
            for name, found in methods
            for metric, values in found.items()
        )
    )
    return {rank.method: rank for rank in ranks.ranks(Summary.of(records))}


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
    spread = np.random.default_rng(0).normal(0, 1, 12)
    found = ranked(
        ("a", {"psnr": 30 + spread, "ssim": spread}), ("b", {"psnr": 20 + spread, "ssim": spread[::-1] - 0.01})
    )
    assert {name: (rank.firsts, rank.supported) for name, rank in found.items()} == {"a": (2, 1), "b": (0, 0)}


def test_a_target_is_missed_on_either_side_and_distance_decides():
    """Sharper than the real clip is not better: 0.5 is 0.1 off, 0.35 is 0.05 off."""
    real = ("ground_truth", {"cpbd": [0.4, 0.4]})
    found = ranked(real, ("sharp", {"cpbd": [0.5, 0.5]}), ("soft", {"cpbd": [0.35, 0.35]}))
    assert {name: rank.mean for name, rank in found.items()} == {"soft": 1, "sharp": 2}
    assert all(rank.metrics == 0 for rank in ranked(("a", {"cpbd": [0.5]}), ("b", {"cpbd": [0.3]})).values())


def test_who_takes_from_the_reference_is_not_ranked():
    found = ranked(
        ("gmtalker-pose", {"psnr": 40}), ("render", {"psnr": 50}), ("gmtalker", {"psnr": 20}), ("b", {"psnr": 10})
    )
    assert {name: rank.mean for name, rank in found.items()} == {"gmtalker": 1, "b": 2}
