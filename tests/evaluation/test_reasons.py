"""Reasons of missing numbers from records with chosen statuses."""

import math

import pytest

from gmbench.evaluation.results.reasons import MissingNumbers, nothing_computed, reasons_of
from tests.reporting.test_tables import rows, table_of


def lacking(method, metric, clip, reason, status="failed", **more):
    return rows(method, metric, [math.nan], clip=clip, status=status, reason=reason, clips_used=0, **more)


def test_reasons_that_differ_in_file_and_number_are_one():
    records = table_of(
        lacking("a", "psnr", "S/x", "ours/S/x.mp4: truncated, 60 of 100 frames"),
        lacking("a", "ssim", "S/x", "ours/S/x.mp4: truncated, 60 of 100 frames"),
        lacking("a", "psnr", "S/y", "ours/S/y.mp4: truncated, 7 of 125 frames"),
        lacking("a", "ssim", "S/y", "ours/S/y.mp4: truncated, 7 of 125 frames"),
        rows("a", "div", [1.0], clip="S/x"),
    )
    reason = "ours/S/x.mp4: truncated, 60 of 100 frames"
    assert reasons_of(records) == [MissingNumbers("a", "failed", reason, ("psnr", "ssim"), ("S/x", "S/y"))]


def test_metrics_that_lack_other_clips_stand_apart():
    records = table_of(
        lacking("a", "corr_onset", "x", "no sound", "undefined"),
        lacking("a", "corr_onset", "y", "no sound", "undefined"),
        lacking("a", "still_ratio", "y", "no sound", "undefined"),
        lacking("b", "still_ratio", "y", "no sound", "undefined"),
    )
    found = [(group.method, group.metrics, group.clips) for group in reasons_of(records)]
    assert found == [
        ("a", ("corr_onset",), ("x", "y")), ("a", ("still_ratio",), ("y",)), ("b", ("still_ratio",), ("y",)),
    ]  # fmt: skip


def test_clips_that_do_not_count_for_a_metric_lack_nothing():
    records = table_of(
        rows("a", "emo_score", [1.0], clip="x"),
        lacking("a", "emo_score", "z", "sad is none of the four", "undefined", clips_expected=0),
    )
    assert reasons_of(records) == []


@pytest.mark.parametrize(
    ("ours", "control", "nothing"),
    [([math.nan], [1.0], True), ([2.0], [math.nan], False), (None, [1.0], False), (None, [math.nan], True)],
)
def test_nothing_is_computed_where_no_method_has_a_number(ours, control, nothing):
    groups = [rows("still", "psnr", control)] + ([] if ours is None else [rows("ours", "psnr", ours)])
    assert nothing_computed(table_of(*groups)) is nothing
