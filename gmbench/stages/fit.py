"""Stage ``fit``: identity, texture and coefficients of the face model from landmarks."""

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from gmbench import devices, job_cache, shards
from gmbench.config import DatasetSection, FitSection
from gmbench.corpus.truth import Truth
from gmbench.datasets.manifest import TRAIN, ClipRow
from gmbench.job_cache import Job, JobResult
from gmbench.media import Video
from gmbench.morphable import coefficient_io, fitting, texture
from gmbench.morphable.energy import EXP, LandmarkEnergy
from gmbench.morphable.landmarks_478 import OUTER_EYE_CORNERS, SPARSE
from gmbench.morphable.model import FaceModel
from gmbench.stages.pipeline_run import ModelSource, PipelineRun, by_speaker, used_rows, write_json
from gmbench.store import digest, file_digest

FIT_VERSION = 2
IDENTITY_CLIPS = 6
"""Clips that a speaker's identity is taken from: other poses and emotions tell shape from expression."""
LIGHT_EVERY = 12
"""Light is estimated on every 12th frame with a face and interpolated."""


@dataclass(frozen=True)
class _Person:
    model: ModelSource
    fit: FitSection
    size: int
    landmarks: Path
    crops: Path
    speaker: str
    clips: tuple[tuple[str, str], ...]
    """Clips (clip_id, file) that the identity may be taken from, never test clips; a neutral one first."""


@dataclass(frozen=True)
class _Clip:
    person: _Person
    shape: NDArray[np.float64]
    texture: NDArray[np.float64]
    clip_id: str
    video: str


def fit(run: PipelineRun, section: DatasetSection) -> None:
    """Identity and texture once per speaker, from training clips alone; coefficients of every frame."""
    rows = used_rows(run)
    source = run.face_model()
    groups: dict[str, list[ClipRow]] = defaultdict(list)
    for row in rows:
        groups[row.speaker].append(row)
    people, jobs = {}, []
    settings = run.params.fit.model_dump()
    for speaker, group in groups.items():
        chosen = tuple((row.clip_id, row.video_path) for row in _emotions_in_turn(_learnt_from(group)))
        people[speaker] = _Person(
            source, run.params.fit, section.size, run.paths.landmarks, run.paths.crops, speaker, chosen
        )
        content = file_digest(shards.shard_path(run.paths.landmarks, speaker))
        where = devices.key(run.device) if run.params.fit.refine == "photometric" else ()
        key = digest("identity", FIT_VERSION, source.digest, settings, section.size, content, chosen, *where)
        jobs.append(Job(speaker, key, people[speaker]))
    failures = run.run_jobs(fit_person, jobs)
    clip_jobs: list[Job] = []
    fitted: list[ClipRow] = []
    for job in jobs:
        if job.name in failures:
            continue
        arrays = job_cache.load(run.store, job).arrays
        for row in groups[job.name]:
            task = _Clip(people[job.name], arrays["shape"], arrays["texture"], row.clip_id, row.video_path)
            clip_jobs.append(Job(row.clip_id, digest("fit", FIT_VERSION, job.key, row.clip_id), task))
            fitted.append(row)
    failures |= run.run_jobs(fit_clip, clip_jobs)
    speakers: list[dict[str, Any]] = []
    errors: list[dict[str, Any]] = []
    for speaker, members in by_speaker(fitted, clip_jobs, failures).items():
        parts = [(row.clip_id, job_cache.load(run.store, job).arrays) for row, job in members]
        shards.write(run.paths.coefficients, speaker, parts)
        person = next(job_cache.load(run.store, job).arrays for job in jobs if job.name == speaker)
        speakers.append({"speaker": speaker, **person, **_statistics(groups[speaker], parts)})
        errors += [_error_row(row, arrays) for (row, _), (_, arrays) in zip(members, parts, strict=True)]
    coefficient_io.write_speakers(run.paths.coefficients, speakers)
    if section.coefficients == "truth":
        _write_true_coefficients(run, Path(section.root), groups)
    shares = [row["percent_iod"] for row in errors if row["percent_iod"] is not None]  # None: no face in the clip
    write_json(run.paths.work / "fit.json", {
        "clips": len(errors), "failed": failures,
        "percent_iod": {
            "mean": round(float(np.mean(shares)), 3) if shares else None, "worst": max(shares, default=None),
        },
        "per_clip": errors,
    })  # fmt: skip


def training_coefficients(run: PipelineRun, section: DatasetSection) -> Path:
    """Folder of the coefficients that methods learn from."""
    return run.paths.true_coefficients if section.coefficients == "truth" else run.paths.coefficients


