"""What the page says in words and of parts of a set: it follows from records, and claims what comparisons claim."""

import base64

import numpy as np
import pandas as pd
import pytest

from gmbench.reporting.latents import Latents, write_latents
from gmbench.reporting.page import overlays
from gmbench.reporting.page.breakdowns import MAX_DOTS, breakdowns
from gmbench.reporting.page.headline import headline
from gmbench.reporting.page.markup import facts_html, grid_html
from gmbench.reporting.page.sections import pairs, papers
from gmbench.reporting.summary import Summary
from gmbench.stages.costs import cost_in_words, quality_against_cost
from gmbench.store import Store, digest
from tests.reporting.test_tables import rows, table_of
from tools.random_records import random_records

HARD = np.random.default_rng(0).normal(20, 4, 24)


def summary_of(*groups):
    return Summary.of(table_of(*groups))


def test_the_headline_names_who_leads_and_only_then():
    clear = summary_of(rows("a", "psnr", HARD + 1.0, emotion="happy"), rows("b", "psnr", HARD, emotion="happy"))
    lines = headline(clear, ["2026-01-02", "2026-01-02"], {"a": "2 min"})
    assert lines[0] == "2 methods on d: 24 clips of 1 emotion, evaluated 2026-01-02."
    assert "Training: a 2 min." in lines
    assert "a leads in PSNR." in lines
    assert lines[-1].endswith("adjusted for all metrics).")
    close = headline(
        summary_of(rows("a", "psnr", HARD + 0.001 * (-1.0) ** np.arange(24)), rows("b", "psnr", HARD)), [], {}
    )
    assert not [line for line in close if "leads in" in line]
    assert close[-1].startswith("Nobody leads under any metric")
    few = headline(summary_of(rows("a", "psnr", HARD[:3] + 1), rows("b", "psnr", HARD[:3])), [], {})
    assert few[-1] == "Nobody leads under any metric, most often because: too few clips to tell."


def test_the_headline_claims_nothing_beside_bounds_and_controls():
    bound = rows("m-pose", "psnr", HARD + 3, flags="takes:pose")
    alone = headline(summary_of(rows("m", "psnr", HARD), bound, rows("still", "psnr", HARD - 5)), [], {})
    assert alone[0] == "2 methods, beside 1 control made from the real clips, on d: 24 clips."
    assert alone[1].startswith("1 makes everything from sound, label and picture, 1 takes part of the answer")
    assert alone[-1] == "m is alone among those that are ranked: no lead is claimed."
    assert headline(summary_of(bound), [], {})[1].startswith("None is ranked: it takes part of the answer")
    assert not [line for line in headline(summary_of(bound), [], {}) if "lead" in line]


def test_the_headline_says_which_judges_stood_in():
    lines = headline(summary_of(rows("m", "fid_fb:corpus", [3.0]), rows("m", "psnr", HARD)), [], {})
    assert lines[1] == (
        "Judges: 1 of 2 metrics, marked †, are by small networks for drawn faces; "
        "never compare these with published figures."
    )


def test_the_headline_of_many_methods_is_a_few_short_sentences():
    """Sixteen methods, seven of them trained here, that win in turn: named while few, else counted."""
    keys = ["psnr", "ssim", "ssim_u7", "lpips_alex", "m_lmd", "f_lmd", "m_nlmd", "f_nlmd"]
    won = dict(zip(keys, ["m00"] * 5 + ["m01", "m02", "m03"], strict=True))
    groups = [
        rows(f"m{n:02d}", key, HARD + 0.01 * n + 5 * (1 if key in keys[:3] else -1) * (won[key] == f"m{n:02d}"))
        for key in keys
        for n in range(16)
    ]
    costs = {f"m{n:02d}": "9 min" for n in range(7)}
    lines = headline(summary_of(*groups), ["2026-01-02", "2026-01-03"], costs)
    assert len(lines) <= 6
    assert max(map(len, lines)) < 190
    assert lines[0].endswith("evaluated 2026-01-02 to 2026-01-03.")
    assert "Training: m00 9 min, m01 9 min, m02 9 min, m03 9 min, and 3 more." in lines
    (leaders,) = [line for line in lines if "leads in" in line]
    assert leaders == (
        "m00 leads in 5 metrics (picture 4, lips 1); m01 leads in F-LMD; m02 leads in M-NLMD; "
        "1 further method in 1 metric."
    )


def labelled(method, emotions, seen, values):
    made = rows(method, "acc_emo", values)
    return [
        row | {"emotion": e, "speaker": f"s{n % 2}", "flags": f"seen:{s}"}
        for n, (row, e, s) in enumerate(zip(made, emotions, seen, strict=True))
    ]


