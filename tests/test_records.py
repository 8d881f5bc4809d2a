"""What ``records``, ``table``, ``compare`` and ``report`` read, remove, keep apart and refuse to overwrite."""

import json
import multiprocessing
import shutil

import numpy as np
import pandas as pd
import pytest
import yaml

from gmbench.evaluation.results import compared_files, records, references, result_folder
from gmbench.reporting.found_records import find
from gmbench.reporting.removed_results import remove
from gmbench.reporting.saved_results import TABLE, save_results
from tests.evaluation.test_references import clips, of
from tools.sources import ROOT

VALUES = np.random.default_rng(0).normal(20, 4, 12)


def save(folder, *tables):
    for table in tables:
        save_results(folder, table, {"dataset": "d"}, None)


def made(method, prefix="x", **changes):
    """Twelve clips of a method; the files of its videos follow its name."""
    return of(method, clips(prefix, 12), **changes).assign(
        generated_sha256=lambda t: [method + clip for clip in t["clip"]]
    )


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """A user's folder with results of two methods on one dataset, and of one on another."""
    monkeypatch.chdir(tmp_path)
    save(tmp_path / "gmbench-results", made("a"), made("b", start=5.0), made("a", "z", dataset="other"))
    files = [dict.fromkeys(compared_files.COLUMNS, "") | {"dataset": d, "method": m, "clip": f"c{n}"}
             for d, m in (("d", "a"), ("d", "b"), ("other", "a")) for n in range(2)]  # fmt: skip
    compared_files.save(tmp_path / "gmbench-results", pd.DataFrame(files))
    return tmp_path / "gmbench-results"


def test_list_shows_what_is_there_with_its_date(call, folder):
    code, out, _ = call("records", "list", "--json")
    rows = json.loads(out)["rows"]
    assert code == 0
    assert [(row["dataset"], row["method"], row["clips"]) for row in rows] == [
        ("d", "a", 12), ("d", "b", 12), ("other", "a", 12),
    ]  # fmt: skip
    assert rows[0]["references"] == rows[1]["references"] != rows[2]["references"]
    assert all(row["time"] for row in rows)
    code, out, _ = call("records", "list", "--method", "b")
    assert code == 0
    assert "other" not in out


def test_drop_leaves_what_was_never_joined(call, folder, tmp_path):
    save(tmp_path / "alone", made("a"), made("a", "z", dataset="other"))
    code, out, _ = call("records", "drop", "--method", "b", "--dry-run", "--json")
    assert code == 0
    assert [row["method"] for row in json.loads(out)["rows"]] == ["b"]
    assert set(records.read(folder)["method"]) == {"a", "b"}
    code, out, _ = call("records", "drop", "--method", "b")
    assert code == 0
    assert "removed from gmbench-results" in out
    for name in (records.FILE, TABLE):
        assert (folder / name).read_bytes() == (tmp_path / "alone" / name).read_bytes()
    assert set(compared_files.read(folder)["method"]) == {"a"}
    assert [e["method"] for e in result_folder.provenance(folder)["evaluated"]] == ["a", "a"]


def test_drop_by_dataset_protocol_and_date(call, folder):
    assert call("records", "drop", "--before", "2020-01-01")[0] == 2
    assert call("records", "drop", "--protocol", "h", "--dataset", "other")[0] == 0
    assert set(records.read(folder)["dataset"]) == {"d"}
    assert call("records", "drop", "--after", "2020-01-01")[0] == 0
    assert not (folder / records.FILE).exists()
    assert not (folder / TABLE).exists()


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ([], "say which records"),
        (["--method", "bb"], "no records of method 'bb'"),
        (["--method", "b", "--dataset", "other"], "no records fit all of this"),
        (["--before", "yesterday"], "expected a date such as"),
        (["--method", "b", "--records", "nowhere"], "nowhere: no such folder"),
        (["--method", "b", "--records", "results/d/scores"], "the pipeline's own records"),
    ],
)
def test_drop_refuses_what_fits_nothing(call, folder, tmp_path, arguments, message):
    records.write(tmp_path / "results/d/scores" / records.FILE, made("b"))
    before = (folder / records.FILE).read_bytes()
    code, _, err = call("records", "drop", *arguments)
    assert code == 2
    assert message in err
    assert (folder / records.FILE).read_bytes() == before


