import json
import re
import shutil
import sys

import numpy as np
import pandas as pd
import pytest

from gmbench.commands import app
from gmbench.evaluation.results import records
from gmbench.evaluation.results import result_folder as evaluations
from tests.shared import REAL, needs_landmarker, needs_real_clips


@pytest.fixture(scope="module")
def results(sketches, tmp_path_factory):
    """Results of an evaluation of both sketched methods with two controls."""
    out = tmp_path_factory.mktemp("results")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("GMBENCH_STORE", str(out / "store"))
        arguments = [
            "eval", "--videos", f"near={sketches / 'near'}", "--videos", f"far={sketches / 'far'}",
            "--reference", sketches / "reference", "--landmarks", "sidecar", "--pose", "mediapipe",
            "--controls", "ground_truth,still", "--out", out, "--dataset", "sketch",
        ]  # fmt: skip
        patch.setattr(sys, "argv", ["gmbench", *map(str, arguments)])
        with pytest.raises(SystemExit) as stop:
            app.main()
    assert stop.value.code == 0
    return out


def test_eval_writes_records_provenance_and_table(results):
    table = pd.read_parquet(results / "records.parquet")
    assert set(table["method"]) == {"near", "far", "ground_truth", "still"}
    run = json.loads((results / "run.json").read_text())
    assert run["packages"]["numpy"] == np.__version__
    assert run["arguments"]["protocol"]["landmarks"] == "sidecar"
    assert any(note.startswith("left out, their files are not here") for note in run["warnings"])
    assert "| near |" in (results / "table.md").read_text()


def test_what_was_left_out_stays_in_the_folder(call, sketches, tmp_path):
    videos, out = tmp_path / "near", tmp_path / "out"
    shutil.copytree(sketches / "near", videos)
    first = min(videos.rglob("*.mp4"))
    shutil.copy2(first, first.with_name("alone.mp4"))
    code, _, err = call("eval", "--videos", videos, "--reference", sketches / "reference", "--metrics", "psnr",
                        "--out", out)  # fmt: skip
    assert code == 0
    assert "has no reference and is not scored" in " ".join(err.split())
    kept = evaluations.warnings(out)
    assert [note.rpartition(": ")[2] for note in kept] == [
        f"{first.parent.name}/alone has no reference and is not scored"
    ]
    evaluations.save(out, records.read(out), {"dataset": "sketch"})
    assert evaluations.warnings(out) == kept
    (out / "run.json").write_text("{")
    code, _, err = call("report", "--records", out, "--out", tmp_path / "page")
    assert code != 0
    assert "run.json: not the facts of a run" in " ".join(err.split())


def test_json_rows_have_the_promised_fields(call, sketches, tmp_path):
    code, out, _ = call(
        "eval", "--videos", sketches / "near", "--reference", sketches / "reference", "--metrics", "psnr,ssim",
        "--method", "ours", "--controls", "ground_truth", "--out", tmp_path / "out", "--json",
    )  # fmt: skip
    rows = json.loads(out)["rows"]
    assert code == 0
    assert {row["method"] for row in rows} == {"ours", "ground_truth"}
    promised = {"method", "dataset", "metric", "value", "low", "high", "n", "expected", "unit", "direction"}
    assert promised | {"protocol", "backend"} <= set(rows[0])
    assert next(r for r in rows if r["method"] == "ground_truth" and r["metric"] == "psnr")["value"] == "inf"


def test_methods_evaluated_later_join_the_table(call, sketches, tmp_path):
    for name in ("near", "far"):
        code, _, _ = call(
            "eval", "--videos", sketches / name, "--reference", sketches / "reference", "--metrics", "psnr",
            "--out", tmp_path,
        )  # fmt: skip
        assert code == 0
    code, out, _ = call("table", "--records", tmp_path, "--format", "md")
    assert code == 0
    assert "| near |" in out
    assert "| far |" in out


@pytest.mark.parametrize(
    ("form", "sign"), [("md", "**"), ("csv", "psnr_low"), ("latex", r"\toprule"), ("html", "<table>")]
)
def test_table_formats(call, results, form, sign):
    code, out, _ = call("table", "--records", results, "--format", form, "--metrics", "psnr,m_lmd")
    assert code == 0
    assert sign in out


