"""Stage ``mattes``: the person of each training clip, white on black, where the user brings no mattes."""

import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from gmbench import job_cache, shards
from gmbench.config import DatasetSection
from gmbench.datasets import manifest
from gmbench.datasets.manifest import ClipRow
from gmbench.errors import InputError
from gmbench.face.segmenter import WEIGHTS, mediapipe_segmenter, segmenter_mattes
from gmbench.face.still_background import still_background_mattes
from gmbench.job_cache import Job, JobResult
from gmbench.media import Video
from gmbench.methods.pictures import own_matte
from gmbench.stages.paths import SYNTHETIC, DatasetPaths
from gmbench.stages.pipeline_run import PipelineRun, by_speaker, write_json
from gmbench.stages.render import pngs
from gmbench.store import digest, file_digest
from gmbench.weights import load_path
from gmbench.weights.files import find

MATTES_VERSION = 2
TRUTH, OWN, SEGMENTER, STILL = "truth", "own", "segmenter", "still"


@dataclass(frozen=True)
class _Task:
    source: str
    video: Path
    landmarks: Path
    speaker: str
    clip_id: str


def mattes(run: PipelineRun, section: DatasetSection) -> None:
    """Find the person in every frame of the training clips, one shard per speaker; what fails has its reason.

    Nothing is looked for where nothing is trained, where the corpus' own masks are used, or where only the user's own
    mattes are. Own ones, ``work/<dataset>/mattes/<clip>.mp4``, go before those found here.
    """
    source = matte_source(section)
    trains = run.params.trained and not section.models_of and source not in (TRUTH, OWN)
    rows = [row for row in manifest.read(run.paths.cropped) if row.split == manifest.TRAIN] if trains else []
    rows = [row for row in rows if not own_matte(run.paths.crops, row).exists()]
    seen = {speaker: _landmark_digest(run.paths, speaker) for speaker in {row.speaker for row in rows}}
    weights = load_path(WEIGHTS)[1] if source == SEGMENTER and rows else ""
    jobs = []
    for row in rows:
        content = file_digest(run.paths.crops / row.video_path), seen[row.speaker]
        key = digest("matte", MATTES_VERSION, source, weights, row.clip_id, *content)
        jobs.append(Job(row.clip_id, key, _task(run.paths, source, row)))
    shutil.rmtree(run.paths.found_mattes, ignore_errors=True)  # nothing of an earlier source stays
    run.paths.found_mattes.mkdir(parents=True)
    failures = run.run_jobs(find_person, jobs)
    shares = []
    for speaker, group in by_speaker(rows, jobs, failures).items():
        shares += [job_cache.load(run.store, job).meta["share"] for _, job in group]
        parts = ((row.clip_id, {"png": pngs(run.store, job)}) for row, job in group)
        shards.write(run.paths.found_mattes, speaker, parts)
    write_json(run.paths.work / "mattes.json", {
        "source": source, "clips": len(rows) - len(failures), "failed": failures,
        "share": round(float(np.mean(shares)), 3) if shares else None,
    })  # fmt: skip


def matte_source(section: DatasetSection) -> str:
    """Where a dataset's mattes come from: ``truth``, ``own``, ``segmenter`` or ``still``."""
    if section.mattes != "auto":
        return section.mattes
    if section.kind in SYNTHETIC:
        return TRUTH
    return SEGMENTER if find(WEIGHTS) is not None else STILL


def find_person(task: _Task) -> JobResult:
    """PNG bytes of each frame's matte; ``share`` of the pictures that the person covers."""
    video = Video(task.video)
    mesh = shards.read(task.landmarks, task.speaker, task.clip_id, ["mesh"])["mesh"]
    parts, covered = [], 0.0
    for matte in _found(task.source, video, mesh):
        parts.append(np.asarray(cv2.imencode(".png", matte)[1], np.uint8).ravel())
        covered += float(matte.mean()) / 255
    return (
        {"png": np.concatenate(parts), "ends": np.cumsum([len(part) for part in parts])},
        {"share": covered / video.info.frames},
    )


def _found(source: str, frames: Video, mesh: NDArray[np.float32]) -> Iterator[NDArray[np.uint8]]:
    if source == STILL:
        yield from still_background_mattes(frames, mesh)
        return
    with mediapipe_segmenter() as segment:
        yield from segmenter_mattes(frames, mesh, segment)


def _task(paths: DatasetPaths, source: str, row: ClipRow) -> _Task:
    return _Task(source, paths.crops / row.video_path, paths.landmarks, row.speaker, row.clip_id)


def _landmark_digest(paths: DatasetPaths, speaker: str) -> str:
    shard = shards.shard_path(paths.landmarks, speaker)
    if not shard.exists():
        raise InputError(f"{shard}: no landmarks of {speaker}; run the stage landmarks")
    return file_digest(shard)