def _save_one(folder, method):
    save(folder, made(method))


def test_processes_that_write_at_once_lose_nothing(tmp_path):
    names = [f"m{n}" for n in range(6)]
    processes = multiprocessing.get_context("forkserver")
    processes.set_forkserver_preload(["tests.test_records"])
    with processes.Pool(6) as pool:
        pool.starmap(_save_one, [(tmp_path, name) for name in names])
    assert sorted(records.read(tmp_path)["method"].unique()) == names
    remove(tmp_path, choice_of("m3"))
    assert len(result_folder.provenance(tmp_path)["evaluated"]) == 5


def choice_of(method):
    from gmbench.evaluation.results.listing import Choice

    return Choice(methods=[method])


def test_compare_takes_a_dataset_and_a_protocol(call, folder):
    other = made("b", "z", dataset="other", start=50.0)
    save(folder, other, made("a", protocol="eat", protocol_hash="e"), made("b", protocol="eat", protocol_hash="e"))

    def groups(*options):
        code, out, _ = call("compare", "a", "b", "--json", *options)
        assert code == 0
        return [(row["dataset"], row["protocol"]) for row in json.loads(out)["rows"]]

    assert groups() == [("d", "eat"), ("d", "full"), ("other", "full")]
    assert groups("--dataset", "other") == [("other", "full")]
    assert groups("--protocol", "e") == groups("--protocol", "eat") == [("d", "eat")]
    code, _, err = call("compare", "a", "b", "--protocol", "eatt")
    assert code == 2
    assert "did you mean eat" in err


