"""What a comparison may claim: few units, many metrics, targets, methods that know the answer."""

import math

import numpy as np
import pytest

from gmbench.methods import dropin
from gmbench.methods.card import MethodCard
from gmbench.reporting import comparisons, oracles, tables
from gmbench.reporting.summary import Summary
from gmbench.reporting.table_formats import render
from tests.reporting.test_tables import rows, table_of

SPREAD = np.random.default_rng(0).normal(0, 1, 40)


def both(metric, difference, n, **changes):
    """Records of a and b on n clips; a is above b by a difference that varies little."""
    base = 20 + SPREAD[:n]
    return [
        *rows("a", metric, base + difference * (1 + SPREAD[::-1][:n] / 10), **changes),
        *rows("b", metric, base, **changes),
    ]


def compared(*groups):
    return {c.metric: c for c in comparisons.compare(table_of(*groups), "a", "b")}


@pytest.mark.parametrize("n", [1, 2, 3, 5])
def test_nothing_is_claimed_from_fewer_than_six_clips(n):
    found = compared(both("psnr", 5.0, n))["psnr"]
    assert (found.better, found.reason) == ("", "too few clips to tell")
    assert found.p >= 2 / 2**n
    table = tables.build(table_of(both("psnr", 5.0, n)))
    assert not any(cell.bold for line in table.body for cell in line)
    assert "Nothing is bold under PSNR: too few clips to tell." in table.notes


def test_six_clips_are_enough_for_one_metric_and_too_few_for_two():
    one = compared(both("psnr", 5.0, 6))["psnr"]
    assert (one.better, one.p, one.p_adjusted) == ("a", 2 / 64, 2 / 64)
    two = compared(both("psnr", 5.0, 6), both("ssim", 5.0, 6))["psnr"]
    assert (two.better, two.reason) == ("", "too few clips to tell for 2 metrics at once")
    assert two.p_adjusted == 4 / 64


def test_many_clips_of_few_speakers_are_few():
    records = both("psnr", 5.0, 40)
    for place, record in enumerate(records):
        record["speaker"] = f"s{place % 4}"
    found = compared(records)["psnr"]
    assert (found.better, found.reason, found.n, found.units) == ("", "too few speakers to tell", 40, 4)


def test_a_metric_that_counts_for_no_clip_is_no_common_clip():
    """As that of an emotion, where no clip has a label."""
    uncounted = both("emo_score", math.nan, 6, clips_expected=0, status="undefined")
    found = compared(both("psnr", 5.0, 6), uncounted)
    assert found["psnr"].better == "a"
    assert (found["emo_score"].n, found["emo_score"].reason) == (0, "no common clip")
    assert "PSNR" in render(tables.build(table_of(both("psnr", 5.0, 6), uncounted)), "md")


def test_metrics_without_a_best_value_are_no_part_of_the_family():
    found = compared(both("psnr", 5.0, 6), both("pcm_chance", 5.0, 6))
    assert found["psnr"].better == "a"
    assert math.isnan(found["pcm_chance"].p_adjusted)
    assert comparisons.remarks(list(found.values())) == ["pcm_chance: has no best value"]


def test_bold_is_what_compare_calls_better():
    """With two methods the table and the comparison are one claim."""
    records = table_of(both("psnr", 0.3, 12), both("ssim", -2.0, 12), both("m_lmd", 0.0, 12))
    better = {c.metric: c.better for c in comparisons.compare(records, "a", "b")}
    leads = Summary.of(records).leads
    assert {key: lead.best for key, lead in leads.items()} == better
    assert better["ssim"] == "b"


def test_closer_to_the_real_clip_is_better_whichever_side():
    real = rows("ground_truth", "cpbd", 20 + SPREAD[:10])
    sharp = rows("a", "cpbd", 25 + SPREAD[:10])
    near = rows("b", "cpbd", 19 + SPREAD[:10])
    found = compared(real, sharp, near)["cpbd"]
    assert (found.better, found.of_distance) == ("b", True)
    assert found.difference == pytest.approx(4.0)
    unknown = compared(sharp, near)["cpbd"]
    assert (unknown.better, unknown.of_distance) == ("", False)
    assert "not known" in unknown.reason