def _write_true_coefficients(run: PipelineRun, root: Path, groups: dict[str, list[ClipRow]]) -> None:
    """The corpus' true coefficients in the form of fitted ones."""
    truth = Truth(root)
    speakers: list[dict[str, Any]] = []
    for speaker, rows in sorted(groups.items()):
        parts = []
        for row in rows:
            arrays = truth.frames(row.clip_id, ["beta", "rho", "light"])
            frames = len(arrays["rho"])
            exact = {"lm_rmse": np.zeros(frames, np.float32), "valid": np.ones(frames, bool)}
            parts.append((row.clip_id, arrays | exact | {"segment": np.zeros(frames, np.int64)}))
        shards.write(run.paths.true_coefficients, speaker, parts)
        person = {name: np.asarray(truth.speakers.loc[speaker, name]) for name in ("shape", "texture")}
        speakers.append({"speaker": speaker, **person, **_statistics(rows, parts)})
    coefficient_io.write_speakers(run.paths.true_coefficients, speakers)


def _learnt_from(rows: Sequence[ClipRow]) -> list[ClipRow]:
    """The clips that a person's identity and statistics come from: training clips, or all of a person without any."""
    return [row for row in rows if row.split == TRAIN] or list(rows)


def _emotions_in_turn(rows: Sequence[ClipRow]) -> list[ClipRow]:
    """Rows ordered so that the first few show as many emotions as there are, the neutral one first."""
    ordered = sorted(rows, key=lambda row: (row.emotion != "neutral", row.emotion, row.level, row.clip_id))
    seen: dict[str, int] = defaultdict(int)
    turns = []
    for row in ordered:
        turns.append(seen[row.emotion])
        seen[row.emotion] += 1
    return [row for _, row in sorted(zip(turns, ordered, strict=True), key=lambda pair: pair[0])]


def _statistics(rows: Sequence[ClipRow], parts: Sequence[tuple[str, dict[str, Any]]]) -> dict[str, NDArray[np.float32]]:
    """Statistics of a person's coefficients over the clips that may be learnt from, or all where none was fitted."""
    learnt = {row.clip_id for row in _learnt_from(rows)}
    chosen = [arrays for clip_id, arrays in parts if clip_id in learnt]
    return coefficient_io.statistics(chosen or [arrays for _, arrays in parts])


