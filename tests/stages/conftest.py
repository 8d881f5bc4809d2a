"""Runs of two clips, for the tests of several stages."""

from dataclasses import replace

import numpy as np
import pytest
import yaml

from gmbench import config
from gmbench.datasets import manifest
from gmbench.media import SAMPLES_PER_FRAME, write_video
from gmbench.stages.paths import DatasetPaths
from gmbench.stages.pipeline_run import PipelineRun
from gmbench.store import Store
from tests.stages.two_clips import FRAMES, SIDE, rows


@pytest.fixture
def run_of_two_clips(tmp_path, monkeypatch):
    """A run of two clips, with folders of checkpoints."""
    monkeypatch.chdir(tmp_path)
    params = config.Params.model_validate(yaml.safe_load(config.profiles()["smoke"]))
    section = config.DatasetSection(kind="folder", root=str(tmp_path))
    params = params.model_copy(update={"workers": 1, "datasets": {"d": section}})
    paths = DatasetPaths("d", tmp_path / "work", tmp_path / "results")
    paths.crops.mkdir(parents=True)
    manifest.write(rows(), paths.cropped)
    for row in rows():
        grey = [np.full((SIDE, SIDE, 3), 90, np.uint8)] * FRAMES
        write_video(paths.crops / row.video_path, grey, np.zeros(FRAMES * SAMPLES_PER_FRAME, np.int16))
    for system in ("gmtalker", "gmtalker-s2"):
        folder = tmp_path / "models" / "d" / system
        folder.mkdir(parents=True)
        (folder / "card.json").write_text("{}")
        (folder / "gmeg.safetensors").write_bytes(str(tmp_path).encode())  # weights that no other test loaded
    return PipelineRun(params, paths, Store(tmp_path / "store"), quiet=True)


@pytest.fixture
def run_of_all_clips(run_of_two_clips):
    """The run with all of its clips scored."""
    evaluation = run_of_two_clips.params.evaluation.model_copy(update={"split": "all"})
    return replace(run_of_two_clips, params=run_of_two_clips.params.model_copy(update={"evaluation": evaluation}))