def test_compare_of_other_references_says_so(call, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    save(tmp_path / "gmbench-results", made("a"), made("b", "y"))
    code, out, err = call("compare", "a", "b")
    assert code == 2
    assert out == ""
    assert "compared with different references" in err
    assert len(json.loads(call("table", "--json")[1])["rows"]) == 2
    tables = call("table", "--format", "md")[1].split("**d")
    assert [("| a |" in text, "| b |" in text) for text in tables[1:]] == [(True, False), (False, True)]


def test_the_pipelines_numbers_go_before_and_the_others_join(call, folder, tmp_path):
    scored = records.concatenate([made("a", start=70.0), made("ground_truth")])
    records.write(tmp_path / "results/d/scores" / records.FILE, scored)
    found = find()
    own = found.records[(found.records["dataset"] == "d") & (found.records["method"] == "a")]
    assert own["value"].min() == 70.0
    assert found.pipeline == ("d",)
    code, out, err = call("table", "--dataset", "d", "--json")
    assert code == 0
    assert {row["method"] for row in json.loads(out)["rows"]} == {"a", "b", "ground_truth"}
    assert "from gmbench-results: a, b" in err
    assert "in gmbench-results too, but the pipeline's numbers go before: a" in err
    code, _, err = call("table", "--like", "gmtalker-1")
    assert code == 0
    assert "dataset d, which the pipeline scores" in err


def test_numbers_of_other_videos_than_the_pipelines_are_left_out(folder, tmp_path):
    newer = made("a").assign(generated_sha256="new")
    records.write(tmp_path / "results/d/scores" / records.FILE, newer)
    save(folder, made("a", metric="ssim"))
    found = find()
    here = found.records[found.records["dataset"] == "d"]
    assert set(here.loc[here["method"] == "a", "metric"]) == {"psnr"}
    assert any("their videos are not the pipeline's" in note and note.endswith(": a") for note in found.notes)


def test_an_evaluation_does_not_write_into_the_pipelines_records(call, folder, sketches, tmp_path):
    own = tmp_path / "results/d/scores"
    records.write(own / records.FILE, made("a"))
    before = (own / records.FILE).read_bytes()
    code, _, err = call("eval", "--videos", sketches / "near", "--metrics", "cpbd", "--out", "results/d/scores")
    assert code == 2
    assert "the pipeline's own records" in err
    assert (own / records.FILE).read_bytes() == before


def test_results_of_another_dataset_of_the_pipelines_name_stay_apart(folder, tmp_path):
    records.write(tmp_path / "results/d/scores" / records.FILE, made("a", "pipeline"))
    names = set(find().records["dataset"])
    assert {"d", "other"} < names
    assert any(name.startswith("d~") for name in names)


def test_a_page_goes_into_no_folder_of_other_things(call, folder, tmp_path):
    videos = tmp_path / "videos"
    (videos / "data").mkdir(parents=True)
    (videos / "data" / "mine.csv").write_text("mine")
    code, _, err = call("report", "--out", videos, "--clips", "none")
    assert code == 2
    assert "holds other files (data) and no page" in err
    assert "--force" in err
    assert [path.name for path in videos.rglob("*")] == ["data", "mine.csv"]
    for _ in range(2):
        assert call("report", "--out", videos, "--clips", "none", "--force")[0] == 0
        assert (videos / "data" / "mine.csv").read_text() == "mine"
    assert (videos / "index.html").exists()


def test_a_page_is_written_anew_into_its_own_folder(call, folder, tmp_path):
    for _ in range(2):
        code, _, err = call("report", "--clips", "none")
        assert code == 0
        assert "page: gmbench-report/index.html" in " ".join(err.split())
    left = tmp_path / "gmbench-report" / "data" / "of-a-method-that-is-gone.js"
    left.write_text("")
    assert call("report", "--clips", "none")[0] == 0
    assert not left.exists()
    (tmp_path / "file").write_text("")
    assert call("report", "--out", tmp_path / "file")[0] == 2


def test_the_pipelines_page_is_not_written_by_hand(call, folder, tmp_path):
    shutil.copy2(ROOT / "params.yaml", tmp_path)
    records.write(tmp_path / "results/synth/scores" / records.FILE, made("a", dataset="synth"))
    page = tmp_path / "reports" / "index.html"
    page.parent.mkdir()
    page.write_text("the pipeline's")
    code, _, err = call("report", "--out", "reports")
    assert code == 2
    assert "the pipeline's own page" in err
    assert page.read_text() == "the pipeline's"


def test_profile_use_asks_before_it_overwrites(call, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert call("profile", "use", "smoke")[0] == 0
    edited = yaml.safe_load((tmp_path / "params.yaml").read_text()) | {"seed": 3}
    (tmp_path / "params.yaml").write_text(yaml.safe_dump(edited))
    code, _, err = call("profile", "use", "demo")
    assert code == 2
    assert "--force" in err
    assert call("profile", "use", "demo", "--force")[0] == 0


def test_the_readers_own_folder_is_pointed_out(call, sketches, tmp_path):
    code, _, err = call(
        "eval", "--videos", f"ours={sketches / 'near'}", "--videos", f"same={sketches / 'near'}", "--videos",
        f"real={sketches / 'reference'}", "--reference", sketches / "reference", "--metrics", "psnr", "--out", tmp_path,
        "--controls", "ground_truth",
    )  # fmt: skip
    said = " ".join(err.split())
    assert code == 0
    assert "real: 6 of 6 clips (for example S000/000) are the reference's own files, byte for byte" in said
    assert said.count("ours and same: 6 of 6 clips are the same files") == 1
    assert "ground_truth" not in said
    code, _, err = call("compare", "ours", "same", "--records", tmp_path)
    assert code == 0
    assert "ours and same: 6 of 6 clips are the same files" in " ".join(err.split())
    table = records.read(tmp_path)
    assert set(table.loc[table["clip"] != "*", "reference_sha256"].str.len()) == {64}
    assert references.warnings(table) == []
