"""Stage ``landmarks``: FaceMesh landmarks of every frame of the crops."""

from collections.abc import Iterator
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from gmbench import job_cache, shards
from gmbench.config import DatasetSection
from gmbench.datasets import manifest
from gmbench.datasets.manifest import ClipRow
from gmbench.devices import current, key, networks_on
from gmbench.errors import MediaError
from gmbench.face.faces import MESH, shown
from gmbench.face.following import followed
from gmbench.face.landmarks import backend
from gmbench.job_cache import Job, JobResult
from gmbench.media import Video
from gmbench.shards import Columns
from gmbench.stages.paths import EXTRACTORS
from gmbench.stages.pipeline_run import PipelineRun, by_speaker, write_json
from gmbench.store import digest, file_digest

LANDMARKS_VERSION = 2


def landmarks(run: PipelineRun, section: DatasetSection) -> None:
    """FaceMesh landmarks of every frame of the crops, one shard per speaker."""
    rows = manifest.read(run.paths.cropped)
    detector = backend(section.landmarks)
    weights = detector.weights_sha256()
    device = key(run.device) if detector.on_device else ()
    detector_facts = (detector.name, detector.version, weights)
    jobs = []
    for row in rows:
        path = run.paths.crops / row.video_path
        content = digest("mesh", LANDMARKS_VERSION, *detector_facts, file_digest(path), *device)
        jobs.append(Job(row.clip_id, content, (path, section.landmarks)))
    failures = run.run_jobs(detect, jobs)
    frames_with_face = 0
    for speaker, group in by_speaker(rows, jobs, failures).items():
        found: list[int] = []
        shards.write(run.paths.landmarks, speaker, _meshes(run, group, found))
        frames_with_face += sum(found)
    total = sum(row.n_frames for row in rows)
    networks = {
        p.name: file_digest(p) for p in sorted(EXTRACTORS.glob("*.safetensors"))
    }  # the stage extract depends on this report
    report = {"frames": total, "with_face": frames_with_face, "failed": failures, "extractors": networks}
    write_json(run.paths.work / "landmarks.json", report)


def _meshes(run: PipelineRun, group: list[tuple[ClipRow, Job]], found: list[int]) -> Iterator[tuple[str, Columns]]:
    """Landmarks of clips, one clip in memory at a time; frames with a face of each are added to ``found``."""
    for row, job in group:
        mesh = job_cache.load(run.store, job).arrays["mesh"]
        found.append(int(np.isfinite(mesh).any(axis=(1, 2)).sum()))
        yield row.clip_id, {"mesh": mesh}


def detect(argument: tuple[Path, str]) -> JobResult:
    """Landmarks (T, 478, 2) of the face that is followed through the clip, NaN in frames without it."""
    path, name = argument
    meshes: list[list[NDArray[np.float32]]] = []
    with backend(name).open(networks=networks_on(current())) as detector:
        for frame in shown(detector, Video(path)):
            faces = detector(frame)
            if any(face.mesh is None for face in faces):
                raise MediaError(f"{path}: landmark backend {name} gives no 478 points for the fit; use mediapipe")
            meshes.append([np.asarray(face.mesh, np.float32) for face in faces])
    boxes = np.full((len(meshes), max(map(len, meshes), default=0), 4), np.nan)
    for t, found in enumerate(meshes):
        for k, mesh in enumerate(found):
            boxes[t, k] = np.r_[np.nanmin(mesh, axis=0), np.nanmax(mesh, axis=0)]
    none = np.full((MESH, 2), np.nan, np.float32)
    face, _ = followed(boxes)
    return {"mesh": np.stack([found[k] if k >= 0 else none for k, found in zip(face, meshes, strict=True)])}, {}
