"""What ``gmbench ablate`` can measure on a dataset, found out before it trains, and what it then runs."""

from dataclasses import dataclass, replace

import pytest
import yaml

from gmbench import config, plugins
from gmbench.datasets import manifest
from gmbench.datasets.manifest import TEST, TRAIN, ClipRow
from gmbench.emotions import SUITE_ORDER
from gmbench.errors import InputError, WeightsError
from gmbench.methods import registry
from gmbench.methods.card import (
    BETWEEN,
    EMBEDDINGS,
    POSE,
    REFERENCE,
    TRACKS,
    VIDEO,
    ExpectedOrdering,
    Interpolation,
    MethodCard,
)
from gmbench.stages import ablation_plan, ablations
from gmbench.stages.ablation_plan import groups_of, plan_ablations
from gmbench.stages.paths import DatasetPaths
from gmbench.stages.pipeline_run import PipelineRun
from gmbench.store import Store

CARD = MethodCard(
    "x", "X", "trainable", ("none",), "none", "none", "none", "none", drives=(POSE, REFERENCE, VIDEO),
    drive_combinations=("pose-reference",), ablations={"wo_a": {}, "wo_b": {}, "wo_c": {}, "one_part": {}},
    metrics={"pose": ("psnr",), "": ("div", "pcm")}, compared={"pose": ("wo_c",)},
    interpolations=(Interpolation("blend"), Interpolation("label", "wo_b"), Interpolation("switch", bound=True)),
    emotion_pairs=(("happy", "sad"), ("fear", "angry")),
    expected_orderings=(
        ExpectedOrdering("acc_emo", ("", "wo_a"), "1", "pose", most_seeds=2),
        ExpectedOrdering("acc_emo", ("", "wo_b"), "1", "pose", shared=("one_part",)),
        ExpectedOrdering("sync_c", ("pose-reference", "video"), "2"),
        ExpectedOrdering("f_sim", ("", "wo_b"), "3", "reference", "strangers"),
        ExpectedOrdering("e_ppl", ("blend", "label"), "4", BETWEEN, labelled=True, shared=("one_part",)),
    ),
)  # fmt: skip
GMTALKER = registry.create("gmtalker").card
CREMA_D = ("angry", "disgusted", "fear", "happy", "neutral", "sad")


class Present:
    """Landmark backends whose files are there."""

    weights_sha256 = str

    @classmethod
    def backend(cls, name):
        return cls