def fit_person(person: _Person) -> JobResult:
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
    picked: list[tuple[int, int]] = []
    for number, (_, mesh) in enumerate(meshes):
        with_face = np.flatnonzero(np.isfinite(mesh).any(axis=(1, 2)))
        count = max(1, person.fit.id_frames // len(meshes))
        chosen = np.unique(np.linspace(0, len(with_face) - 1, count).astype(int))
        picked += [(number, int(t)) for t in with_face[chosen]]
    points = np.stack([meshes[number][1][t] for number, t in picked])
    shape = fitting.fit_identity(energy, points)
    pictures = _pictures(person, [video for video, _ in meshes], picked)
    shape, colours = _person_in_pictures(energy, shape, points, pictures, person.fit)
    return {"shape": shape, "texture": colours}, {"frames": len(picked)}


def _pictures(person: _Person, videos: Sequence[str], picked: Sequence[tuple[int, int]]) -> list[NDArray[np.uint8]]:
    """Frames by number of the video and of the frame, in that order."""
    found: dict[tuple[int, int], NDArray[np.uint8]] = {}
    for number in sorted({number for number, _ in picked}):
        wanted = {t for one, t in picked if one == number}
        found |= {(number, t): frame for t, frame in enumerate(Video(person.crops / videos[number])) if t in wanted}
    return [found[place] for place in picked]


def _person_in_pictures(
    energy: LandmarkEnergy, shape: NDArray[np.float64], points: NDArray[np.float64],
    pictures: Sequence[NDArray[np.uint8]], fit: FitSection,
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:  # fmt: skip
    """Shape and texture of a person whose landmarks (K, 478, 2) and pictures are known, and whose shape nearly is."""
    model, known = energy.model, energy.identity(shape)
    states = np.stack([
        fitting.fit_frame(energy, fitting.rigid_start(energy, known, target), shape, target, None, 5 * fit.steps, known)
        for target in points[:, energy.chosen]
    ])  # fmt: skip
    identity = model.identity(shape)
    samples = [_sample(model, identity, state, picture) for state, picture in zip(states, pictures, strict=True)]
    every = max(1, len(samples) // fit.texture_frames)
    colours, _ = texture.fit_texture(model, samples[::every])
    if fit.refine == "photometric":
        from gmbench.morphable.refinement import Refiner

        albedo = model.albedo(colours)
        lights = np.stack([texture.fit_light(one, albedo) for one in samples])
        shape = Refiner(energy, shape, colours).person(pictures, points, states, lights)
    return shape, colours


def _sample(
    model: FaceModel, identity: NDArray[np.floating], state: NDArray[np.float64], picture: NDArray[np.uint8]
) -> texture.Samples:
    return texture.sample(model, identity, state[EXP], np.append(state[:10], [0.0, 0.0]), picture)


def fit_clip(clip: _Clip) -> JobResult:
    """Coefficients, light and landmark error of every frame of a clip."""
    person, model = clip.person, clip.person.model.load()
    energy = _energy(model, person)
    mesh = shards.read(person.landmarks, person.speaker, clip.clip_id, ["mesh"])["mesh"].astype(np.float64)
    track = fitting.fit_track(energy, clip.shape, mesh, person.fit.steps, person.fit.smooth)
    light = _light(clip, model, track)
    if person.fit.refine == "photometric":
        track, light = _refined(clip, energy, track, light, mesh)
    corners = mesh[:, list(OUTER_EYE_CORNERS)]
    width = np.linalg.norm(corners[:, 0] - corners[:, 1], axis=1)
    arrays = {
        "beta": track.beta, "rho": track.rho, "light": light, "lm_rmse": track.lm_rmse,
        "valid": track.valid, "segment": track.segment, "eye_width": width.astype(np.float32),
    }  # fmt: skip
    return arrays, {}


def _light(clip: _Clip, model: FaceModel, track: fitting.FittedTrack) -> NDArray[np.float32]:
    """(T, 27) light, estimated on some frames and interpolated; zeros where no frame shows a face."""
    person, frames = clip.person, len(track.valid)
    chosen = set(np.flatnonzero(track.valid)[::LIGHT_EVERY].tolist())
    albedo = model.albedo(clip.texture)
    sampled = _samples(model, clip.shape, track, person.crops / clip.video, chosen)
    lights = {t: texture.fit_light(samples, albedo).ravel() for t, samples in sampled.items()}
    light = np.zeros((frames, 27), np.float32)
    if lights:
        times, values = np.array(sorted(lights)), np.stack([lights[t] for t in sorted(lights)])
        light = np.stack([np.interp(np.arange(frames), times, values[:, k]) for k in range(27)], axis=1)
    return light.astype(np.float32)


def _refined(
    clip: _Clip, energy: LandmarkEnergy, track: fitting.FittedTrack, light: NDArray[np.float32],
    mesh: NDArray[np.float64],
) -> tuple[fitting.FittedTrack, NDArray[np.float32]]:  # fmt: skip
    """The landmark fit moved towards the pictures, smoothed again where the landmark fit was."""
    from gmbench.morphable.refinement import Refiner

    frames = Video(clip.person.crops / clip.video)
    refined, light = Refiner(energy, clip.shape, clip.texture).track(frames, mesh, track, light)
    if not clip.person.fit.smooth:
        return refined, light
    state = fitting.state_of_track(energy.model, refined)
    state = fitting.smooth_track(state, track.segment, fitting.smoothed_columns(energy.model))
    beta, rho = fitting.track_of_state(energy.model, state)
    return replace(refined, beta=beta, rho=rho), light


def _energy(model: Any, person: _Person) -> LandmarkEnergy:
    return LandmarkEnergy(model, person.size, SPARSE if person.fit.landmarks == "sparse" else None)


def _samples(
    model: Any, shape: NDArray[np.float64], track: fitting.FittedTrack, path: Path, chosen: set[int]
) -> dict[int, texture.Samples]:
    """Colours at the visible vertices of chosen frames."""
    identity, result = model.identity(shape), {}
    for t, frame in enumerate(Video(path)):
        if t in chosen:
            full = model.join(track.beta[t], track.rho[t, 10:12])
            result[t] = texture.sample(model, identity, full, track.rho[t].astype(np.float64), frame)
    return result


def _error_row(row: ClipRow, arrays: dict[str, NDArray[Any]]) -> dict[str, Any]:
    share = 100 * arrays["lm_rmse"] / arrays["eye_width"]
    valid = arrays["valid"]
    return {
        "clip": row.clip_id,
        "percent_iod": round(float(np.nanmean(share)), 3) if valid.any() else None,
        "frames": len(valid),
        "valid": int(valid.sum()),
    }
