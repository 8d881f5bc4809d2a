"""Folders and files through Python: the numbers of the command, as tables."""

import subprocess
import sys

import numpy as np
import pandas as pd
import pytest

import gmbench
from gmbench.commands import app
from gmbench.errors import GmbenchWarning, InputError, WeightsError
from gmbench.media import write_audio
from tests.api.conftest import SKETCH


def test_the_command_writes_the_same_records_table_and_sources(evaluated, sketches, tmp_path, monkeypatch):
    arguments = [
        "eval", "--videos", f"near={sketches / 'near'}", "--videos", f"far={sketches / 'far'}",
        "--reference", sketches / "reference", "--landmarks", "sidecar", "--pose", "mediapipe", "--dataset", "sketch",
        "--controls", "ground_truth,still", "--out", tmp_path / "command", "--store", tmp_path / "store",
    ]  # fmt: skip
    monkeypatch.setattr(sys, "argv", ["gmbench", *map(str, arguments)])
    with pytest.raises(SystemExit, match="0"):
        app.main()
    evaluated.save(tmp_path / "python")
    for name in ("records.parquet", "table.md", "sources.parquet"):
        assert (tmp_path / "command" / name).read_bytes() == (tmp_path / "python" / name).read_bytes(), name


def test_table_has_a_row_per_method_and_metric(evaluated):
    table = evaluated.table()
    assert list(table.columns[:8]) == ["method", "metric", "value", "low", "high", "n", "expected", "unit"]
    row = table.set_index(["method", "metric"]).loc["near", "psnr"]
    clips = evaluated.clips("PSNR", "near")
    assert row["value"] == pytest.approx(clips["value"].mean(), rel=1e-12)
    assert row["low"] < row["value"] < row["high"]
    assert (row["n"], row["unit"], row["direction"]) == (6, "dB", "higher")
    assert set(evaluated.table(controls=False)["method"]) == {"near", "far"}


def test_wide_table_has_methods_as_rows_and_controls_last(evaluated):
    wide = evaluated.table(["ssim", "M-LMD"], wide=True)
    assert list(wide.index) == ["far", "near", "still", "ground_truth"]
    assert list(wide.columns) == ["ssim", "m_lmd_fb:sketch"]
    assert wide.loc["ground_truth", "ssim"] == pytest.approx(1)


def test_clips_say_why_a_number_is_missing(evaluated):
    still = evaluated.clips("ba_m2a", "still")
    assert set(still["status"]) == {"undefined"}
    assert still["reason"].str.contains("0 motion beats").all()
    missing = evaluated.missing()
    assert set(missing["method"]) == {"still"}
    assert ("ba_a2m_fb:sketch", "ba_m2a_fb:sketch") in set(missing["metrics"])


def test_compare_is_the_difference_on_common_clips(evaluated):
    compared = evaluated.compare("near", "far", "picture").set_index("metric")
    values = evaluated.clips("psnr").pivot(index="clip", columns="method", values="value")
    assert compared.loc["psnr", "difference"] == pytest.approx((values["near"] - values["far"]).mean(), abs=1e-12)
    assert compared.loc["psnr", "n"] == 6
    with pytest.raises(InputError, match="did you mean near"):
        evaluated.compare("nera", "far")


def test_latex_markdown_and_html_show_the_chosen_metrics_in_their_order(evaluated):
    latex = evaluated.to_latex(["M-LMD", "psnr"], controls=False)
    assert latex.index("M-LMD") < latex.index("PSNR")
    assert r"\toprule" in latex
    assert "still" not in latex
    assert evaluated.to_markdown("psnr").startswith("**sketch, protocol full+landmarks=sidecar")
    assert "<table>" in evaluated._repr_html_()
    assert "sketch: far, near, still, ground_truth; 6 clips" in repr(evaluated)


def test_a_saved_result_is_loaded_with_all_that_it_said(evaluated, tmp_path):
    loaded = gmbench.load(evaluated.save(tmp_path / "a"))
    pd.testing.assert_frame_equal(loaded.records, evaluated.records)
    pd.testing.assert_frame_equal(loaded.table(), evaluated.table())
    assert loaded.warnings == evaluated.warnings
    assert gmbench.load(tmp_path / "a", dataset="sketch").methods == evaluated.methods
    with pytest.raises(InputError, match="no records of dataset"):
        gmbench.load(tmp_path / "a", dataset="other")
    with pytest.raises(InputError, match="no records"):
        gmbench.load(tmp_path / "nothing")


@pytest.mark.slow
def test_the_page_of_a_new_and_of_a_copied_result_shows_the_clips(evaluated, tmp_path):
    copied = gmbench.load(evaluated.save(tmp_path / "saved")).save(tmp_path / "elsewhere" / "copy")
    for name, result in (("new", evaluated), ("copied", gmbench.load(copied))):
        page = result.report(tmp_path / name / "page", clips="copy")
        assert page.is_file()
        assert len(list((page.parent / "media").rglob("*.mp4"))) == 18
    with pytest.raises(InputError, match="clips: expected one of"):
        evaluated.report(tmp_path / "page", clips="all")


