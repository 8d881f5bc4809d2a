"""Rows and comparisons from records with chosen values."""

import math

import numpy as np
import pytest

from gmbench.evaluation.results import aggregate
from gmbench.reporting import comparisons
from tests.reporting.test_tables import rows, table_of

HARD = np.random.default_rng(0).normal(20, 4, 24)
NOISE = np.random.default_rng(1).normal(0, 3, 24)


def compared(metric, first, second):
    (found,) = comparisons.compare(table_of(rows("a", metric, first), rows("b", metric, second)), "a", "b")
    return found


def test_only_a_supported_difference_has_a_better_method():
    close = compared("psnr", HARD + NOISE, HARD)
    assert close.p > 0.05
    assert close.better == ""
    clear = compared("psnr", HARD + 1 + NOISE / 30, HARD)
    assert clear.p < 0.05
    assert (clear.better, clear.n, clear.expected) == ("a", 24, 24)


@pytest.mark.parametrize(("metric", "better"), [("psnr", "a"), ("m_lmd", "b"), ("div", "")])
def test_the_better_method_is_on_the_metrics_better_side(metric, better):
    found = compared(metric, HARD + 1, HARD)
    assert found.difference == pytest.approx(1)
    assert found.better == better
    assert compared(metric, HARD, HARD + 1).better == {"a": "b", "b": "a", "": ""}[better]


def test_coverage_is_of_the_clips_that_should_have_a_value():
    failed = rows("a", "psnr", [30.0, math.nan, 20.0])
    failed[1] |= {"status": "failed", "clips_used": 0}
    aside = rows("a", "psnr", [math.nan], clip="z", clips_expected=0, clips_used=0, status="undefined")
    (row,) = aggregate.rows(table_of(failed, aside))
    assert (row.value, row.n, row.expected) == (25, 2, 3)


def test_flags_of_all_records_are_gathered_once():
    first, second = rows("a", "psnr", [1.0, 2.0], flags="x y"), rows("a", "psnr", [3.0], clip="z", flags="y")
    (row,) = aggregate.rows(table_of(first, second))
    assert row.flags == "x y"


def test_frames_weigh_the_pooled_mean_alone():
    records = rows("a", "psnr", [10.0, 20.0])
    records[1] |= {"frames_used": 30, "frames_expected": 40}
    (row,) = aggregate.rows(table_of(records))
    assert (row.value, row.pooled, row.frames_used, row.frames_expected) == (15, 17.5, 40, 50)


def emotional(metric, *groups):
    """The row of a metric from clips given as (emotion, values)."""
    records = [rows("a", metric, values, emotion=emotion) for emotion, values in groups]
    for number, group in enumerate(records):
        for record in group:
            record["clip"] += f"-{number}"
    (row,) = aggregate.rows(table_of(*records))
    return row


def test_accuracy_and_its_macro_form_from_a_confusion_matrix():
    """Of 100 happy clips 90 are hit, of 10 sad ones 5: 95 of 110, and the mean of 90 and 50."""
    clips = ("happy", [100.0] * 90 + [0.0] * 10), ("sad", [100.0] * 5 + [0.0] * 5)
    assert emotional("acc_emo", *clips).value == pytest.approx(86.3636, abs=1e-4)
    assert emotional("acc_emo_macro", *clips).value == pytest.approx(70.0)


@pytest.mark.parametrize(("n", "nn", "score"), [(0.4659, 0.4601, 0.46155), (0.7447, 0.0448, 0.219775)])
def test_emo_score_is_a_quarter_neutral_as_in_dice_talks_tables(n, nn, score):
    four = [("neutral", [n]), *((emotion, [nn]) for emotion in ("happy", "surprised", "angry"))]
    assert emotional("emo_score", *four).value == pytest.approx(score)
    assert emotional("emo_neutral", four[0]).value == pytest.approx(n)
    assert emotional("emo_nonneutral", *four[1:]).value == pytest.approx(nn)


def test_emo_score_does_not_see_clip_counts_and_needs_all_four():
    clips = [("neutral", [0.1]), ("happy", [0.2]), ("Surprise", [0.3]), ("angry", [0.4] * 97)]
    assert emotional("emo_score", *clips).value == pytest.approx(0.25)
    missing = emotional("emo_score", *clips[:3])
    assert math.isnan(missing.value)
    assert missing.flags == "classes_missing"


def test_infinite_clips_are_counted_beside_the_mean_of_the_others():
    records = table_of(
        rows("a", "psnr", [math.inf, 20.0, 30.0, math.nan]), rows("b", "psnr", [math.inf, math.inf]),
        rows("c", "psnr", [20.0, 30.0]),
    )  # fmt: skip
    a, b, c = aggregate.rows(records)
    assert (a.value, a.pooled, a.n, a.infinite, a.flags) == (25, 25, 3, 1, "infinite_clips")
    assert (a.low, a.high) == (c.low, c.high)
    assert (b.value, b.n, b.infinite, b.flags) == (math.inf, 2, 2, "")
    assert c.infinite == 0
