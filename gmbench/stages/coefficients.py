"""Landmarks, fit and renderings: from crops to coefficients and back to pictures."""

import json
from collections import defaultdict
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from gmbench import fanout, shards
from gmbench.config import DatasetSection, FitSection
from gmbench.corpus.truth import Truth
from gmbench.datasets import manifest
from gmbench.datasets.manifest import Row
from gmbench.face.landmarks import MESH, backend
from gmbench.fanout import Job, Made
from gmbench.media import Video
from gmbench.morphable import fitting, texture, tracks
from gmbench.morphable.energy import LandmarkEnergy
from gmbench.morphable.landmark_sets import OUTER_EYE_CORNERS, SPARSE
from gmbench.morphable.render import Renderer
from gmbench.stages.layout import EVALUATORS
from gmbench.stages.run import ModelSource, Run, write_json
from gmbench.store import digest, file_digest

LANDMARKS_VERSION, FIT_VERSION, RENDER_VERSION = 1, 1, 1
IDENTITY_CLIPS = 6
"""Clips, neutral ones first, that a speaker's identity is taken from: other poses tell shape from expression."""
LIGHT_EVERY = 12
"""Light is estimated on every 12th frame and interpolated."""


def landmarks(run: Run, section: DatasetSection) -> None:
    """FaceMesh landmarks of every frame of the crops, a shard a speaker."""
    rows = manifest.read(run.layout.cropped)
    detector = backend(section.landmarks)
    weights = detector.weights_sha256()
    judge = (detector.name, detector.version, weights)
    jobs = []
    for row in rows:
        path = run.layout.crops / row.video_path
        key = digest("mesh", LANDMARKS_VERSION, *judge, file_digest(path))
        jobs.append(Job(row.clip_id, key, (path, section.landmarks)))
    failures = run.make_all(detect, jobs)
    found = 0
    for speaker, group in by_speaker(rows, jobs, failures).items():
        parts = [(row.clip_id, fanout.load(run.store, job).arrays) for row, job in group]
        found += sum(int(np.isfinite(arrays["mesh"]).any(axis=(1, 2)).sum()) for _, arrays in parts)
        shards.write(run.layout.landmarks, speaker, [(name, {"mesh": arrays["mesh"]}) for name, arrays in parts])
    total = sum(row.n_frames for row in rows)
    judged = {p.name: file_digest(p) for p in sorted(EVALUATORS.glob("*.safetensors"))}  # scoring waits for this file
    report = {"frames": total, "with_face": found, "failed": failures, "judges": judged}
    write_json(run.layout.work / "landmarks.json", report)


def detect(argument: tuple[Path, str]) -> Made:
    """Landmarks (T, 478, 2) of the largest face a frame, NaN without one."""
    path, name = argument
    video = Video(path)
    mesh = np.full((video.info.frames, MESH, 2), np.nan, np.float32)
    with backend(name).open() as detector:
        for t, frame in enumerate(video):
            faces = [face for face in detector(frame) if face.mesh is not None]
            if faces:
                mesh[t] = max(faces, key=lambda face: face.area).mesh
    return {"mesh": mesh}, {}


@dataclass(frozen=True)
class _Person:
    model: ModelSource
    fit: FitSection
    size: int
    landmarks: Path
    crops: Path
    speaker: str
    clips: tuple[tuple[str, str], ...]
    """Clips (clip_id, file) that the identity may be taken from, the neutral ones first."""


@dataclass(frozen=True)
class _Clip:
    person: _Person
    shape: NDArray[np.float64]
    texture: NDArray[np.float64]
    clip_id: str
    video: str