def test_compare(call, results):
    code, out, _ = call("compare", "near", "far", "--records", results, "--metrics", "psnr", "--json")
    rows = {row["metric"]: row for row in json.loads(out)["rows"]}
    assert code == 0
    assert rows["psnr"]["low"] > 0
    assert (rows["psnr"]["better"], rows["psnr"]["reason"]) == ("", "too few speakers to tell")
    assert rows["psnr"]["unit_kind"] == "speakers"
    assert rows["psnr"]["p"] == 2 / 2 ** rows["psnr"]["units"]
    assert rows["psnr"]["n"] == rows["psnr"]["expected"] == 6
    assert {"method", "value", "low", "high", "protocol", "backend"} <= set(rows["psnr"])
    code, out, _ = call("compare", "near", "far", "--records", results)
    assert code == 0
    assert "too few speakers to tell" in " ".join(out.split())


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["eval", "--videos", "nowhere"], "nowhere: no such folder"),
        (["eval"], "--videos"),
        (["eval", "--videos", "{near}", "--metrics", "pnsr"], "did you mean psnr"),
        (["eval", "--videos", "{near}", "--metrics", "psnr"], "--reference"),
        (["eval", "--videos", "{near}", "--protocol", "eat12"], "did you mean eat128"),
        (["eval", "--videos", "{near}", "--controls", "stil"], "did you mean still"),
        (["eval", "--videos", "{near}", "--videos", "{near}"], "two methods are called 'near'"),
        (["eval", "--videos", "{near}", "--scheduler", "tcp://127.0.0.1:9", "--metrics", "cpbd"], "no dask scheduler"),
        (["compare", "near", "fra", "--records", "{results}"], "did you mean far"),
        (["compare", "a", "b", "--records", "nowhere"], "run 'gmbench eval"),
        (["table", "--records", "{results}", "--format", "mdd"], "did you mean md"),
        (["table", "--records", "{results}", "--metrics", "fid"], "no records of metric 'fid'"),
        (["metrics", "ssmi"], "did you mean ssim"),
        (["protocols", "fulll"], "did you mean full"),
        (["weights", "fetch", "face_landmark"], "did you mean face_landmarker"),
        (["weights", "fetch", "syncnet"], "syncnet_v2.model"),
        (["userstudy", "nowhere.csv"], "nowhere.csv"),
    ],
)
def test_errors_are_one_line_with_the_remedy(call, results, sketches, tmp_path, monkeypatch, arguments, message):
    monkeypatch.chdir(tmp_path)
    filled = [a.format(near=sketches / "near", results=results) for a in arguments]
    code, out, err = call(*filled)
    assert code > 0
    assert out == ""
    assert message in err
    assert "Traceback" not in err
    assert len([line for line in err.splitlines() if line.startswith("error:")]) == 1


def test_min_coverage_sets_the_exit_code(call, sketches, tmp_path):
    shutil.copytree(sketches / "near", tmp_path / "ours")
    (tmp_path / "ours" / "S000" / "000.mp4").unlink()
    arguments = ["eval", "--videos", tmp_path / "ours", "--reference", sketches / "reference", "--metrics", "psnr"]
    code, _, err = call(*arguments, "--out", tmp_path / "out", "--min-coverage", "0.9")
    assert code == 6
    assert "5 of 6 clips" in err
    assert "ours has no clip named S000/000" in err
    code, out, _ = call(*arguments, "--out", tmp_path / "out", "--min-coverage", "0.8")
    assert code == 0
    assert "(5/6)" in out


def test_missing_weights_leave_out_defaults_and_refuse_what_was_named(call, sketches, tmp_path, monkeypatch):
    monkeypatch.setenv("GMBENCH_WEIGHTS", str(tmp_path / "none"))
    arguments = ["eval", "--videos", sketches / "near", "--reference", sketches / "reference", "--out", tmp_path / "o"]
    code, out, err = call(*arguments)
    assert code == 0
    assert "left out for want of landmarks: m_lmd" in err
    assert f"put it into {tmp_path / 'none'}" in err
    assert "psnr" in out.casefold()
    code, _, err = call(*arguments, "--metrics", "m_lmd")
    assert code == 3
    assert "face_landmarker.task is missing" in err


