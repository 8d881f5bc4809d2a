"""Stage ``render``: pictures of the coefficients."""

import json
from pathlib import Path

import cv2
import numpy as np

from gmbench import job_cache, shards
from gmbench.config import DatasetSection
from gmbench.datasets import manifest
from gmbench.job_cache import Job, JobResult
from gmbench.morphable import coefficient_io
from gmbench.morphable.render import Renderer
from gmbench.stages.fit import training_coefficients
from gmbench.stages.pipeline_run import ModelSource, PipelineRun, by_speaker, write_json
from gmbench.store import Store, digest, file_digest

RENDER_VERSION = 1


def render(run: PipelineRun, section: DatasetSection) -> None:
    """Renderings of training clips' coefficients under the canonical light, PNG bytes, one shard per speaker.

    Methods learn from them; what is generated is drawn from coefficients where it is generated.
    """
    rows = [row for row in manifest.read(run.paths.cropped) if row.split == manifest.TRAIN]
    run.paths.renders.mkdir(parents=True, exist_ok=True)  # of a dataset for tests alone it stays empty
    source = run.face_model()
    settings, folder = run.params.render, training_coefficients(run, section)
    jobs, kept = [], []
    fitted = {row["clip"] for row in json.loads((run.paths.work / "fit.json").read_text("utf-8"))["per_clip"]}
    digests = {s: file_digest(shards.shard_path(folder, s)) for s in {r.speaker for r in rows if r.clip_id in fitted}}
    for row in rows:
        if row.clip_id not in fitted:
            continue
        key = digest("render", RENDER_VERSION, source.digest, settings.model_dump(), row.clip_id, digests[row.speaker])
        jobs.append(
            Job(
                row.clip_id,
                key,
                (source, folder, row.speaker, row.clip_id, settings.size, settings.maps),
            )
        )
        kept.append(row)
    failures = run.run_jobs(render_clip, jobs)
    for speaker, group in by_speaker(kept, jobs, failures).items():
        shards.write(run.paths.renders, speaker, ((row.clip_id, {"png": pngs(run.store, job)}) for row, job in group))
    write_json(run.paths.work / "render.json", {"clips": len(jobs) - len(failures), "failed": failures})


def pngs(store: Store, job: Job) -> list[bytes]:
    """PNG files that a job left behind one another in its array ``png``, ending at ``ends``."""
    arrays = job_cache.load(store, job).arrays
    data, ends = arrays["png"].tobytes(), arrays["ends"]
    return [data[a:b] for a, b in zip([0, *ends[:-1]], ends, strict=True)]


def render_clip(argument: tuple[ModelSource, Path, str, str, int, tuple[str, ...]]) -> JobResult:
    """PNG bytes of each frame's maps, stacked below one another."""
    source, folder, speaker, clip_id, size, maps = argument
    model = source.load()
    person, track = coefficient_io.read_speaker(folder, speaker), coefficient_io.read(folder, speaker, clip_id)
    renderer = Renderer(model, person["shape"], person["texture"], size)
    full = model.join(track["beta"], track["rho"][:, 10:12])
    parts = []
    for image in renderer.frames(full, track["rho"], maps=maps):
        stacked = np.concatenate(np.split(image, len(maps), axis=-1), axis=0)
        parts.append(np.asarray(cv2.imencode(".png", stacked[..., ::-1])[1], np.uint8).ravel())
    return {"png": np.concatenate(parts), "ends": np.cumsum([len(part) for part in parts])}, {}