def fit(run: Run, section: DatasetSection) -> None:
    """Identity and texture once a speaker, coefficients of every frame."""
    rows = manifest.read(run.layout.cropped)
    source = run.face_model()
    groups: dict[str, list[Row]] = defaultdict(list)
    for row in rows:
        groups[row.speaker].append(row)
    people, jobs = {}, []
    for speaker, group in groups.items():
        ordered = sorted(group, key=lambda row: (row.emotion != "neutral", row.level, row.clip_id))
        chosen = tuple((row.clip_id, row.video_path) for row in ordered)
        people[speaker] = _Person(
            source, run.params.fit, section.size, run.layout.landmarks, run.layout.crops, speaker, chosen
        )
        content = file_digest(shards.shard_path(run.layout.landmarks, speaker))
        key = digest("identity", FIT_VERSION, source.digest, run.params.fit.model_dump(), section.size, content, chosen)
        jobs.append(Job(speaker, key, people[speaker]))
    failures = run.make_all(fit_person, jobs)
    clip_jobs: list[Job] = []
    fitted: list[Row] = []
    for job in jobs:
        if job.name in failures:
            continue
        arrays = fanout.load(run.store, job).arrays
        for row in groups[job.name]:
            task = _Clip(people[job.name], arrays["shape"], arrays["texture"], row.clip_id, row.video_path)
            clip_jobs.append(Job(row.clip_id, digest("fit", FIT_VERSION, job.key, row.clip_id), task))
            fitted.append(row)
    failures |= run.make_all(fit_clip, clip_jobs)
    speakers: list[dict[str, Any]] = []
    errors: list[dict[str, Any]] = []
    for speaker, members in by_speaker(fitted, clip_jobs, failures).items():
        parts = [(row.clip_id, fanout.load(run.store, job).arrays) for row, job in members]
        shards.write(run.layout.coefficients, speaker, parts)
        person = next(fanout.load(run.store, job).arrays for job in jobs if job.name == speaker)
        speakers.append({"speaker": speaker, **person, **tracks.statistics([arrays for _, arrays in parts])})
        errors += [_error_row(row, arrays) for (row, _), (_, arrays) in zip(members, parts, strict=True)]
    tracks.write_speakers(run.layout.coefficients, speakers)
    if section.coefficients == "truth":
        _write_known(run, Path(section.root), groups)
    shares = [row["percent_iod"] for row in errors]
    write_json(run.layout.work / "fit.json", {
        "clips": len(errors), "failed": failures,
        "percent_iod": {"mean": round(float(np.nanmean(shares)), 3), "worst": round(float(np.nanmax(shares)), 3)},
        "per_clip": errors,
    })  # fmt: skip


def learned_from(run: Run, section: DatasetSection) -> Path:
    """Folder of the coefficients that methods learn from."""
    return run.layout.known if section.coefficients == "truth" else run.layout.coefficients


def _write_known(run: Run, root: Path, groups: dict[str, list[Row]]) -> None:
    """The corpus' true coefficients in the form of fitted ones."""
    truth = Truth(root)
    speakers: list[dict[str, Any]] = []
    for speaker, rows in sorted(groups.items()):
        parts = []
        for row in rows:
            arrays = truth.frames(row.clip_id, ["beta", "rho", "light"])
            frames = len(arrays["rho"])
            seen = {"lm_rmse": np.zeros(frames, np.float32), "valid": np.ones(frames, bool)}
            parts.append((row.clip_id, arrays | seen | {"segment": np.zeros(frames, np.int64)}))
        shards.write(run.layout.known, speaker, parts)
        person = {name: np.asarray(truth.speakers.loc[speaker, name]) for name in ("shape", "texture")}
        speakers.append({"speaker": speaker, **person, **tracks.statistics([arrays for _, arrays in parts])})
    tracks.write_speakers(run.layout.known, speakers)


