"""Stage ``crop``: square 25-fps clips with their sound."""

from collections import defaultdict
from dataclasses import asdict, dataclass, replace
from pathlib import Path

import numpy as np

from gmbench import job_cache
from gmbench.config import DatasetSection
from gmbench.datasets import manifest
from gmbench.datasets.manifest import ClipRow, Problem
from gmbench.errors import InputError
from gmbench.face.clip_crop import Square, cut, find_square
from gmbench.face.landmarks import backend
from gmbench.job_cache import Job, JobResult
from gmbench.media import SAMPLES_PER_FRAME, Video, encode_video, read_audio
from gmbench.names import flat
from gmbench.stages.pipeline_run import PipelineRun, write_json
from gmbench.store import digest, file_digest, write_atomically

CROP_VERSION = 2


@dataclass(frozen=True)
class _Cut:
    video: Path
    audio: Path
    first: int
    frames: int
    square: Square
    size: int


def crop(run: PipelineRun, section: DatasetSection) -> None:
    """Cut each clip to its square; write 25-fps videos with sound and the manifest of the crops."""
    rows, root = manifest.read(run.paths.manifest), Path(section.root)
    detector = backend(section.landmarks)
    weights = "" if section.crop == "full" else detector.weights_sha256()
    contents = {row.video_path: file_digest(root / row.video_path) for row in rows}
    finding = []
    for row in rows:
        key = digest("square", CROP_VERSION, contents[row.video_path], section.crop, weights)
        finding.append(Job(row.clip_id, key, (root / row.video_path, section)))
    failures = run.run_jobs(find, finding)
    squares: dict[str, Square] = {}
    for row, job in zip(rows, finding, strict=True):
        if row.clip_id not in failures:
            squares[row.clip_id] = Square(*(float(v) for v in job_cache.load(run.store, job).arrays["square"]))
    if section.crop == "anchor":
        squares = _common_size(rows, squares)
    kept = [row for row in rows if row.clip_id in squares]
    jobs = []
    for row in kept:
        sound = root / (row.audio_path or row.video_path)
        task = _Cut(root / row.video_path, sound, row.first_frame, row.n_frames, squares[row.clip_id], section.size)
        part = (row.first_frame, row.n_frames, asdict(task.square), section.size)
        key = digest("crop", CROP_VERSION, contents[row.video_path], file_digest(sound), *part)
        jobs.append(Job(row.clip_id, key, task))
    failures |= run.run_jobs(cut_clip, jobs)
    written = []
    for row, job in zip(kept, jobs, strict=True):
        if row.clip_id in failures:
            continue
        feature = job_cache.load(run.store, job)
        name = f"{flat(row.clip_id)}.mp4"
        write_atomically(run.paths.crops / name, feature.arrays["video"].tobytes())
        written.append(
            replace(row, video_path=name, audio_path="", first_frame=0, n_frames=int(feature.meta["frames"]))
        )
    if not written:
        raise InputError(f"{section.root}: no clip could be cropped, for example {next(iter(failures.items()))}")
    manifest.write(written, run.paths.cropped)
    problems = [asdict(Problem(name, "crop", reason)) for name, reason in sorted(failures.items())]
    write_json(run.paths.work / "crop.json", {"clips": len(written), "failed": len(failures), "files": problems})


def find(argument: tuple[Path, DatasetSection]) -> JobResult:
    """The square of a clip: x, y, half."""
    path, section = argument
    square = find_square(path, backend(section.landmarks), section.crop)
    return {"square": np.array([square.x, square.y, square.half])}, {}


def cut_clip(task: _Cut) -> JobResult:
    """The bytes of a cropped clip with its sound, cut or padded with silence to the length of the picture."""
    frames = Video(task.video).info.frames - task.first
    frames = min(frames, task.frames) if task.frames else frames
    sound = read_audio(task.audio)[task.first * SAMPLES_PER_FRAME : (task.first + frames) * SAMPLES_PER_FRAME]
    sound = np.pad(sound, (0, frames * SAMPLES_PER_FRAME - len(sound)))
    part = (frame for t, frame in enumerate(Video(task.video)) if task.first <= t < task.first + frames)
    video = encode_video(cut(part, task.square, task.size), sound, crf=12)
    return {"video": np.frombuffer(video, np.uint8)}, {"frames": frames}


def _common_size(rows: list[ClipRow], squares: dict[str, Square]) -> dict[str, Square]:
    """The same half-side for all clips of a speaker: the median, so that depth and scale stay comparable."""
    halves: dict[str, list[float]] = defaultdict(list)
    for row in rows:
        if row.clip_id in squares:
            halves[row.speaker].append(squares[row.clip_id].half)
    speakers = {row.clip_id: row.speaker for row in rows}
    return {name: replace(square, half=float(np.median(halves[speakers[name]]))) for name, square in squares.items()}
