"""Videos of trained systems: every scored clip, and sequences between emotions."""

import functools
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from gmbench import job_cache
from gmbench.datasets.manifest import ClipRow
from gmbench.errors import InputError, MediaError
from gmbench.job_cache import Job, JobResult
from gmbench.media import Audio, Frames, Video, read_audio, write_video
from gmbench.methods import registry
from gmbench.methods.interface import EmotionSpec, GenRequest, GenResult, TalkingHeadMethod
from gmbench.methods.registry import System
from gmbench.morphable import coefficient_io
from gmbench.stages.fit import training_coefficients
from gmbench.stages.pipeline_run import PipelineRun, write_json
from gmbench.stages.train import model_folder
from gmbench.store import digest, file_digest, write_atomically

SYSTEM_VIDEOS_VERSION = 1
SAMPLES_PER_FRAME = 640
STEPS = 17
"""Pictures of a sequence between two emotions."""


@dataclass(frozen=True)
class _SystemTask:
    system: System
    folder: Path
    content: str
    row: ClipRow
    video: Path
    coefficients: Path
    seed: int


def generate_with_system(run: PipelineRun, name: str, rows: list[ClipRow]) -> dict[str, str]:
    """Write a system's videos of clips; reasons by clip of what failed."""
    system = System.parse(name)
    folder = model_folder(run.paths.dataset, system)
    if not (folder / "card.json").exists():
        raise InputError(f"{folder}: {system.name} is not trained; run the stage train")
    driving = training_coefficients(run, run.params.datasets[run.paths.dataset])
    content = digest(*(file_digest(path) for path in sorted(folder.glob("*.safetensors"))))
    jobs = []
    for row in rows:
        video = run.paths.crops / row.video_path
        task = _SystemTask(system, folder, content, row, video, driving, run.params.seed + system.seed)
        driven = file_digest(driving / coefficient_io.SPEAKERS) if system.drive else ""
        asked = (row.clip_id, row.emotion, file_digest(video), driven, task.seed)
        key = digest("system", SYSTEM_VIDEOS_VERSION, system.name, content, *asked)
        jobs.append(Job(row.clip_id, key, task))
    failures = run.run_jobs(generate_clip, jobs)
    for row, job in zip(rows, jobs, strict=True):
        if row.clip_id not in failures:
            data = job_cache.load(run.store, job).arrays["video"].tobytes()
            write_atomically(run.paths.videos(name) / row.video_path, data)
    return failures


def generate_clip(task: _SystemTask) -> JobResult:
    """The bytes of a generated clip with its sound."""
    method = _loaded(task.system.method, task.folder, task.content)
    row = task.row
    info = Video(task.video).info
    side, audio = info.width, _cut(read_audio(task.video), info.frames, row.clip_id)
    motion = expression = None
    if task.system.drive:
        track = coefficient_io.read(task.coefficients, row.speaker, row.clip_id)
        motion = track["rho"]
        expression = track["beta"] if task.system.drive == "coefficients" else None
    emotion = EmotionSpec({row.emotion: 1.0} if row.emotion else {})
    # Reconstruction is asked of the most likely expression, diversity of samples.
    temperature = 0.0 if task.system.drive else None
    seed = int(digest(row.clip_id, task.seed)[:8], 16)
    request = GenRequest(
        row.clip_id, audio, emotion, row.speaker, seed, motion=motion, expression=expression, temperature=temperature
    )
    result = method.generate(request)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "clip.mp4"
        write_video(path, (_sized(frame, side) for frame in result.frames), audio, crf=12)
        arrays: dict[str, NDArray[Any]] = {"video": np.frombuffer(path.read_bytes(), np.uint8).copy()}
    for name, values in (("beta", result.expression), ("rho", result.motion)):
        if values is not None:
            arrays[name] = values
    return arrays, {}


def _sized(frame: Frames, side: int) -> Frames:
    """A frame at the side of the reference."""
    if frame.shape[0] == side:
        return frame
    how = cv2.INTER_AREA if side < frame.shape[0] else cv2.INTER_CUBIC
    return np.asarray(cv2.resize(frame, (side, side), interpolation=how), np.uint8)


def _cut(audio: Audio, frames: int, clip: str) -> Audio:
    """Sound of exactly so many frames; coding pads it by up to two."""
    wanted = frames * SAMPLES_PER_FRAME
    if abs(len(audio) - wanted) > 2 * SAMPLES_PER_FRAME:
        raise MediaError(f"{clip}: {len(audio)} samples of sound for {frames} frames, expected about {wanted}")
    return np.pad(audio, (0, max(0, wanted - len(audio))))[:wanted]


@functools.lru_cache(maxsize=2)
def _loaded(name: str, folder: Path, content: str) -> TalkingHeadMethod:
    method = registry.create(name)
    method.load(folder)
    return method


def write_sequence(results: Sequence[GenResult], folder: Path, speaker: str, ends: Sequence[str]) -> int:
    """Pictures ``alpha_0.0000.png`` to ``alpha_1.0000.png`` of a sequence between two emotions, and its sidecar."""
    for result in results:
        path = folder / f"alpha_{result.meta['alpha']:.4f}.png"
        write_atomically(path, bytes(cv2.imencode(".png", next(result.frames)[..., ::-1])[1]))
    write_json(folder / "sequence.json", {"speaker": speaker, "from": ends[0], "to": ends[1], "variant": "static"})
    return len(results)