def test_means_of_parts_and_what_the_classifier_saw():
    emotions, seen = ["happy", "happy", "sad", "joy"], ["happy", "sad", "sad", "happy"]
    found = breakdowns(
        summary_of(labelled("m", emotions, seen, [100.0, 0.0, 100.0, 100.0])), ["acc_emo"], {"c00": 1, "c01": 3}
    )
    by = found["by"]
    assert (by["emotion"]["names"], by["emotion"]["clips"]) == (["happy", "sad"], [3, 1])
    assert by["emotion"]["cells"]["m"]["acc_emo"] == [[66.67, 3], [100.0, 1]]
    assert by["speaker"]["cells"]["m"]["acc_emo"] == [[100.0, 2], [50.0, 2]]
    assert by["level"]["names"] == ["1", "3", "no label"]
    assert found["confusion"] == {
        "rows": ["happy", "sad"], "columns": ["happy", "sad"], "methods": {"m": [[2, 1], [0, 1]]},
    }  # fmt: skip
    same = breakdowns(summary_of(rows("m", "psnr", HARD, emotion="happy")), ["psnr"], {})
    assert same["by"] == {}


def test_spread_has_every_clip_once_and_dots_while_they_are_few():
    few = breakdowns(summary_of(rows("m", "psnr", [1.0, np.inf, 3.0, np.nan])), ["psnr"], {})["spread"]
    own = few["metrics"]["psnr"]["methods"]["m"]
    assert sum(own["bins"]) == len(own["dots"]) == 2
    assert few["clips"][own["dots"][1][0]] == "c02"
    many = breakdowns(Summary.of(random_records(2, MAX_DOTS + 5, ("psnr",))), ["psnr"], {})["spread"]
    assert "dots" not in many["metrics"]["psnr"]["methods"]["method_00"]
    assert sum(many["metrics"]["psnr"]["methods"]["method_00"]["bins"]) == MAX_DOTS + 5


def test_facts_are_a_table_with_numbers_in_their_order():
    text = facts_html({"shifts": {"-1": 1, "-10": 2, "-2": 3}, "list": [1, 2], "none": None, "<": "<b>"})
    assert [text.index(f"shifts.{n}<") for n in ("-10", "-2", "-1")] == sorted(
        text.index(f"shifts.{n}<") for n in ("-10", "-2", "-1")
    )
    assert "1, 2" in text
    assert "<b>" not in text
    assert grid_html(["a", "b"], [["x", "1.0"]]).count('class="text"') == 2


def test_of_many_methods_those_that_are_ranked_are_paired():
    def shown(*names):
        return pairs([summary_of(*(rows(name, "psnr", HARD + n) for n, name in enumerate(names)))]).body

    takes = [f"{method}-{drive}" for method in ("gmtalker", "flowvqtalker") for drive in ("pose", "coefficients")]
    takes += ["edtalk-video", "edtalk-pose", "edtalk-pose-reference"]
    assert shown("a", "b", *takes[:2]).count("<summary>") == 6
    many = shown("a", "b", *takes)
    assert many.count("<summary>") == 1
    assert "the 2 methods that make everything themselves" in many
    assert "any two of 9 methods" in many
    assert "any two of 9 methods" in shown(*"abcdefghi")


def test_tables_of_latents_are_filled_from_the_figures_beside_the_page(tmp_path):
    (summary,) = [summary_of(rows("a", "psnr", HARD))]
    assert "No embeddings: pass an NPZ" in papers([summary], tmp_path).body
    vectors = np.random.default_rng(0).normal(size=(16, 3)) + np.repeat(np.arange(4), 4)[:, None]
    labels = np.repeat(["angry", "contempt", "disgusted", "happy"], 4)
    (tmp_path / "figures").mkdir()
    write_latents(Latents(vectors, labels, np.array(["p"] * 16)), tmp_path / "figures" / "synth-dicetalk-priors.npz")
    body = papers([summary], tmp_path).body
    assert "synth-dicetalk-priors" in body
    assert body.count("No embeddings: pass an NPZ") == 1  # FlowVQTalker's


def test_the_table_of_training_jobs_is_filled_from_run_cards(tmp_path):
    (summary,) = [summary_of(rows("a", "psnr", HARD))]
    assert "No run cards" in papers([summary], tmp_path).body
    card = {"system": "edtalk", "dataset": "synth", "parts": {"backbone": {"steps": 7654, "seconds": 1.0}}}
    body = papers([summary], tmp_path, [card]).body
    assert "No run cards" not in body
    assert "7654" in (tmp_path / "tables" / "edtalk-fig5.csv").read_text()


