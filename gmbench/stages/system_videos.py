"""Videos of trained systems: every scored clip, and sequences between emotions."""

import functools
import time
import traceback
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from gmbench import devices, job_cache
from gmbench.datasets.manifest import ClipRow
from gmbench.errors import GmbenchError, InputError
from gmbench.job_cache import Job, JobResult
from gmbench.media import Frames, Video, encode_video
from gmbench.methods import registry
from gmbench.methods.interface import GenRequest, GenResult, TalkingHeadMethod
from gmbench.methods.pictures import resize
from gmbench.methods.registry import System
from gmbench.stages.pipeline_run import PipelineRun, write_json, write_videos
from gmbench.stages.requests import RequestInputs, RequestPlanner, build_request, inputs_digest
from gmbench.stages.train import checkpoint_digest, checkpoint_folder
from gmbench.store import digest, write_atomically

SYSTEM_VIDEOS_VERSION = 4
STEPS = 17
"""Pictures of a sequence between two emotions."""


@dataclass(frozen=True)
class _SystemTask:
    system: System
    folder: Path
    checkpoints: str
    inputs: RequestInputs
    seed: int


def generate_with_system(run: PipelineRun, name: str, rows: list[ClipRow]) -> tuple[dict[str, str], float | None]:
    """Write a system's videos of clips; reasons by clip of what failed, and frames a second of the median clip.

    Raises:
        InputError: the system is unknown or not trained.
        NotSupported: the method lacks the drive.
    """
    system = System.parse(name)
    card = registry.read_card(system.method)
    models_dataset = run.params.datasets[run.paths.dataset].models_of
    if models_dataset and card.identity_mode == "person_specific":
        reason = f"{card.title} shows only the people of {models_dataset}, whom it was trained on"
        return {row.clip_id: reason for row in rows}, None
    folder = checkpoint_folder(run, system)
    checkpoints, seed = checkpoint_digest(folder), run.params.seed + system.seed
    planner = RequestPlanner(run, card)
    jobs = []
    for row in rows:
        inputs = planner.inputs(row, system.drives)
        facts = (system.name, checkpoints, seed, inputs_digest(inputs), *devices.key(run.device))
        key = digest("system", SYSTEM_VIDEOS_VERSION, *facts)
        jobs.append(Job(row.clip_id, key, _SystemTask(system, folder, checkpoints, inputs, seed)))
    failures = run.run_jobs(generate_clip, jobs)
    write_videos(run, name, rows, jobs, failures)
    return failures, _frame_rate(run, [job for job in jobs if job.name not in failures])


def _frame_rate(run: PipelineRun, jobs: Sequence[Job]) -> float | None:
    """Frames a second of the median clip; None where nobody took the time."""
    facts = [job_cache.load(run.store, job).meta for job in jobs]
    rates = [made["frames"] / made["seconds"] for made in facts if made.get("seconds")]
    return round(float(np.median(rates)), 1) if rates else None


def generate_clip(task: _SystemTask) -> JobResult:
    """The bytes of a generated clip with its sound."""
    method = _loaded(task.system.method, task.folder, task.checkpoints, devices.current())
    clip = task.inputs.clip
    seed = int(digest(clip.row.clip_id, task.seed)[:8], 16)
    request = build_request(method.card, task.inputs, seed)
    side = Video(clip.video).info.width
    clock = _Clock()
    with clock:
        result, frames = generate_frames(method, request)
    video = encode_video(
        (resize(frame, side) for frame in clock.each(frames)), request.audio, crf=12, generated_by=method.card.title
    )
    arrays: dict[str, NDArray[Any]] = {"video": np.frombuffer(video, np.uint8)}
    for name, values in (("beta", result.expression), ("rho", result.motion)):
        if values is not None:
            arrays[name] = values
    return arrays, {"frames": request.frames, "seconds": clock.seconds}


class _Clock:
    """Seconds that pass inside: of this processor's own work, or on a GPU by the clock on the wall."""

    def __init__(self) -> None:
        self.seconds = 0.0
        self._now = time.process_time if devices.current() == devices.CPU else time.perf_counter

    def __enter__(self) -> None:
        self.seconds -= self._now()

    def __exit__(self, *_: object) -> None:
        self.seconds += self._now()

    def each(self, frames: Iterator[Frames]) -> Iterator[Frames]:
        """The same frames; only the time until each is there counts."""
        while True:
            with self:
                frame = next(frames, None)
            if frame is None:
                return
            yield frame


def generate_frames(method: TalkingHeadMethod, request: GenRequest) -> tuple[GenResult, Iterator[Frames]]:
    """What a method gives for a request, and its frames, checked one after another.

    Raises:
        InputError: the method fails (with the place in its code), or gives too few, too many or other frames.
    """
    try:
        result = method.generate(request)
    except GmbenchError:
        raise
    except Exception as error:
        raise _failed(method, request, error) from error
    return result, _checked(method, request, result)


def _checked(method: TalkingHeadMethod, request: GenRequest, result: GenResult) -> Iterator[Frames]:
    count, frames = 0, iter(result.frames)
    while True:
        try:
            frame = next(frames, None)
        except GmbenchError:
            raise
        except Exception as error:
            raise _failed(method, request, error) from error
        if frame is None:
            break
        if frame.dtype != np.uint8 or frame.ndim != 3 or frame.shape[0] != frame.shape[1] or frame.shape[2] != 3:
            given = f"{method.card.title} gave a frame {frame.shape} of {frame.dtype}"
            raise InputError(f"{request.clip_id}: {given}, expected (S, S, 3) uint8")
        count += 1
        yield frame
    if count != request.frames:
        raise InputError(f"{request.clip_id}: {method.card.title} gave {count} frames, expected {request.frames}")


def _failed(method: TalkingHeadMethod, request: GenRequest, error: Exception) -> InputError:
    place = traceback.extract_tb(error.__traceback__)[-1]
    where = f"{Path(place.filename).name}:{place.lineno}"
    return InputError(f"{request.clip_id}: {method.card.title} failed: {type(error).__name__}: {error} ({where})")


@functools.lru_cache(maxsize=2)
def _loaded(name: str, folder: Path, checkpoints: str, device: str) -> TalkingHeadMethod:
    return registry.load(name, folder)


def write_sequence(results: Sequence[GenResult], folder: Path, speaker: str, ends: Sequence[str]) -> int:
    """Pictures ``alpha_0.0000.png`` to ``alpha_1.0000.png`` of a sequence between two emotions, and its sidecar."""
    for result in results:
        path = folder / f"alpha_{result.meta['alpha']:.4f}.png"
        write_atomically(path, bytes(cv2.imencode(".png", next(iter(result.frames))[..., ::-1])[1]))
    write_json(folder / "sequence.json", {"speaker": speaker, "from": ends[0], "to": ends[1], "variant": "static"})
    return len(results)
