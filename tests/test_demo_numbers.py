"""The comparison at the end of ``make demo``."""

import json
import sys

import pytest

from gmbench import config
from gmbench.metrics.catalogue import SPECS
from tools import demo_numbers
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
