"""The stage ``ingest`` on a folder of one clip."""

import json

import numpy as np
from scipy.io import wavfile

from gmbench import config
from gmbench.datasets import manifest
from gmbench.media import write_video
from gmbench.stages.ingest import ingest
from gmbench.stages.paths import DatasetPaths
from gmbench.stages.pipeline_run import PipelineRun
from gmbench.store import Store
from tests.pipeline.project import ROOT


def test_a_folder_becomes_a_manifest_and_a_report(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    frames = np.zeros((10, 64, 64, 3), np.uint8)
    (tmp_path / "raw").mkdir()
    write_video(tmp_path / "raw" / "clip.mp4", frames)
    tone = 8000 * np.sin(np.arange(6_400) / 10)  # as long as the picture
    wavfile.write(tmp_path / "raw" / "clip.wav", 16_000, tone.astype(np.int16))
    section = config.DatasetSection(kind="folder", root="raw")
    run = PipelineRun(config.load(ROOT / "params.yaml"), DatasetPaths("mine"), Store(tmp_path / "store"), quiet=True)
    ingest(run, section)
    (row,) = manifest.read(run.paths.manifest)
    assert (row.dataset, row.video_path) == ("mine", "clip.mp4")
    report = json.loads((run.paths.work / "ingest.json").read_text())
    assert (report["clips"], report["problems"]) == (1, {})
