"""Numbers are aggregated once, and every table shows the same ones."""

import json

import numpy as np
import pandas as pd
import pytest

from gmbench.errors import InputError
from gmbench.evaluation.results import aggregate, records
from gmbench.evaluation.scoring import registry
from gmbench.metrics import statistics
from gmbench.reporting import metric_lookup, paper_table_builder, paper_tables
from gmbench.reporting.saved_results import save_results
from gmbench.reporting.summary import Summary
from tests.reporting.test_tables import rows, table_of

HARD = np.random.default_rng(0).normal(20, 4, 24)


@pytest.fixture
def estimates(monkeypatch):
    """How often an interval was bootstrapped."""
    calls = []
    original = statistics.estimate

    def counted(*arguments, **options):
        calls.append(arguments)
        return original(*arguments, **options)

    monkeypatch.setattr(aggregate.statistics, "estimate", counted)
    return calls


def test_saving_aggregates_each_number_once_and_returns_the_new_ones(tmp_path, estimates):
    first = table_of(rows("a", "psnr", HARD), rows("a", "ssim", HARD))
    assert [row.metric for row in save_results(tmp_path, first, {}, None)[0].rows] == ["psnr", "ssim"]
    assert len(estimates) == 2
    estimates.clear()
    (second,) = save_results(tmp_path, table_of(rows("b", "psnr", HARD + 1)), {}, None)
    assert len(estimates) == 3  # the table holds those of both
    assert list(second.rows) == aggregate.rows(table_of(rows("b", "psnr", HARD + 1)))
    text = (tmp_path / "table.md").read_text()
    assert "| a |" in text
    assert "| b | 24 | **" in text
    assert json.loads((tmp_path / "run.json").read_text())["warnings"] == []


def test_records_of_an_earlier_protocol_stay_but_do_not_enter_the_table(tmp_path):
    save_results(tmp_path, table_of(rows("a", "psnr", HARD, protocol_hash="old")), {}, None)
    (new,) = save_results(tmp_path, table_of(rows("b", "psnr", HARD)), {}, None)
    assert new.methods == ["b"]
    assert set(records.read(tmp_path)["method"]) == {"a", "b"}
    assert "| a |" not in (tmp_path / "table.md").read_text()


def test_a_part_of_a_summary_has_the_numbers_of_its_records(estimates):
    table = table_of(rows("a", "psnr", HARD), rows("a", "m_lmd_fb:sketch", HARD), rows("b", "psnr", HARD + 1))
    part = Summary.of(table).only(["m_lmd", "fid"])
    estimates.clear()
    assert part.keys == ["m_lmd_fb:sketch"]
    assert estimates == []
    assert list(part.rows) == aggregate.rows(table[table["metric_name"] == "m_lmd"])


def test_a_paper_table_from_a_summary_is_the_one_from_records():
    table = table_of(rows("eat", "psnr", HARD), rows("gmtalker", "psnr", HARD + 1), rows("gmtalker", "div", HARD))
    form = paper_tables.find("gmtalker-1")
    assert paper_table_builder.build(form, table, summary=Summary.of(table)) == paper_table_builder.build(form, table)


def test_one_summary_per_dataset_and_protocol_and_none_without_records():
    table = table_of(
        rows("a", "psnr", HARD), rows("a", "psnr", HARD, dataset="e"), rows("a", "psnr", HARD, protocol_hash="k")
    )
    assert [(s.rows[0].dataset, s.rows[0].protocol_hash) for s in Summary.per_protocol(table)] == [
        ("d", "h"),
        ("d", "k"),
        ("e", "h"),
    ]
    with pytest.raises(InputError, match="no records to show"):
        Summary.per_protocol(pd.DataFrame(columns=records.SCHEMA.names))


def test_metrics_are_found_with_and_without_the_suffix_of_a_fallback():
    keys = ["unheard_of", "m_lmd_fb:sketch", "psnr"]
    assert metric_lookup.in_declared_order(keys) == ["psnr", "m_lmd_fb:sketch", "unheard_of"]
    for spelling in ("m_lmd", "M-LMD", "M-LMD ↓ [px (eat128)] (fallback: sketch)"):
        assert registry.present_keys([spelling], keys) == ["m_lmd_fb:sketch"]
    assert registry.present_keys(["unheard_of", "picture"], keys) == ["unheard_of", "psnr"]
    assert metric_lookup.fallback_extractors([*keys, "div_fb:a"]) == ["a", "sketch"]
    assert metric_lookup.metric_of("m_lmd_fb:sketch").name == "m_lmd"
    assert metric_lookup.metric_of("unheard_of") is None
    assert metric_lookup.is_default("unheard_of")