def fit_person(person: _Person) -> Made:
    """Shape and texture of a speaker from frames of the first usable clips."""
    model = person.model.load()
    energy = _energy(model, person)
    meshes: list[tuple[str, NDArray[np.float64]]] = []
    for clip_id, video in person.clips:
        mesh = shards.read(person.landmarks, person.speaker, clip_id, ["mesh"])["mesh"].astype(np.float64)
        if np.isfinite(mesh).any():
            meshes.append((video, mesh))
        if len(meshes) == min(IDENTITY_CLIPS, person.fit.id_frames):
            break
    if not meshes:
        return {"shape": np.zeros(150), "texture": np.zeros(251)}, {"frames": 0}
    picked = []
    for _, mesh in meshes:
        seen = np.flatnonzero(np.isfinite(mesh).any(axis=(1, 2)))
        count = max(1, person.fit.id_frames // len(meshes))
        picked.append(mesh[seen[np.linspace(0, len(seen) - 1, min(count, len(seen))).astype(int)]])
    shape = fitting.fit_identity(energy, np.concatenate(picked))
    video, mesh = meshes[0]
    track = fitting.fit_track(energy, shape, mesh, person.fit.steps)
    seen = np.flatnonzero(track.valid)
    chosen = seen[np.linspace(0, len(seen) - 1, min(person.fit.texture_frames, len(seen))).astype(int)]
    samples = list(_samples(model, shape, track, person.crops / video, set(chosen.tolist())).values())
    colours, _ = texture.fit_texture(model, samples) if samples else (np.zeros(251), None)
    return {"shape": shape, "texture": colours}, {"frames": int(sum(map(len, picked)))}


def fit_clip(clip: _Clip) -> Made:
    """Coefficients, light and landmark error of every frame of a clip."""
    person, model = clip.person, clip.person.model.load()
    energy = _energy(model, person)
    mesh = shards.read(person.landmarks, person.speaker, clip.clip_id, ["mesh"])["mesh"].astype(np.float64)
    track = fitting.fit_track(energy, clip.shape, mesh, person.fit.steps, person.fit.smooth)
    frames = len(mesh)
    chosen = {t for t in range(0, frames, LIGHT_EVERY) if track.valid[t]}
    albedo = model.albedo(clip.texture)
    sampled = _samples(model, clip.shape, track, person.crops / clip.video, chosen)
    lights = {t: texture.fit_light(samples, albedo).ravel() for t, samples in sampled.items()}
    light = np.zeros((frames, 27), np.float32)
    if lights:
        times, values = np.array(sorted(lights)), np.stack([lights[t] for t in sorted(lights)])
        light = np.stack([np.interp(np.arange(frames), times, values[:, k]) for k in range(27)], axis=1)
    corners = mesh[:, list(OUTER_EYE_CORNERS)]
    width = np.linalg.norm(corners[:, 0] - corners[:, 1], axis=1)
    arrays = {
        "beta": track.beta, "rho": track.rho, "light": light.astype(np.float32), "lm_rmse": track.lm_rmse,
        "valid": track.valid, "segment": track.segment, "eye_width": width.astype(np.float32),
    }  # fmt: skip
    return arrays, {}


def render(run: Run, section: DatasetSection) -> None:
    """Renderings of the coefficients under the canonical light, PNG bytes in a shard a speaker."""
    rows = manifest.read(run.layout.cropped)
    source = run.face_model()
    settings, folder = run.params.render, learned_from(run, section)
    jobs, kept = [], []
    fitted = {row["clip"] for row in json.loads((run.layout.work / "fit.json").read_text("utf-8"))["per_clip"]}
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
    failures = run.make_all(render_clip, jobs)
    for speaker, group in by_speaker(kept, jobs, failures).items():
        parts = []
        for row, job in group:
            arrays = fanout.load(run.store, job).arrays
            data, ends = arrays["png"].tobytes(), arrays["ends"]
            parts.append((row.clip_id, {"png": [data[a:b] for a, b in zip([0, *ends[:-1]], ends, strict=True)]}))
        shards.write(run.layout.renders, speaker, parts)
    write_json(run.layout.work / "render.json", {"clips": len(jobs) - len(failures), "failed": failures})


def render_clip(argument: tuple[ModelSource, Path, str, str, int, tuple[str, ...]]) -> Made:
    """PNG bytes of each frame's maps, stacked below one another."""
    source, folder, speaker, clip_id, size, maps = argument
    model = source.load()
    person, track = tracks.read_speaker(folder, speaker), tracks.read(folder, speaker, clip_id)
    renderer = Renderer(model, person["shape"], person["texture"], size)
    full = model.join(track["beta"], track["rho"][:, 10:12])
    parts = []
    for image in renderer.frames(full, track["rho"], maps=maps):
        stacked = np.concatenate(np.split(image, len(maps), axis=-1), axis=0)
        parts.append(np.asarray(cv2.imencode(".png", stacked[..., ::-1])[1], np.uint8).ravel())
    return {"png": np.concatenate(parts), "ends": np.cumsum([len(part) for part in parts])}, {}


def _energy(model: Any, person: _Person) -> LandmarkEnergy:
    return LandmarkEnergy(model, person.size, SPARSE if person.fit.landmarks == "sparse" else None)


def _samples(
    model: Any, shape: NDArray[np.float64], track: fitting.Track, path: Path, chosen: set[int]
) -> dict[int, texture.Samples]:
    """Colours at the visible vertices of chosen frames."""
    identity, result = model.identity(shape), {}
    for t, frame in enumerate(Video(path)):
        if t in chosen:
            full = model.join(track.beta[t], track.rho[t, 10:12])
            result[t] = texture.sample(model, identity, full, track.rho[t].astype(np.float64), frame)
    return result


def _error_row(row: Row, arrays: dict[str, NDArray[Any]]) -> dict[str, Any]:
    share = 100 * arrays["lm_rmse"] / arrays["eye_width"]
    valid = arrays["valid"]
    return {
        "clip": row.clip_id,
        "percent_iod": round(float(np.nanmean(share)), 3) if valid.any() else None,
        "frames": len(valid),
        "valid": int(valid.sum()),
    }


def by_speaker(rows: list[Row], jobs: list[Job], failures: dict[str, str]) -> dict[str, list[tuple[Row, Job]]]:
    """Clips that did not fail with their jobs, by speaker in order of names."""
    groups: dict[str, list[tuple[Row, Job]]] = defaultdict(list)
    for row, job in zip(rows, jobs, strict=True):
        if row.clip_id not in failures:
            groups[row.speaker].append((row, job))
    return dict(sorted(groups.items()))