def test_costs_in_words():
    assert cost_in_words({"parts": {"a": {"parameters": 2_000_000, "seconds": 9000.0}}}) == "2.5 h"
    assert cost_in_words({}) == ""
    shipped = {"seconds": 9e9, "device": "one GPU"}
    assert cost_in_words({"parts": {"a": {"seconds": 120.0, "device": ""}, "b": shipped}}) == (
        "2 min (shipped parts apart)"
    )
    assert cost_in_words({"parts": {"b": shipped}}) == "came with gmbench"


def decoded(data):
    return np.frombuffer(base64.b64decode(data["points"]), "<i2").reshape(-1, 68, 2)


def test_landmarks_are_kept_to_a_tenth_of_a_pixel():
    points = np.random.default_rng(0).uniform(-20, 700, (5, 68, 2))
    points[3] = np.nan
    data = overlays.encoded(points)
    steps = decoded(data)
    assert (steps[3] == overlays.NO_FACE).all()
    seen = [0, 1, 2, 4]
    assert np.abs(steps[seen] * data["unit"] - points[seen]).max() <= 0.05 + 1e-9
    large = overlays.encoded(np.full((1, 68, 2), 5000.04))
    assert large["unit"] == pytest.approx(0.2)
    assert decoded(large)[0, 0, 0] * large["unit"] == pytest.approx(5000.0)


def key_of(clip):
    return f"{digest(clip)}/{digest('landmarks', clip)}"


def made_overlays(tmp_path, count, **columns):
    table = pd.DataFrame({
        "dataset": "d", "method": "m", "clip": [f"c{n}" for n in range(count)],
        "landmarks": [key_of(n) for n in range(count)], "reference_landmarks": key_of("real"),
    }).assign(**columns)  # fmt: skip
    store = Store(tmp_path / "store")
    store.put(key_of(0), {"points": np.zeros((2, 68, 2))})
    store.put(key_of("real"), {"points": np.ones((2, 68, 2))})
    written = {}
    return overlays.Overlays([table], [tmp_path / "other", store.root], written.__setitem__), written


def test_landmarks_are_written_once_and_what_the_store_lacks_is_left_out(tmp_path):
    made, written = made_overlays(tmp_path, 3)
    assert "store does not have them" in made.problem
    first = made.locate("d", "m", "c0")
    assert [made.locate("d", "m", clip) for clip in ("c1", "c9")] == ["", ""]
    assert {made.locate("d", "", clip) for clip in ("c0", "c1")} == set(written) - {first}
    assert made.problem == ""
    assert decoded(written[made.locate("d", "", "c0")]).max() == 10


def test_a_page_says_why_it_has_no_landmarks(tmp_path, monkeypatch):
    earlier, _ = made_overlays(tmp_path, 3, landmarks="", reference_landmarks="")
    assert "evaluate again" in earlier.problem
    monkeypatch.setattr(overlays, "MOST", 3)
    large, written = made_overlays(tmp_path, 3)  # and one reference
    assert large.locate("d", "m", "c0") == ""
    assert "4 clips; a page has the landmarks of 3 at most" in large.problem
    assert written == {}


def test_quality_stands_against_cost_where_systems_differ(tmp_path):
    groups = [rows(name, metric, values) for name in ("a", "a-pose", "b") for metric, values in
              (("sync_c", [0.4, 0.5]), ("psnr", [20.0, 21.0]), ("fid", [float("nan")] * 2))]  # fmt: skip
    summary = Summary.of(table_of(*groups))
    training = {"a": 60.0, "a-pose": 60.0, "b": 600.0}
    texts = ("training [min]", "generated frames a second", "sync_c", "a-pose", "b", "psnr", "fid")

    def drawn(*costs):
        shown = quality_against_cost(summary, *costs, tmp_path)
        (picture,) = (tmp_path / "figures").glob("cost-*.svg")
        assert f"figures/{picture.stem}.png" in shown
        return [text for text in texts if f"<!-- {text} -->" in picture.read_text("utf-8")]

    assert drawn(training, {}) == ["training [min]", "sync_c", "a-pose", "b"]
    assert drawn({}, {"a": 30.0, "b": 5.0}) == ["generated frames a second", "sync_c", "b"]
    assert drawn(training, {"a": 30.0, "b": 5.0}) == [
        "training [min]",
        "generated frames a second",
        "sync_c",
        "a-pose",
        "b",
    ]
    assert quality_against_cost(summary, {"a": 60.0, "a-pose": 60.0}, {"a": 9.0}, tmp_path) == ""
    assert quality_against_cost(summary, {}, {}, tmp_path) == ""