def test_protocol_files(call, sketches, tmp_path):
    path = tmp_path / "mine.yaml"
    path.write_text("name: mine\ncrop: eat128\nlandmarks: sidecar\npose: pnp\n")
    arguments = ["eval", "--videos", sketches / "near", "--reference", sketches / "reference", "--out", tmp_path / "o"]
    code, out, _ = call(*arguments, "--protocol", path, "--metrics", "psnr", "--json")
    assert code == 0
    assert json.loads(out)["rows"][0]["protocol"] == "mine"
    path.write_text("name: mine\ncorp: eat128\n")
    code, _, err = call(*arguments, "--protocol", path)
    assert code == 2
    assert "corp" in err


def test_protocols_stand_in_tables_of_their_own(call, sketches, tmp_path):
    for name in ("full", "eat128"):
        call(
            "eval", "--videos", sketches / "near", "--reference", sketches / "reference", "--metrics", "psnr",
            "--landmarks", "sidecar", "--protocol", name, "--out", tmp_path,
        )  # fmt: skip
    code, out, _ = call("table", "--records", tmp_path, "--format", "md")
    assert code == 0
    assert re.findall(r"protocol (\w+)\+", out) == ["eat128", "full"]
    assert out.count("| near |") == 2
    code, _, err = call("table", "--records", tmp_path, "--like", "gmtalker-1")
    assert code == 5
    assert "choose one with --protocol" in err
    code, out, _ = call(
        "table", "--records", tmp_path, "--protocol", "eat128+landmarks=sidecar+pose=pnp", "--format", "md"
    )
    assert code == 0
    assert "| near |" in out


def test_lists(call):
    for command in ("metrics", "protocols", "methods", "doctor"):
        code, out, _ = call(command)
        assert code == 0
        assert out
        code, out, _ = call(command, "--json")
        assert code == 0
        assert json.loads(out)["rows"]
    code, out, _ = call("metrics", "pcm")
    assert "0.435" in out
    code, out, _ = call("weights", "list", "--json")
    assert {row["name"] for row in json.loads(out)["rows"]} >= {"face_landmarker", "syncnet", "fid_inception"}


def test_user_study(call, tmp_path):
    lines = ["rater,clip,method,aspect,value"]
    rng = np.random.default_rng(0)
    for rater in range(6):
        for clip in range(4):
            lines += [
                f"r{rater},c{clip},ours,sync,{rng.integers(4, 6)}",
                f"r{rater},c{clip},base,sync,{rng.integers(1, 4)}",
            ]
    path = tmp_path / "ratings.csv"
    path.write_text("\n".join(lines))
    code, out, _ = call("userstudy", path, "--json")
    rows = {row["method"]: row for row in json.loads(out)["rows"]}
    assert code == 0
    assert rows["ours"]["low"] > rows["base"]["high"]
    assert (rows["ours"]["n"], rows["ours"]["raters"], rows["ours"]["clips"]) == (24, 6, 4)
    path.write_text("\n".join([*lines[:3], "r1,c1,ours,sync,good"]))
    code, _, err = call("userstudy", path)
    assert code == 2
    assert "line 4: value 'good' is no number" in err
    path.write_text(
        "rater,clip,method,aspect,value\n"
        + "".join(
            f"r{r},c{c},{m},sync,{v}\n" for r in range(2) for c in range(4) for m, v in (("a", 1), ("b", int(c < 2)))
        )
    )
    code, out, _ = call("userstudy", path, "--kind", "preference", "--json")
    rows = {row["method"]: row for row in json.loads(out)["rows"]}
    assert rows["a"]["value"] == pytest.approx(100 * 8 / 12)
    path.write_text("rater,clip,method,aspect,value\n")
    assert call("userstudy", path)[0] == 2


