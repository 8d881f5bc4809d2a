"""The one call from inputs to records: what it chooses where nothing is named, and what it passes on."""

import pytest

from gmbench.errors import CoverageError, InputError
from gmbench.evaluation import comparison, validate
from gmbench.evaluation.comparison import compare, plan_comparison, require_coverage
from gmbench.evaluation.planning.inputs import Inputs, gather
from gmbench.evaluation.results import aggregate, records
from gmbench.evaluation.run import evaluate
from tests.evaluation.helpers import protocol


@pytest.fixture
def inputs(sketches):
    return gather([f"near={sketches / 'near'}"], reference=sketches / "reference", dataset="sketch")


def names(plan):
    return [metric.name for metric in plan.metrics]


def test_the_protocols_metrics_are_taken_where_none_is_named(inputs):
    chosen = protocol().model_copy(update={"metrics": ("ssim",)})
    assert names(plan_comparison(inputs, chosen)) == ["ssim"]
    assert names(plan_comparison(inputs, chosen, ["psnr"])) == ["psnr"]
    assert {"psnr", "ssim", "m_lmd"} <= set(names(plan_comparison(inputs, protocol())))


def test_without_references_default_metrics_need_none_and_others_are_refused(sketches):
    alone = gather([str(sketches / "near")])
    planned = plan_comparison(alone, protocol())
    assert "psnr" not in names(planned)
    assert "for want of a reference (--reference DIR): psnr, ssim" in planned.warnings[0]
    assert plan_comparison(alone, protocol(), ["cpbd"]).warnings == ()
    with pytest.raises(InputError, match="pass --reference"):
        plan_comparison(alone, protocol(), ["psnr"])


def test_warnings_of_the_inputs_stand_before_those_of_the_plan(inputs):
    noted = Inputs(inputs.methods, inputs.references, inputs.dataset, ("a clip has no reference",))
    warnings = plan_comparison(noted, protocol(), ["psnr"], ["wrong_emotion", "still"]).warnings
    assert warnings[0] == "a clip has no reference"
    assert "wrong_emotion left out" in warnings[1]


def test_all_stands_for_every_control(inputs):
    methods = {clip.method for clip in plan_comparison(inputs, protocol(), ["psnr"], ["all"]).clips}
    assert methods == {"near", "ground_truth", "still", "blur", "reencode", "late_audio", "shuffled_audio"}


def test_the_plan_is_shown_before_the_work_and_the_records_are_those_of_its_evaluation(inputs, tmp_path):
    seen = []
    result = compare(
        inputs,
        protocol(),
        ["psnr"],
        ["ground_truth"],
        store=tmp_path / "one",
        on_plan=lambda plan: seen.append(("plan", len(plan.clips))),
        progress=lambda done, total: seen.append((done, total)),
    )
    assert seen[0] == ("plan", 12)
    assert seen[-1] == (6, 6)
    assert result.records.equals(evaluate(result.plan, tmp_path / "two"))
    assert result.rows == aggregate.rows(result.records)
    assert {row.method for row in result.rows} == {"near", "ground_truth"}


def test_sequences_are_scored_alone_where_no_clips_are_given(tmp_path, monkeypatch):
    asked = []

    def score(methods, dataset, chosen):
        asked.append((methods, dataset, chosen.name))
        return records.frame([])

    monkeypatch.setattr(comparison, "score_sequences", score)
    result = compare(Inputs({}, (), "between"), protocol(), sequences={"mine": tmp_path})
    assert asked == [({"mine": tmp_path}, "between", protocol().name)]
    assert result.plan is None
    assert result.records.empty
    with pytest.raises(InputError, match="nothing to evaluate"):
        compare(Inputs({}, (), "between"), protocol(), ["cpbd"])


def test_coverage_below_the_least_is_refused_with_the_worst_number(inputs, tmp_path):
    rows = compare(inputs, protocol(), ["psnr"], store=tmp_path).rows
    require_coverage(rows, 1.0)
    with pytest.raises(CoverageError, match=r"1 numbers below the least coverage of 1.5, .* psnr of near: 6 of 6"):
        require_coverage(rows, 1.5)


def test_validation_corrupts_only_references_and_reports_the_chosen_corruptions(inputs, tmp_path):
    plans = []
    result = validate.validate(
        inputs,
        protocol(),
        ["psnr"],
        validate.chosen(["blur"]),
        2,
        store=tmp_path,
        on_plan=plans.append,
    )
    assert plans == [result.plan]
    assert len(result.plan.clips) == 2
    assert set(result.records["method"]) == {"unchanged", "blur=1", "blur=2", "blur=4"}
    assert [(curve.metric, curve.corruption, curve.strict) for curve in result.curves] == [("psnr", "blur", True)]
