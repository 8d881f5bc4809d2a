"""All stages of one dataset in this process, as ``dvc repro`` runs them one by one, without DVC."""

import json
import time
from collections.abc import Callable
from pathlib import Path

from gmbench import params_check
from gmbench.config import DatasetSection
from gmbench.executor import kept_workers
from gmbench.methods.registry import System
from gmbench.progress import duration
from gmbench.stages.audio import audio
from gmbench.stages.crop import crop
from gmbench.stages.extract import extract
from gmbench.stages.face_model import face_model
from gmbench.stages.fit import fit
from gmbench.stages.generate import generate
from gmbench.stages.ingest import ingest
from gmbench.stages.landmarks import landmarks
from gmbench.stages.mattes import mattes
from gmbench.stages.pipeline_run import PipelineRun
from gmbench.stages.render import render
from gmbench.stages.report import report
from gmbench.stages.score import score
from gmbench.stages.train import CARD, model_folder
from gmbench.stages.training_check import require_trainable
from gmbench.stages.training_pool import train_systems

Stage = tuple[str, Callable[[], object]]


def prepare(run: PipelineRun, say: Callable[[str], None]) -> None:
    """All stages before the training; then what that will need is looked for.

    Raises:
        InputError: a stage failed, or the training lacks something.
    """
    params_check.require(run.params)
    section = run.params.datasets[run.paths.dataset]
    stages: list[Stage] = [
        ("face model", lambda: face_model(run)),
        ("ingest: the videos are checked", lambda: ingest(run, section)),
        ("crop", lambda: crop(run, section)),
        ("landmarks: faces are found", lambda: landmarks(run, section)),
        ("fit: the face model is fitted", lambda: fit(run, section)),
        ("audio", lambda: audio(run)),
        ("render: the fits are drawn", lambda: render(run, section)),
        ("mattes: the person is found", lambda: mattes(run, section)),
    ]
    _run_all(stages, say)
    require_trainable(run, section, run.params.trained)


def train_and_judge(run: PipelineRun, say: Callable[[str], None]) -> None:
    """Training, videos of the test clips, scores, and the page."""
    section = run.params.datasets[run.paths.dataset]
    stages: list[Stage] = [("train", lambda: train_systems(run, section, run.params.trained))]
    stages += [(f"generate: {name}", _generating(run, section, name)) for name in run.params.methods]
    stages += [
        ("extract: what metrics need", lambda: extract(run, section)),
        ("score", lambda: score(run, section)),
        ("report", lambda: report(run)),
    ]
    _run_all(stages, say)


def share_used(run: PipelineRun) -> str:
    """How much of the training clips was learnt from, in words; empty where nothing was trained."""
    for name in run.params.trained:
        path = model_folder(run.paths.dataset, System.parse(name)) / CARD
        clips = json.loads(path.read_text("utf-8")).get("clips", {}) if path.exists() else {}
        if clips.get("frames"):
            return (
                f"{clips['used'] / clips['frames']:.1%} of {clips['frames']} training frames show a face and are used"
            )
    return ""


def _generating(run: PipelineRun, section: DatasetSection, name: str) -> Callable[[], object]:
    return lambda: generate(run, section, name)


def _run_all(stages: list[Stage], say: Callable[[str], None]) -> None:
    with kept_workers():
        for name, work in stages:
            began = time.monotonic()
            work()
            say(f"{name}: {duration(time.monotonic() - began)}")


def previews_of(run: PipelineRun, folder: Path) -> list[Path]:
    """Pictures of the trainings of a dataset, below the folder of all previews."""
    return sorted((folder / run.paths.dataset).rglob("*.jpg"))