@pytest.fixture
def make(tmp_path, monkeypatch):
    """A run of a dataset with some emotions; every file that metrics read is there."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(ablation_plan, "why_not", lambda metric, protocol: "")
    monkeypatch.setattr(ablation_plan, "sequence_extractor", lambda protocol: None)
    monkeypatch.setattr(ablation_plan, "landmarks", Present)

    def run(emotions):
        params = config.Params.model_validate(yaml.safe_load(config.profiles()["smoke"]))
        section = config.DatasetSection(kind="folder", root=str(tmp_path))
        params = params.model_copy(update={"workers": 1, "datasets": {"d": section}})
        rows = [
            manifest.with_split(ClipRow(f"d/S/{e}/1/{n}", "d", "S", e, 1, str(n), f"{e}{n}.mp4", ""), split)
            for e in emotions for n, split in enumerate((TRAIN, TEST))
        ]  # fmt: skip
        paths = DatasetPaths("d")
        paths.crops.mkdir(parents=True)
        manifest.write(rows, paths.cropped)
        return PipelineRun(params, paths, Store(tmp_path / "store"), quiet=True)

    return run


@dataclass
class _Method:
    card: MethodCard

    settings = fit = load = generate = print


def planned(run, card, seeds=5):
    said = []
    return plan_ablations(run, _Method(card), seeds, said.append), "\n".join(said)


def test_a_group_per_dataset_drive_and_shared_networks():
    groups = {(g.dataset, g.name): (g.variants, g.metrics, g.seeds) for g in groups_of(CARD.expected_orderings, CARD,
                                                                                       "d", 5)}  # fmt: skip
    assert groups == {
        ("d", "pose"): (("", "wo_a", "wo_c"), ("psnr", "acc_emo"), 2),
        ("d", "pose-one_part"): (("", "wo_b"), ("psnr", "acc_emo"), 5),
        ("d", "own"): (("pose-reference", "video"), ("div", "pcm", "sync_c"), 5),
        ("strangers", "reference"): (("", "wo_b"), ("f_sim",), 5),
    }


def test_gmtalkers_claims_are_measured_on_what_they_are_about(make):
    plan, said = planned(make(SUITE_ORDER), GMTALKER)
    assert said == ""
    assert not plan.without
    names = plan.systems("gmtalker")
    heads = {name for name in names if "one_head" not in name}
    variants = ("", "-wo_emn", "-wo_gm", "-wo_gm_label", "-literal")
    assert heads == {f"gmtalker{variant}{seed}" for variant in variants for seed in ("", "-s1", "-s2")}
    assert "gmtalker-wo_gm_label-one_head-s4" in names  # between emotions
    assert {name.partition("-s")[0] for name in names if "wo_flow" in name or "wo_pretrain" in name} == {
        "gmtalker-wo_flow-one_head", "gmtalker-wo_pretrain-one_head", "gmtalker-wo_flow-wo_pretrain-one_head"
    }  # fmt: skip
    ordered = {(o.metric, name) for o in GMTALKER.expected_orderings for name in o.order}
    assert not {name for _, name in ordered} & {"literal", "hard_switch", "mixture"}
    assert not {metric for metric, _ in ordered} & {"ba_m2a", "ba_a2m", "pcm"}


def test_clips_of_one_emotion_leave_the_claims_of_motion(make):
    plan, said = planned(make(["neutral"]), GMTALKER)
    assert [(g.drive, g.variants[0]) for g in plan.groups] == [(TRACKS, "")]
    assert plan.ways == ()
    assert "left out: acc_emo, e_pdv, e_ppl, psnr, sync_c: d has neutral to learn from" in said
    assert all("wo_emn" not in name and "wo_gm" not in name for name in plan.systems("gmtalker"))


def test_clips_without_labels_leave_them_too(make):
    plan, said = planned(make([""]), GMTALKER)
    assert [group.drive for group in plan.groups] == [TRACKS]
    assert "d has no labelled clips to learn from" in said


def test_pairs_that_a_dataset_lacks_are_left_out_and_said(make):
    plan, said = planned(make(CREMA_D), GMTALKER)
    assert plan.pairs == (("fear", "sad"), ("happy", "angry"))
    assert "left out: sequences neutral-surprised, disgusted-contempt: d lacks an emotion of theirs" in said
    assert not plan.without


def test_a_dataset_without_any_pair_keeps_its_other_claims(make):
    plan, said = planned(make(["fear", "happy", "neutral"]), GMTALKER)
    assert (plan.pairs, plan.ways) == ((), ())
    assert {o.metric for o in plan.without} == {"e_ppl", "e_pdv", "sync_c"}
    assert "d has no two emotions that sequences lead between" in said


def test_an_ordering_on_an_absent_dataset_has_no_value(make):
    run = make(SUITE_ORDER)
    plan, said = planned(run, CARD)
    assert [o.metric for o in plan.without] == ["f_sim"]
    assert "left out: f_sim: no dataset strangers in params.yaml" in said
    elsewhere = replace(CARD, expected_orderings=(ExpectedOrdering("psnr", ("", "wo_a"), "1", "", "mead"),))
    plan, _ = planned(run, elsewhere)
    assert plan.groups == ()
    assert list(plan.without.values()) == ["no dataset mead in params.yaml"]


def test_a_missing_network_stops_before_training_unless_nothing_is_ordered_by_it(make, monkeypatch):
    run = make(SUITE_ORDER)
    monkeypatch.setattr(ablations, "train_systems", lambda *a: pytest.fail("trained before it looked"))
    lacks = {"fid": "pt_inception is missing"}
    monkeypatch.setattr(ablation_plan, "why_not", lambda metric, protocol: lacks.get(metric, ""))
    plan, said = planned(run, GMTALKER)
    assert "left out: fid: pt_inception is missing" in said
    assert all("fid" not in group.metrics for group in plan.groups)
    lacks["acc_emo"] = "emotion_fan is missing"
    with pytest.raises(WeightsError, match="an ordering needs acc_emo: emotion_fan is missing"):
        ablations.ablate(run, "gmtalker", 5, print)


def test_every_claim_of_the_four_papers_is_declared():
    """Rows of the papers' claims: metric, drive, and what is compared, the best first."""
    found = {
        name: [(o.metric, o.drive, o.dataset, o.order) for o in registry.create(name).card.expected_orderings]
        for name in ("flowvqtalker", "edtalk", "dicetalk")
    }
    assert found["flowvqtalker"] == [
        ("nats", TRACKS, "", ("", "gmm")), ("fd_expressions", TRACKS, "", ("", "gmm")),
        ("sync_c", "", "", ("", "wo_dropout")), ("sync_corr", "", "", ("", "wo_dropout")),
        ("cpbd", "coefficients", "", ("", "b_w_phi_m", "b_w")),
        ("f_sim", "coefficients", "", ("b_w_phi_m", "b_w_phi", "b_w")),
    ]  # fmt: skip
    banks = ("", "wo_orthogonal", "wo_bank")
    assert found["edtalk"] == [
        ("acc_emo", "label", "", banks), ("psnr", "video", "", banks), ("fid", "video", "", banks),
        ("m_lmd", "", "", ("video", "pose-reference")), ("sync_c", "", "", ("pose-reference", "video")),
    ]  # fmt: skip
    table_4 = ("reference", "strangers")
    assert found["dicetalk"] == [
        ("emo_score", *table_4, ("", "learnable_ca", "wo_prior", "wo_bank")),
        ("emo_score", *table_4, ("", "wo_discrimination")), ("emo_neutral", *table_4, ("wo_bank", "")),
        ("f_sim", *table_4, ("", "wo_prior")), ("d_cls", EMBEDDINGS, "", ("both", "face", "sound")),
    ]  # fmt: skip