def test_what_is_left_out_or_missing_is_a_warning(sketches, tmp_path):
    (tmp_path / "few").mkdir()
    (tmp_path / "few" / "S000_000.mp4").write_bytes((sketches / "near" / "S000" / "000.mp4").read_bytes())
    with pytest.warns(GmbenchWarning) as caught:
        result = gmbench.evaluate(tmp_path / "few", sketches / "reference", "psnr", store=tmp_path / "store")
    assert result.methods == ["few"]
    assert any("few, 5 clips: no value of psnr: few has no clip named" in str(w.message) for w in caught)
    with pytest.warns(GmbenchWarning, match="left out, their files are not here"):
        gmbench.evaluate(sketches / "near", sketches / "reference", "picture", store=tmp_path / "store", **SKETCH)
    with pytest.raises(WeightsError, match="syncnet_v2"):
        gmbench.evaluate(sketches / "near", metrics="Sync-C", store=tmp_path / "store", **SKETCH)


def test_a_dictionary_of_folders_may_have_any_names(sketches, tmp_path):
    methods = {"a=b/c": sketches / "near", "ours (v2)": str(sketches / "far")}
    result = gmbench.evaluate(methods, sketches / "reference", ["PSNR"], store=tmp_path, **SKETCH)
    assert result.methods == ["a=b/c", "ours (v2)"]
    with pytest.raises(InputError, match="two methods are called 'near'"):
        gmbench.evaluate([sketches / "near", sketches / "near"], sketches / "reference")


def test_progress_counts_to_the_end_and_a_protocol_may_be_an_object(sketches, tmp_path):
    from gmbench.evaluation import protocol as protocols

    chosen = protocols.load("eat128", landmarks="sidecar", pose="mediapipe")
    seen = []
    result = gmbench.evaluate(
        sketches / "near", sketches / "reference", "psnr", protocol=chosen, store=tmp_path,
        progress=lambda done, total: seen.append((done, total)),
    )  # fmt: skip
    assert seen == [(n, 6) for n in range(1, 7)]
    assert set(result.records["protocol_hash"]) == {chosen.hash}
    with pytest.raises(InputError, match="landmarks: a protocol object is used as it is"):
        gmbench.evaluate(sketches / "near", metrics="cpbd", protocol=chosen, landmarks="fan")


def test_score_gives_the_numbers_of_one_pair(evaluated, sketches, tmp_path):
    names = ["psnr", "cpbd", "pcm", "ba_m2a", "sync_corr"]
    pair = [sketches / method / "S000" / "000.mp4" for method in ("near", "reference")]
    given = gmbench.score(*pair, names, landmarks="sidecar", pose="mediapipe", store=tmp_path)
    clip = evaluated.records[(evaluated.records["method"] == "near") & (evaluated.records["clip"] == "S000/000")]
    expected = dict(zip(clip["metric"], clip["value"], strict=True))
    assert {key: value for key, value in given.items() if "sync_corr" not in key} == {
        key: expected[key] for key in ("psnr", "cpbd", "pcm_fb:sketch", "ba_m2a_fb:sketch")
    }
    with pytest.warns(GmbenchWarning, match="no value of ba_m2a.*beats"):
        values = gmbench.score(pair[0], metrics="ba_m2a", audio=_silence(tmp_path), landmarks="sidecar", store=tmp_path)
    assert np.isnan(list(values.values())).all()


def _silence(folder):
    path = folder / "silence.wav"
    write_audio(path, np.zeros(38400, np.int16))
    return path


def test_arguments_that_mean_nothing_are_refused(sketches):
    with pytest.raises(InputError, match="device cuda:99: "):
        gmbench.evaluate(sketches / "near", device="cuda:99")
    with pytest.raises(InputError, match="unknown device 'gpu'"):
        gmbench.score(sketches / "near", device="gpu")
    with pytest.raises(InputError, match="did you mean psnr"):
        gmbench.evaluate(sketches / "near", sketches / "reference", "pnsr")
    with pytest.raises(InputError, match="no such file"):
        gmbench.score(sketches / "nothing.mp4")
    with pytest.raises(InputError, match="nothing to evaluate"):
        gmbench.evaluate()


def test_list_metrics_says_what_there_is():
    table = gmbench.list_metrics().set_index("name")
    assert table.loc["m_lmd", ["title", "group", "package"]].to_list() == ["M-LMD", "lips", "gmbench"]
    assert set(gmbench.list_metrics("Lips")["group"]) == {"lips"}


SCRIPT = """
import sys, warnings
warnings.simplefilter("ignore")
import gmbench
result = gmbench.evaluate({videos!r}, {reference!r}, "psnr", workers={workers}, store={store!r})
print("rows", len(result.records))
"""


@pytest.mark.parametrize("workers", [1, pytest.param(2, marks=pytest.mark.slow)])
def test_a_script_needs_no_main_guard(sketches, tmp_path, environment, workers):
    script = tmp_path / "script.py"
    script.write_text(SCRIPT.format(
        videos=str(sketches / "near"), reference=str(sketches / "reference"), workers=workers, store=str(tmp_path / "s")
    ))  # fmt: skip
    command = [sys.executable, script]
    done = subprocess.run(command, capture_output=True, text=True, env=environment, timeout=120, check=False)
    assert (done.returncode, done.stdout) == (0, "rows 6\n"), done.stderr
    assert done.stderr == ""
