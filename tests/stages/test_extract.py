"""The stage ``extract``: its report names what it left in the store, so that DVC scores again when that is another."""

import json

import numpy as np
import pytest
import yaml

from gmbench import config
from gmbench.datasets import manifest
from gmbench.datasets.manifest import ClipRow
from gmbench.evaluation.extraction import features
from gmbench.media import write_video
from gmbench.stages.extract import extract
from gmbench.stages.paths import DatasetPaths
from gmbench.stages.pipeline_run import PipelineRun
from gmbench.store import Store
from tools.sources import ROOT


@pytest.fixture
def run(tmp_path):
    """A dataset of one crop, beside a method's video of it."""
    params = yaml.safe_load(config.profiles()["smoke"])
    params["methods"] = ["ours"]
    params["evaluation"] = {"metrics": ["psnr"], "controls": [], "split": "all"}
    paths = DatasetPaths("d", tmp_path / "work", tmp_path / "results")
    manifest.write([ClipRow("d/a/x", "d", "a", "", 0, "x", "x.mp4", "")], paths.cropped)
    frames = np.random.default_rng(0).integers(0, 255, (5, 64, 64, 3), np.uint8)
    write_video(paths.crops / "x.mp4", frames)
    paths.videos("ours").mkdir(parents=True)
    write_video(paths.videos("ours") / "x.mp4", frames[::-1])
    return PipelineRun(config.Params.model_validate(params), paths, Store(tmp_path / "store"), quiet=True)


def _report(run):
    extract(run, config.DatasetSection(kind="folder", root="none"))
    return json.loads(run.paths.extracted.read_text())


def test_the_report_changes_with_videos_and_versions_alone(run, monkeypatch):
    first = _report(run)
    assert first["failures"] == {}
    assert _report(run) == first
    write_video(run.paths.videos("ours") / "x.mp4", np.zeros((5, 64, 64, 3), np.uint8))
    second = _report(run)
    assert second["features"] != first["features"]
    monkeypatch.setattr(features, "MEDIA_VERSION", features.MEDIA_VERSION + 1)
    third = _report(run)
    assert third["features"] not in (first["features"], second["features"])
    assert {**third, "features": ""} == {**first, "features": ""}


def test_scoring_depends_on_the_report():
    stage = yaml.safe_load((ROOT / "dvc.yaml").read_text())["stages"]
    assert stage["extract"]["do"]["outs"] == ["results/${item}/extract.json"]
    assert "results/${item}/extract.json" in stage["score"]["do"]["deps"]