def test_a_number_of_the_whole_set_has_no_test_and_all_its_clips():
    sets = [rows(m, "fid", [v], clip="*", clips_used=30, clips_expected=30) for m, v in (("a", 9.0), ("b", 5.0))]
    found = compared(*sets)["fid"]
    assert (found.difference, found.n, found.better) == (4.0, 30, "")
    assert comparisons.cells(found) == ["fid", "4.000", "–", "–", "30", "–"]


def test_a_method_that_takes_from_the_reference_wins_nothing():
    strong = rows("gmtalker-coefficients", "psnr", 90 + SPREAD[:12])
    records = table_of(both("psnr", 5.0, 12), strong)
    summary = Summary.of(records)
    assert summary.ranked == ["a", "b"]
    assert summary.leads["psnr"].best == "a"
    found = comparisons.compare(records, "gmtalker-coefficients", "b")[0]
    assert found.better == ""
    assert found.reason == "gmtalker-coefficients takes pose, eyes, expression and mouth from the reference"
    for form in ("md", "html"):
        assert "expression and mouth from the reference" in render(tables.build(records), form)
    assert [line[0].text for line in tables.build(records).body] == ["a", "b", "gmtalker-coefficients"]
    assert tables.build(records).blocks == (("Not ranked, takes from the reference", 2),)


def test_what_a_drop_in_declares_stands_in_its_records(tmp_path, monkeypatch):
    """The card lies beside the videos; results keep it, wherever the table is made."""
    folder = tmp_path / "dropin" / "theirs"
    folder.mkdir(parents=True)
    card = (
        "title: Theirs\nemotion_sources: [label]\ndefault_source: label\npose: transfer\neye: none\nemotion: generate\n"
    )
    (folder / dropin.CARD).write_text(card)
    records = table_of(rows("theirs", "psnr", [1.0, 2.0]), rows("b", "psnr", [1.0, 2.0]))
    assert oracles.taken(records) == {}
    monkeypatch.chdir(tmp_path)
    flagged = oracles.with_flags(records, None)
    assert oracles.taken(flagged) == {"theirs": "pose"}
    monkeypatch.chdir("/")
    assert oracles.taken(flagged) == {"theirs": "pose"}
    assert set(flagged[flagged["method"] == "b"]["flags"]) == {""}
    (folder / dropin.CARD).write_text(card + "from_reference: []\n")
    monkeypatch.chdir(tmp_path)
    assert oracles.taken(records) == {}


def test_a_paper_form_has_no_columns_for_machines_twice():
    text = render(tables.build(table_of(both("psnr", 5.0, 12), both("m_lmd_fb:sketch", 5.0, 12))), "csv")
    assert text.splitlines()[0] == (
        "method,clips,psnr,psnr_low,psnr_high,psnr_n,"
        "m_lmd_fb:sketch,m_lmd_fb:sketch_low,m_lmd_fb:sketch_high,m_lmd_fb:sketch_n"
    )
    latex = render(tables.build(table_of(both("m_lmd_fb:sketch", 5.0, 12))), "latex")
    assert "fallback" not in latex.split(r"\midrule")[0].split(r"\toprule")[1]


def test_an_emotion_shown_by_the_scored_clip_itself_is_taken(monkeypatch):
    """A dataset whose rule is 'own' gives the answer to systems that read the emotion from a video."""
    card = MethodCard("m", "M", "trainable", ("video",), "video", "generate", "none", "transfer")
    monkeypatch.setattr(oracles, "card_of", lambda name: card)
    records = table_of(rows("m", "psnr", [1.0, 2.0]))
    assert oracles.taken(oracles.with_flags(records, None)) == {}
    assert oracles.taken(oracles.with_flags(records, None, own_reference=True)) == {"m": "expression"}


def test_no_interval_is_wider_than_values_can_be_apart():
    shares = [100.0, 0.0, 100.0, 0.0]
    found = compared([*rows("a", "acc_emo", shares), *rows("b", "acc_emo", shares[::-1])])["acc_emo"]
    assert -100 <= found.low < 0 < found.high <= 100
