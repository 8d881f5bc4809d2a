"""Verdicts on margins over seeds: intervals, p-values, Holm's correction, and what is printed of them."""

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from gmbench.methods.card import BETWEEN, EMBEDDINGS, TALKING, TRACKS, ExpectedOrdering
from gmbench.stages import verdicts
from gmbench.stages.verdicts import difference_over_seeds


def test_the_interval_and_p_are_those_of_a_paired_t_test():
    gains = np.random.default_rng(1).normal(0.4, 1.0, 7)
    found, reference = difference_over_seeds(gains), stats.ttest_1samp(gains, 0.0)
    interval = reference.confidence_interval(0.95)
    assert (found.low, found.high, found.p) == pytest.approx((interval.low, interval.high, reference.pvalue))
    assert (found.p < 0.05) == (found.verdict != "not resolved")


def test_the_verdict_is_where_the_interval_lies():
    assert difference_over_seeds(np.array([4.0, 5.0, 6.0])).verdict == "resolved"
    assert difference_over_seeds(np.array([-4.0, -5.0, -6.0])).verdict == "reversed"
    assert difference_over_seeds(np.array([1.0, 5.0, 9.0])).verdict == "not resolved"  # two standard errors
    assert difference_over_seeds(np.array([5.0])).verdict == "not resolved"
    assert difference_over_seeds(np.array([np.nan, 1.0])).verdict == "no value"
    assert difference_over_seeds(np.array([])).verdict == "no value"
    assert difference_over_seeds(np.array([2.0, 2.0])).verdict == "resolved"
    assert difference_over_seeds(np.zeros(3)).verdict == "not resolved"


def test_without_a_difference_one_in_twenty_is_resolved_or_reversed():
    rng = np.random.default_rng(0)
    for seeds in (2, 3, 5):
        found = [difference_over_seeds(rng.normal(0, 1, seeds)).verdict for _ in range(2000)]
        assert 0.03 < np.mean([verdict != "not resolved" for verdict in found]) < 0.07, seeds


def _records(values):
    """Clip means by (method, metric)."""
    rows = [
        {
            "method": method, "dataset": "d", "clip": "c", "metric": metric, "metric_name": metric, "value": value,
            "status": "ok", "reason": "", "flags": "", "frames_used": 1, "frames_expected": 1, "clips_used": 1,
            "clips_expected": 1, "protocol": "full", "protocol_hash": "h", "backend": "official", "speaker": "",
            "emotion": "", "weights_sha256": "", "metric_version": 1, "generated_sha256": "", "reference_sha256": "",
            "generated_size": "", "reference_size": "", "reference_value": np.nan,
        }
        for (method, metric), value in values.items()
    ]  # fmt: skip
    return pd.DataFrame(rows)


def test_a_lower_value_is_better_where_the_metric_says_so():
    values = {(f"{way}-s{seed}", "e_ppl"): base + 0.1 * seed for way, base in (("blend", 1.0), ("label", 2.0))
              for seed in range(3)}  # fmt: skip
    ordering = ExpectedOrdering("e_ppl", ("blend", "label"), "III", BETWEEN)
    (found,) = verdicts.verdicts_of(ordering, [_records(values)], "gmtalker", 3)
    assert (found.margin, found.verdict) == (pytest.approx(1.0), "resolved")
    assert found.values[1] == pytest.approx((1.1, 2.1))


def test_columns_name_shared_networks_sequences_and_tracks():
    shared = ExpectedOrdering("acc_emo", ("", "wo_gm"), "V", "pose", shared=("one_head",))
    assert verdicts.column(shared, "gmtalker", "wo_gm", 2) == "gmtalker-wo_gm-one_head-pose-s2"
    tracks = ExpectedOrdering("div", ("", "wo_flow"), "VI", TRACKS)
    assert verdicts.column(tracks, "gmtalker", "", 0) == "gmtalker"
    assert verdicts.column(ExpectedOrdering("sync_c", ("a", "b"), "III", TALKING), "x", "a", 1) == "a-talking-s1"


def test_fewer_seeds_where_an_ordering_says_so():
    values = {(f"gmtalker{ablation}{seed}", "psnr"): 1.0 for ablation in ("", "-wo_gm") for seed in ("", "-s1", "-s2")}
    ordering = ExpectedOrdering("psnr", ("", "wo_gm"), "V", most_seeds=3)
    (found,) = verdicts.verdicts_of(ordering, [_records(values)], "gmtalker", 5)
    assert len(found.values) == 3
    assert found.verdict == "not resolved"


def _verdict(p, verdict="resolved", method="gmtalker"):
    return verdicts.Verdict("psnr", "V", "", "wo_gm", 1.0, 0.1, 1.9, p, ((2.0, 1.0),) * 5, verdict, method=method)


