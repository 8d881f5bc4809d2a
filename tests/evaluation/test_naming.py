"""Names of metrics in every spelling that gmbench itself prints, and names of groups."""

import pytest

from gmbench.errors import InputError
from gmbench.evaluation.scoring import registry
from gmbench.evaluation.scoring.naming import GROUPS, meant_keys, metric_name, named_metrics
from gmbench.metrics.catalogue import SPECS


@pytest.mark.parametrize("name", SPECS)
def test_every_printed_spelling_of_a_metric_names_it(name):
    spec = SPECS[name]
    header = f"{spec.title} {spec.arrow}" + (f" [{spec.unit}]" if spec.unit else "")
    for text in (name, name.upper(), name.replace("_", "-"), spec.title, spec.title.lower(), header,
                 f"{header} (fallback: pnp-mediapipe)", f"{name}_fb:corpus"):  # fmt: skip
        assert metric_name(text, SPECS) == name, text


def test_every_metric_is_in_a_group_and_a_group_stands_for_its_default_metrics():
    assert {spec.group for spec in SPECS.values()} == set(GROUPS)
    assert named_metrics("Lips", SPECS) == ["sync_c", "sync_d", "av_offset", "m_lmd", "m_nlmd", "lip_dyn"]
    assert named_metrics("time", SPECS) == [name for name, spec in SPECS.items() if spec.group == "time"]  # no defaults
    assert {"lip_dyn_th", "th_head_dyn", "th_score5"} <= set(named_metrics("theval", SPECS))
    assert named_metrics(["psnr, lips", "PSNR", "sync-c"], SPECS)[:2] == ["psnr", "sync_c"]


def test_default_stands_for_what_is_scored_where_nothing_is_named():
    default = [metric.name for metric in registry.select(None, has_reference=True)]
    chosen = registry.select(["default", "emo_neutral", "psnr"], has_reference=True)
    assert "emo_neutral" not in default
    assert [metric.name for metric in chosen] == [*default, "emo_neutral"]
    alone = [metric.name for metric in registry.select("default", has_reference=False)]
    assert alone == [metric.name for metric in registry.select(None, has_reference=False)]


@pytest.mark.parametrize(("text", "hint"), [("pnsr", "mean psnr"), ("lip", "mean lips"), ("|", "known")])
def test_an_unknown_name_is_refused_with_the_nearest(text, hint):
    with pytest.raises(InputError, match="unknown metric") as error:
        metric_name(text, SPECS)
    assert hint in str(error.value)


def test_two_metrics_of_one_title_are_told_apart_by_name_alone():
    specs = {"lpips_alex": SPECS["lpips_alex"], "lpips_own": SPECS["lpips_alex"]}
    assert metric_name("lpips_own", specs) == "lpips_own"
    with pytest.raises(InputError, match="lpips_alex or lpips_own"):
        metric_name("LPIPS", specs)


def test_a_name_means_all_numbers_of_its_metric_in_records_and_a_key_itself():
    keys = ["div_fb:mediapipe", "psnr", "div", "texture"]
    assert meant_keys("Div", keys, SPECS) == ["div_fb:mediapipe", "div"]
    assert meant_keys(["div_fb:mediapipe", "psnr"], keys, SPECS) == ["div_fb:mediapipe", "psnr"]
    assert meant_keys("texture", keys, SPECS) == ["texture"]  # its package is not installed any more
    assert meant_keys("motion", keys, SPECS) == ["div_fb:mediapipe", "div"]
    with pytest.raises(InputError, match="no records of metric 'FID'"):
        meant_keys("FID", keys, SPECS)


def test_a_group_is_scored_as_far_as_the_inputs_allow_and_a_named_metric_must_be_possible():
    assert [metric.name for metric in registry.select(["picture"], has_reference=False)] == ["cpbd"]
    with pytest.raises(InputError, match="psnr compares with a reference"):
        registry.select(["picture", "PSNR"], has_reference=False)
