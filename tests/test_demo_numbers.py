"""The comparison at the end of ``make demo``."""

import json
import sys

import pytest
import yaml

from gmbench import config
from gmbench.metrics.catalogue import SPECS
from tools import demo_numbers, dvc_deps
from tools.sources import ROOT


@pytest.fixture
def folder(tmp_path):
    """Metrics as the demo should give them."""
    entries = json.loads(demo_numbers.EXPECTED.read_text())
    for method in {entry["method"] for entry in entries}:
        means = {f"{e['metric']}_fb:corpus": {"mean": e["value"]} for e in entries if e["method"] == method}
        (tmp_path / f"{method}.json").write_text(json.dumps(means))
    return tmp_path


def _main(folder, monkeypatch, capsys):
    monkeypatch.setattr(sys, "argv", ["demo_numbers", str(folder)])
    return demo_numbers.main(), capsys.readouterr().out


def test_equal_numbers_agree(folder, monkeypatch, capsys):
    code, said = _main(folder, monkeypatch, capsys)
    assert code == 0
    assert "DIFFERS" not in said


def test_a_moved_and_a_missing_number_are_named(folder, monkeypatch, capsys):
    means = json.loads((folder / "still.json").read_text())
    means["psnr_fb:corpus"]["mean"] += 1
    del means["ssim_fb:corpus"]
    (folder / "still.json").write_text(json.dumps(means))
    (folder / "refit.json").unlink()
    code, said = _main(folder, monkeypatch, capsys)
    assert code == 1
    wrong = [line.split()[1:3] for line in said.splitlines() if line.startswith("DIFFERS")]
    entries = json.loads(demo_numbers.EXPECTED.read_text())
    of_refit = [entry["metric"] for entry in entries if entry["method"] == "refit"]
    assert of_refit
    assert wrong == [["still", "psnr"], ["still", "ssim"], *(["refit", metric] for metric in of_refit)]


def test_expected_numbers_are_of_the_demo():
    demo = config.load(ROOT / "gmbench" / "profiles" / "demo.yaml")
    methods = {*demo.methods, *demo.evaluation.controls}
    for entry in json.loads(demo_numbers.EXPECTED.read_text()):
        assert entry["method"] in methods
        assert entry["metric"] in SPECS
        assert entry["tolerance"] > 0


def test_the_last_run_in_the_repository_is_the_one_that_is_expected():
    """``dvc.lock`` and ``results/metrics`` stand for a run of the demo that gave the expected numbers."""
    lock = yaml.safe_load((ROOT / "dvc.lock").read_text("utf-8"))
    stages = {name.partition("@")[0] for name in lock["stages"]}
    assert stages == dvc_deps.stage_names(dvc_deps.DVC_FILE.read_text("utf-8").splitlines())
    expected = {(e["method"], e["metric"]): e for e in json.loads(demo_numbers.EXPECTED.read_text("utf-8"))}
    compared = 0
    for path in sorted((ROOT / "results" / "metrics" / "synth").glob("*.json")):
        for method, value in json.loads(path.read_text("utf-8")).items():
            entry = expected.get((method, path.stem.partition("_fb")[0]))
            if entry is not None:
                assert abs(value - entry["value"]) <= entry["tolerance"], (path.name, method)
                compared += 1
    assert compared >= 4
