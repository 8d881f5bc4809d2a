"""Videos drawn from coefficients by the rasteriser: the ceiling of methods that go through the face model."""

import functools
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from gmbench.config import DatasetSection
from gmbench.datasets import manifest
from gmbench.datasets.manifest import ClipRow
from gmbench.job_cache import Job, JobResult
from gmbench.media import Video, encode_video, read_audio
from gmbench.methods import render
from gmbench.morphable import coefficient_io
from gmbench.shards import shard_path
from gmbench.stages.paths import SYNTHETIC
from gmbench.stages.pipeline_run import ModelSource, PipelineRun, write_videos
from gmbench.store import digest, file_digest

RENDERED_VIDEOS_VERSION = 3
BACKGROUND_CLIPS, BACKGROUND_EVERY = 6, 12
"""Clips, and every how many frames of each, that a speaker's background is the median of."""


@dataclass(frozen=True)
class _Task:
    model: ModelSource
    source: render.CoefficientSource
    sound: Path
    background: tuple[Path, ...]
    size: int


def generate_renders(run: PipelineRun, section: DatasetSection, method: str, rows: list[ClipRow]) -> dict[str, str]:
    """Draw clips from their coefficients, the corpus' true ones for ``render``; reasons by clip of what failed."""
    model = run.face_model()
    root = Path(section.root)
    truth = root if method == "render" and section.kind in SYNTHETIC else None
    clips = {row.speaker: _background_clips(run, row.speaker) for row in rows}
    drawn_from = {
        speaker: [file_digest(path) for path in (*paths, *_coefficient_files(run, speaker, truth))]
        for speaker, paths in clips.items()
    }
    jobs = []
    for row in rows:
        sound = run.paths.crops / row.video_path
        source = render.CoefficientSource(run.paths.coefficients, truth, row.speaker, row.clip_id)
        inputs = (row.clip_id, file_digest(sound), section.size, drawn_from[row.speaker])
        key = digest("generate", RENDERED_VIDEOS_VERSION, method, model.digest, *inputs)
        jobs.append(Job(row.clip_id, key, _Task(model, source, sound, clips[row.speaker], section.size)))
    failures = run.run_jobs(render_video, jobs)
    write_videos(run, method, rows, jobs, failures)
    return failures


def render_video(task: _Task) -> JobResult:
    """The bytes of a rendered clip with the sound of its reference."""
    frames = render.frames(task.model.load(), task.source, task.size, _background(task.background))
    video = encode_video(frames, read_audio(task.sound), crf=12, generated_by="a rasteriser of face models")
    return {"video": np.frombuffer(video, np.uint8)}, {}


def _coefficient_files(run: PipelineRun, speaker: str, truth: Path | None) -> tuple[Path, ...]:
    """Files that a speaker's coefficients are read from."""
    if truth is not None:
        folder = truth / "truth"
        return folder / "speakers.parquet", shard_path(folder / "frames", speaker)
    folder = run.paths.coefficients
    return folder / coefficient_io.SPEAKERS, shard_path(folder, speaker)


def _background_clips(run: PipelineRun, speaker: str) -> tuple[Path, ...]:
    """Clips that a speaker's background is taken from: training ones, or all where there are none."""
    rows = [row for row in manifest.read(run.paths.cropped) if row.speaker == speaker]
    training = [row for row in rows if row.split == manifest.TRAIN] or rows
    return tuple(
        run.paths.crops / row.video_path
        for row in training[:: max(1, len(training) // BACKGROUND_CLIPS)][:BACKGROUND_CLIPS]
    )


@functools.lru_cache(maxsize=4)
def _background(clips: tuple[Path, ...]) -> NDArray[np.uint8]:
    """The median of a speaker's frames: background and shoulders, the head blurred."""
    frames = [frame for path in clips for t, frame in enumerate(Video(path)) if t % BACKGROUND_EVERY == 0]
    return np.asarray(np.median(np.stack(frames), axis=0), np.uint8)