def test_edtalks_drives_are_compared_within_one_training(make):
    plan, _ = planned(make(SUITE_ORDER), registry.create("edtalk").card, 3)
    assert len(plan.systems("edtalk")) == 9  # full, wo_orthogonal and wo_bank at three seeds
    own = next(group for group in plan.groups if group.drive == "")
    names = [system.name for system in plan.of_group(own, "edtalk")]
    assert names[:2] == ["edtalk-pose-reference", "edtalk-video"]
    assert "edtalk-video-s2" in names


def test_the_real_check_names_the_missing_file(make, monkeypatch):
    run = make(SUITE_ORDER)
    monkeypatch.undo()
    monkeypatch.chdir(run.store.root.parent)
    monkeypatch.setenv("GMBENCH_WEIGHTS", str(run.store.root.parent / "nothing"))
    with pytest.raises(WeightsError, match="an ordering needs"):
        plan_ablations(run, _Method(GMTALKER), 5, print)


def test_no_clips_to_learn_from_or_to_score_stop_it(make):
    run = make(SUITE_ORDER)
    rows = manifest.read(run.paths.cropped)
    manifest.write([row for row in rows if row.split == TEST], run.paths.cropped)
    with pytest.raises(InputError, match="d: no training clips"):
        plan_ablations(run, _Method(GMTALKER), 5, print)
    manifest.write([row for row in rows if row.split == TRAIN], run.paths.cropped)
    with pytest.raises(InputError, match="d: no clips in split 'test'"):
        plan_ablations(run, _Method(GMTALKER), 5, print)


def test_what_coefficients_do_not_give_is_refused(make):
    card = replace(CARD, expected_orderings=(ExpectedOrdering("fid", ("", "wo_a"), "1", TRACKS),))
    with pytest.raises(InputError, match="fid is not measured on coefficients"):
        plan_ablations(make(SUITE_ORDER), _Method(card), 2, print)


