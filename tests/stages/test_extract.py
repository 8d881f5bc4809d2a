"""The stage ``extract``: its report names what it left in the store, so that DVC scores again when that is another."""

import json
import shutil
from dataclasses import replace

import numpy as np
import pytest
import yaml

from gmbench import config
from gmbench.datasets import manifest
from gmbench.datasets.manifest import TEST, TUNE, ClipRow, with_split
from gmbench.evaluation.extraction import features
from gmbench.media import write_video
from gmbench.stages.evaluation_plan import make_plan
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


@pytest.mark.parametrize(("split", "clips"), [(TUNE, {"x"}), (TEST, {"y"}), ("all", {"x", "y"})])
def test_clips_that_choose_recipes_are_scored_apart_and_the_table_says_so(run, split, clips):
    (row,) = manifest.read(run.paths.cropped)
    other = replace(row, clip_id="d/a/y", video_path="y.mp4", split=TEST)
    manifest.write([with_split(row, TUNE), other], run.paths.cropped)
    shutil.copy(run.paths.crops / "x.mp4", run.paths.crops / "y.mp4")
    evaluation = run.params.evaluation.model_copy(update={"split": split})
    run = replace(run, params=run.params.model_copy(update={"evaluation": evaluation}))
    plan = make_plan(run, config.DatasetSection(kind="folder", root="none"))
    assert {clip.clip for clip in plan.clips} == clips
    said = [note for note in plan.warnings if "of split" in note]
    assert said == ([] if split == TEST else [f"d: numbers of the clips of split {split}, not of the test clips"])


def test_scoring_depends_on_the_report():
    stage = yaml.safe_load((ROOT / "dvc.yaml").read_text())["stages"]
    assert stage["extract"]["do"]["outs"] == ["results/${item}/extract.json"]
    assert "results/${item}/extract.json" in stage["score"]["do"]["deps"]