def test_raters_see_no_names_and_the_key_gives_them_back(call, tmp_path):
    for method in ("ours", "base"):
        for clip in ("M1/happy", "M1/sad", "W2/sad"):
            path = tmp_path / method / f"{clip}.mp4"
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(f"{method} {clip}".encode())
    (tmp_path / "base" / "W2" / "sad.mp4").unlink()
    folders = [part for name in ("ours", "base") for part in ("--videos", f"{name}={tmp_path / name}")]
    sheet = ["studysheet", *folders, "--out", tmp_path / "study", "--aspects", "lip sync,quality"]
    code, _, err = call(*sheet)
    assert code == 0
    assert "4 videos" in err
    lines = (tmp_path / "study" / "sheet.csv").read_text().splitlines()
    assert len(lines) == 1 + 4 * 2
    assert not [line for line in lines if "ours" in line or "base" in line or "M1" in line]
    key = dict(line.split(",", 1) for line in (tmp_path / "study" / "key.csv").read_text().splitlines()[1:])
    for video, name in key.items():
        clip, method = name.split(",")
        assert (tmp_path / "study" / "videos" / f"{video}.mp4").read_text() == f"{method} {clip}"
    rated = [
        f"{rater}{line}{5 if 'ours' in key[line.split(',')[1]] else 2}" for rater in ("a", "b") for line in lines[1:]
    ]
    ratings = tmp_path / "study" / "ratings.csv"
    ratings.write_text("\n".join([lines[0], *rated]))
    code, out, _ = call("userstudy", ratings, "--json")
    assert {(row["method"], row["value"]) for row in json.loads(out)["rows"]} == {("ours", 5.0), ("base", 2.0)}
    ratings.write_text("\n".join([lines[0], "a,nothing,quality,3"]))
    code, _, err = call("userstudy", ratings)
    assert "line 2: video 'nothing' is not in key.csv" in err
    (tmp_path / "study" / "key.csv").unlink()
    assert "no key here" in call("userstudy", ratings)[2]
    assert "nothing is asked" in call(*sheet[:-1], " ")[2]
    assert "no videos of none" in call("studysheet", "--videos", f"none={tmp_path}/x", *sheet[5:])[2]


def test_demo_needs_nothing(call, tmp_path, monkeypatch):
    monkeypatch.setenv("GMBENCH_WEIGHTS", str(tmp_path / "none"))
    code, out, _ = call("demo", "--out", tmp_path / "demo", "--speakers", 2, "--clips", 1, "--json")
    rows = {(row["method"], row["metric"]): row for row in json.loads(out)["rows"]}
    assert code == 0
    assert rows["near", "psnr"]["value"] > rows["far", "psnr"]["value"]
    assert rows["ground_truth", "m_lmd_fb:sketch"]["value"] == 0


@needs_real_clips
@needs_landmarker
def test_real_pair_of_two_sizes(call, tmp_path):
    """The same take at 512 and 256 pixels: 33.8 dB with the antialiased resize (33.0 with an area mean)."""
    (tmp_path / "real").symlink_to(REAL)
    table = tmp_path / "pairs.csv"
    table.write_text(
        "clip,generated,reference\nlips,real/edtalk_demo_lip_pose_V_512.mp4,real/edtalk_demo_lip_pose_V.mp4\n"
    )
    code, out, _ = call("eval", "--pairs", table, "--metrics", "psnr,m_nlmd,pcm", "--out", tmp_path / "out", "--json")
    rows = {row["metric"]: row for row in json.loads(out)["rows"]}
    assert code == 0
    assert rows["psnr"]["value"] == pytest.approx(33.76, abs=0.1)
    assert rows["m_nlmd_fb:mediapipe"]["value"] < 1.5
    assert rows["pcm_fb:mediapipe"]["value"] > 0.9


def test_a_table_for_machines_has_all_metrics(call, results):
    _, out, _ = call("table", "--records", results, "--format", "csv")
    known = set(records.read(results / "records.parquet")["metric"])
    assert known <= set(out.splitlines()[0].split(","))
