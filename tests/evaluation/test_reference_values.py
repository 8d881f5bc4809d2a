"""The real clip's own value stands in records of metrics whose best value it is, with or without a control."""

import math

import numpy as np
import pytest

from gmbench.evaluation import protocol
from gmbench.evaluation.comparison import compare
from gmbench.evaluation.planning.inputs import gather
from gmbench.evaluation.results import records
from gmbench.reporting import comparisons
from gmbench.reporting.summary import Summary

METRICS = ["psnr", "cpbd", "div", "corr_onset"]


@pytest.fixture(scope="module")
def table(sketches, tmp_path_factory):
    inputs = gather([f"near={sketches / 'near'}", f"far={sketches / 'far'}"], [], sketches / "reference")
    chosen = protocol.load("full", landmarks="sidecar")
    return compare(inputs, chosen, METRICS, ["ground_truth"], store=tmp_path_factory.mktemp("store")).records


def test_it_is_the_value_of_the_ground_truth_row(table):
    real = table[table["method"] == "ground_truth"].set_index(["clip", "metric"])["value"]
    checked = 0
    for row in table[table["method"] == "near"].itertuples():
        if row.metric_name == "psnr":
            assert math.isnan(row.reference_value)
        elif not math.isnan(real[row.clip, row.metric]):
            assert row.reference_value == real[row.clip, row.metric]
            checked += 1
    assert checked >= 6


def test_distances_do_not_need_the_control(table):
    with_control = {c.metric: c for c in comparisons.compare(table, "near", "far")}
    alone = {c.metric: c for c in comparisons.compare(table[table["method"] != "ground_truth"], "near", "far")}
    assert alone["cpbd"].of_distance
    assert alone["cpbd"].difference == with_control["cpbd"].difference < 0
    rows = {(row.method, row.metric): row for row in Summary.of(table).rows}
    gap = table[(table["method"] == "near") & (table["metric"] == "cpbd")]
    expected = np.abs(gap["value"] - gap["reference_value"]).mean()
    assert rows["near", "cpbd"].distance == pytest.approx(expected)
    assert rows["near", "psnr"].distance is None


def test_records_of_an_earlier_version_lack_the_column(table, tmp_path):
    records.write(tmp_path / records.FILE, table)
    old = records.read(tmp_path).drop(columns="reference_value")
    old.to_parquet(tmp_path / "old.parquet")
    assert records.read(tmp_path / "old.parquet")["reference_value"].isna().all()