class _Shipped(_Method):
    """Its full system came at seed 0, and wo_a is trained here; nothing else is."""

    def check_trainable(self, dataset, pretraining, settings, seed):
        if seed and "wo_a" not in settings:
            raise InputError(f"no seed {seed}; set source to train")
        if set(settings) - {"wo_a"}:
            raise InputError("none came")

    def settings(self, given, ablations):
        return ablations


def test_systems_that_cannot_be_trained_are_left_out_with_their_reason(make, monkeypatch):
    card = replace(CARD, compared={}, expected_orderings=(
        ExpectedOrdering("psnr", ("", "wo_a", "wo_b"), "1"), ExpectedOrdering("f_sim", ("wo_b", "wo_a"), "2"),
        ExpectedOrdering("d_cls", ("both", "face"), "5", EMBEDDINGS),
    ))  # fmt: skip
    method = _Shipped(card)
    ours = plugins.Plugins({"x": plugins.Plugin("x", "other 1.0", lambda: method)}, {})
    monkeypatch.setattr(plugins, "load", lambda group: ours)
    monkeypatch.setattr(ablation_plan, "prepared_dataset", lambda *a: None)
    monkeypatch.setattr(ablation_plan, "pretraining_of", lambda *a: None)
    said = []
    plan = plan_ablations(make(SUITE_ORDER), method, 2, said.append)
    assert plan.systems("x") == ["x", "x-wo_a", "x-wo_a-s1"]
    assert [o.metric for o in plan.without] == ["f_sim"]
    how = "set source to train, then 'gmbench ablate --method x --seeds 2' trains it, on a GPU or for hours"
    assert plan.untrained["x-s1"] == f"no seed 1; {how}"
    assert plan.untrained["x-wo_b"].startswith("none came")
    own, read = plan.groups
    assert [system.name for system in plan.of_group(own, "x")] == ["x", "x-wo_a", "x-wo_a-s1"]
    assert (read.drive, read.variants, [s.name for s in plan.of_group(read, "x")]) == (EMBEDDINGS, ("",), ["x"])


def test_where_nothing_can_be_measured_every_claim_stands_without_a_value(make, monkeypatch, tmp_path):
    card = replace(CARD, expected_orderings=(ExpectedOrdering("psnr", ("", "wo_a"), "1", "", "mead"),))
    ours = plugins.Plugins({"x": plugins.Plugin("x", "other 1.0", lambda: _Method(card))}, {})
    monkeypatch.setattr(plugins, "load", lambda group: ours)
    (found,) = ablations.ablate(make(SUITE_ORDER), "x", 2, print, tmp_path / "out")
    assert (found.verdict, found.reason) == ("no value", "no dataset mead in params.yaml")
    assert "1. no dataset mead in params.yaml" in (tmp_path / "out" / "claims.md").read_text()


def test_systems_that_orderings_compare_are_trained_once(make, monkeypatch):
    ours = plugins.Plugins({"x": plugins.Plugin("x", "other 1.0", lambda: _Method(CARD))}, {})
    monkeypatch.setattr(plugins, "load", lambda group: ours)
    plan, _ = planned(make(SUITE_ORDER), CARD, 2)
    assert plan.systems("x") == [
        "x", "x-wo_a", "x-wo_c", "x-one_part", "x-wo_b-one_part",
        "x-s1", "x-wo_a-s1", "x-wo_c-s1", "x-one_part-s1", "x-wo_b-one_part-s1",
    ]  # fmt: skip


def test_a_method_without_orderings_says_so(make, monkeypatch):
    card = replace(CARD, expected_orderings=())
    ours = plugins.Plugins({"x": plugins.Plugin("x", "other 1.0", lambda: _Method(card))}, {})
    monkeypatch.setattr(plugins, "load", lambda group: ours)
    with pytest.raises(InputError, match="x: its card expects no ordering of ablations"):
        ablations.ablate(make(SUITE_ORDER), "x", 2, print)
