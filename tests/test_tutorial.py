"""The tutorial's numbers are what its commands print, of the real clips and blurs that it names."""

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import cv2
import numpy as np
import pytest

from gmbench.media import Video, read_audio, write_video
from tests.shared import REAL, needs_real_clips

PAGE = Path(__file__).parents[1] / "docs" / "tutorial.md"
CLIPS = ("lsp_may_5s", "hdtf_katiehill_000", "vr_face1_22fps", "vr_face4_30fps", "feifeili_clip1", "obama_20s")
BLURS = {"ours": 1.0, "other": 3.0}


def row(text, metric):
    """All numbers in the first line of a table's text that begins with a metric's title."""
    return re.findall(r"[\d.]+|∞", next(line for line in text.splitlines() if line.strip().startswith(metric + " ")))


@needs_real_clips
@pytest.mark.slow
def test_the_tutorial_shows_what_is_printed(tmp_path, environment):
    for name in CLIPS:
        (tmp_path / "real").mkdir(exist_ok=True)
        for path in REAL.glob(f"{name}.*"):
            if path.suffix in (".mp4", ".wav"):
                shutil.copy(path, tmp_path / "real")
        video, sound = REAL / f"{name}.mp4", REAL / f"{name}.wav"
        for method, sigma in BLURS.items():
            (tmp_path / method).mkdir(exist_ok=True)
            blurred = (cv2.GaussianBlur(np.asarray(frame), (0, 0), sigma) for frame in Video(video))
            write_video(tmp_path / method / video.name, blurred, read_audio(sound if sound.exists() else video))

    def printed(command):
        words = [sys.executable, "-m", "gmbench", *command.split()]
        paths = environment | {"PYTHONPATH": os.pathsep.join(sys.path), "COLUMNS": "240"}
        return subprocess.run(words, cwd=tmp_path, env=paths, capture_output=True, text=True, check=True).stdout

    blocks = re.split(r"^    \$ gmbench ", PAGE.read_text("utf-8"), flags=re.MULTILINE)[1:]
    shown = {block.split()[0]: block for block in blocks}
    first = printed("eval --videos ours --reference real --metrics psnr,ssim --controls ground_truth,still --out try")
    for metric in ("PSNR ↑", "SSIM ↑"):
        assert row(first, metric) == row(shown["eval"], metric)
    printed("eval --videos ours --videos other --reference real --controls ground_truth,still --metrics psnr,ssim,cpbd")
    table = printed("table --metrics psnr,cpbd")
    for metric in ("PSNR ↑", "CPBD →"):
        assert row(table, metric) == row(shown["table"], metric)
    assert row(printed("compare ours other --metrics ssim"), "SSIM ↑") == row(shown["compare"], "SSIM ↑")