def test_holms_correction_counts_all_verdicts_with_a_value(tmp_path):
    lacking = verdicts.without_value(ExpectedOrdering("acc_emo", ("", "a", "b"), "V"), "no labels", "edtalk")
    found = verdicts.corrected([_verdict(0.01), _verdict(0.03), *lacking, _verdict(0.6, "not resolved")])
    assert [v.holm for v in found[:2]] == pytest.approx([0.03, 0.06])
    assert [v.reason for v in found[2:4]] == ["no labels"] * 2
    assert "excludes zero in 2 of 3; 1 of these stay below p = 0.05 after Holm's correction" in verdicts.summary(found)
    text = verdicts.markdown(found)
    assert "| gmtalker | psnr | V | own | full | wo_gm | 1.000 | 0.100 to 1.900 | 5 | 0.01 | 0.03 | resolved |" in text
    assert "| edtalk | acc_emo | V | own | a | b |" in text
    assert text.count("| no value (1) |") == 2
    assert text.endswith("\n\n1. no labels\n")


def test_seeds_at_which_a_system_cannot_be_trained_are_left_out():
    values = {(f"dicetalk{name}{seed}", "psnr"): value for name, value in (("", 2.0), ("-wo_bank", 1.0))
              for seed in ("", "-s1", "-s2")}  # fmt: skip
    ordering = ExpectedOrdering("psnr", ("", "wo_bank", "wo_prior"), "4")
    untrained = {"dicetalk-s2": "no seed 2", "dicetalk-wo_prior": "no prior"}
    untrained |= {f"dicetalk-wo_prior-s{seed}": "no prior" for seed in (1, 2)}
    first, second = verdicts.verdicts_of(ordering, [_records(values)], "dicetalk", 3, untrained)
    assert (first.margin, len(first.values), first.reason) == (1.0, 2, "2 of 3 seeds: no seed 2")
    assert (second.verdict, second.reason, second.values) == ("no value", "no prior", ())
    (alone, _) = verdicts.verdicts_of(ordering, [_records(values)], "dicetalk", 3, untrained | {"dicetalk-s1": "no"})
    assert (alone.verdict, alone.reason) == ("not resolved", "1 of 3 seeds, so no interval: no")
    assert "None of 2 claims has an interval" in verdicts.summary([alone, second])


def test_measures_that_are_no_metrics_say_themselves_what_is_better():
    values = {(f"flowvqtalker{name}{seed}", "nats"): value for name, value in (("", 0.5), ("-gmm", 0.75))
              for seed in ("", "-s1")}  # fmt: skip
    for lower, margin in ((True, 0.25), (False, -0.25)):
        ordering = ExpectedOrdering("nats", ("", "gmm"), "Fig 6", TRACKS, lower=lower)
        (found,) = verdicts.verdicts_of(ordering, [_records(values)], "flowvqtalker", 2)
        assert found.margin == margin


def test_what_a_system_reads_clips_by_belongs_to_the_full_system():
    ordering = ExpectedOrdering("d_cls", ("both", "face"), "5", EMBEDDINGS)
    assert verdicts.column(ordering, "dicetalk", "both", 1) == "both-s1"
    assert verdicts.trained(ordering, "dicetalk", "both", 1) == "dicetalk-s1"
    drives = ExpectedOrdering("m_lmd", ("video", "pose-reference"), "1")
    assert verdicts.trained(drives, "edtalk", "pose-reference", 1) == "edtalk-s1"
    values = {("both-s0", "d_cls"): 2.0, ("face-s0", "d_cls"): 1.5}
    (found,) = verdicts.verdicts_of(ordering, [_records(values)], "dicetalk", 2, {"dicetalk-s1": "one seed came"})
    assert (found.margin, found.reason) == (0.5, "1 of 2 seeds, so no interval: one seed came")


def test_verdicts_of_all_methods_are_read_and_corrected_together(tmp_path):
    from dataclasses import asdict

    from gmbench.stages.pipeline_run import write_json

    assert verdicts.read_verdicts(tmp_path) == []
    for method, p in (("gmtalker", 0.01), ("edtalk", 0.02)):
        found = verdicts.corrected([_verdict(p, method=method)])
        write_json(tmp_path / method / verdicts.FILE, {"seeds": 5, "verdicts": [asdict(v) for v in found]})
    expected = verdicts.corrected([_verdict(0.02, method="edtalk"), _verdict(0.01)])
    assert verdicts.read_verdicts(tmp_path) == expected
    assert [v.holm for v in expected] == pytest.approx([0.02, 0.02])
