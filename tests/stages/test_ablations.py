"""What ``gmbench ablate`` runs for a card's orderings, and its verdict on a margin over seeds."""

from dataclasses import dataclass, replace

import numpy as np
import pytest

from gmbench import plugins
from gmbench.errors import InputError
from gmbench.methods import registry
from gmbench.methods.card import POSE, REFERENCE, VIDEO, ExpectedOrdering, Interpolation, MethodCard
from gmbench.stages import ablations


@dataclass
class Paths:
    dataset: str = "d"


class Run:
    """A run with two datasets."""

    def __init__(self):
        self.paths = Paths()
        self.params = type("Params", (), {"datasets": {"d": None, "strangers": None}})


CARD = MethodCard(
    "x", "X", "trainable", ("none",), "none", "none", "none", "none", drives=(POSE, REFERENCE, VIDEO),
    drive_combinations=("pose-reference",), ablations={"wo_a": {}, "wo_b": {}, "wo_c": {}},
    metrics={"pose": ("psnr",), "": ("div", "pcm")}, compared={"pose": ("wo_c",)},
    interpolations=(Interpolation("blend"), Interpolation("label", "wo_b")),
    expected_orderings=(
        ExpectedOrdering("acc_emo", ("", "wo_a"), "1", "pose"),
        ExpectedOrdering("sync_c", ("pose-reference", "video"), "2"),
        ExpectedOrdering("f_sim", ("", "wo_b"), "3", "reference", "strangers"),
        ExpectedOrdering("e_ppl", ("blend", "label"), "4", "between"),
    ),
)  # fmt: skip


def groups(card, said):
    return {(g.dataset, g.drive): (g.variants, g.metrics) for g in ablations._groups(Run(), card, said.append)}


def test_a_group_per_dataset_and_drive_with_the_cards_metrics():
    said = []
    assert groups(CARD, said) == {
        ("d", "pose"): (("", "wo_a", "wo_c"), ("psnr", "acc_emo")),
        ("d", ""): (("pose-reference", "video"), ("div", "pcm", "sync_c")),
        ("strangers", "reference"): (("", "wo_b"), ("f_sim",)),
    }
    assert said == []
    elsewhere = replace(CARD, expected_orderings=(ExpectedOrdering("psnr", ("", "wo_a"), "1", "", "mead"),))
    assert groups(elsewhere, said) == {}
    assert said == ["no dataset mead in params.yaml: orderings on it have no value"]


def test_gmtalkers_groups_are_those_of_its_tables():
    found = groups(registry.create("gmtalker").card, [])
    assert found["d", "pose"][0] == ("", "wo_emn", "wo_gm", "wo_gm_label")
    assert found["d", ""] == (("", "wo_flow", "wo_pretrain"), ("ba_m2a", "div", "pcm"))


def test_systems_that_orderings_compare_are_trained_once(monkeypatch):
    class Method:
        card = CARD
        settings = fit = load = generate = print

    ours = plugins.Plugins({"x": plugins.Plugin("x", "other 1.0", Method)}, {})
    monkeypatch.setattr(plugins, "load", lambda group: ours)
    trained = []
    monkeypatch.setattr(ablations, "train_systems", lambda run, section, names: trained.extend(names))
    ablations._train(Run(), "x", {"", "wo_a", "video", "pose-reference"}, 2, lambda line: None)
    assert trained == ["x", "x-wo_a", "x-s1", "x-wo_a-s1"]


def test_a_method_without_orderings_says_so(monkeypatch):
    class Method:
        card = replace(CARD, expected_orderings=())
        settings = fit = load = generate = print

    ours = plugins.Plugins({"x": plugins.Plugin("x", "other 1.0", Method)}, {})
    monkeypatch.setattr(plugins, "load", lambda group: ours)
    with pytest.raises(InputError, match="x: its card expects no ordering of ablations"):
        ablations.ablate(Run(), "x", 2, print)


def test_without_a_difference_few_margins_are_resolved():
    rng = np.random.default_rng(0)
    for seeds in (2, 3, 5):
        gains = rng.normal(0, 1, (2000, seeds))
        margins, errors = gains.mean(axis=1), gains.std(axis=1, ddof=1) / np.sqrt(seeds)
        verdicts = [ablations.verdict_of_margin(m, e, seeds) for m, e in zip(margins, errors, strict=True)]
        assert 0.03 < np.mean([v != "not resolved" for v in verdicts]) < 0.07, seeds


def test_a_large_difference_is_resolved_by_its_sign():
    assert ablations.verdict_of_margin(5.0, 1.0, 3) == "resolved"
    assert ablations.verdict_of_margin(-5.0, 1.0, 3) == "reversed"
    assert ablations.verdict_of_margin(4.0, 1.0, 3) == "not resolved"
    assert ablations.verdict_of_margin(float("nan"), float("nan"), 3) == "no value"
    assert ablations.verdict_of_margin(5.0, float("nan"), 1) == "not resolved"
