"""Sequences between two emotions, as GMTalker's Table III has them: drawn by every way of a card, and scored.

Still ones show one instant of the sound in 17 steps under the same noise, pose and style. Talking ones speak a scored
clip's sound while the emotion moves from the first frame to the last: E-PPL and E-PDV of 17 frames that lie equally far
apart, Sync over all of it, since 17 frames alone hold 13 windows of five, too few to look for an offset in.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pandas as pd
from numpy.typing import NDArray

from gmbench import devices
from gmbench.clips import Clip, Pair
from gmbench.datasets.manifest import ClipRow
from gmbench.errors import InputError
from gmbench.evaluation.comparison import plan_comparison
from gmbench.evaluation.interpolation import score_sequences
from gmbench.evaluation.planning.inputs import Inputs
from gmbench.evaluation.run import evaluate
from gmbench.job_cache import Job, JobResult, load
from gmbench.media import Video, encode_video
from gmbench.methods import registry
from gmbench.methods.card import Interpolation
from gmbench.methods.interface import EmotionSpec, GenResult, Interpolates
from gmbench.methods.pictures import resize
from gmbench.methods.registry import System
from gmbench.stages.ablation_plan import AblationPlan, why_not
from gmbench.stages.evaluation_plan import evaluation_protocol
from gmbench.stages.pipeline_run import PipelineRun
from gmbench.stages.requests import RequestInputs, RequestPlanner, build_request, inputs_digest
from gmbench.stages.scored_clips import scored_rows
from gmbench.stages.system_videos import STEPS, generate_frames
from gmbench.stages.train import checkpoint_digest, checkpoint_folder
from gmbench.stages.verdicts import system_of, way_name
from gmbench.store import digest, write_atomically

TRANSITIONS_VERSION = 2
SOUND_FRAMES = 25
"""Length of the sound under a still sequence, whose middle is drawn."""
SYNC = ("sync_c", "sync_d")
"""Metrics of talking sequences beside those of :data:`gmbench.evaluation.interpolation.SCORED`."""


@dataclass(frozen=True)
class _Sequence:
    """One sequence: the emotions, and what the request is made of."""

    name: str
    ends: tuple[str, str]
    inputs: RequestInputs
    seed: int


@dataclass(frozen=True)
class _Task:
    """All sequences of one way at one seed."""

    system: System
    folder: Path
    way: str
    talking: bool
    sequences: tuple[_Sequence, ...]


def measure_transitions(run: PipelineRun, method: str, plan: AblationPlan, out: Path) -> pd.DataFrame:
    """Draw and score the sequences of all ways at all seeds; their files stay below ``out``.

    Raises:
        InputError: a way that the method cannot draw.
    """
    card = registry.read_card(method)
    rows = sequence_rows(scored_rows(run), plan.pairs)
    jobs: dict[str, Job] = {}
    for seed in range(plan.ways_seeds):
        for way in plan.ways:
            system = system_of(method, way.ablation, "", plan.ways_shared, seed)
            sequences = _sequences(run, RequestPlanner(run, card), rows, seed)
            for talking in (False, True) if way.talking else (False,):
                name = way_name(way.name, seed, talking)
                jobs[name] = _job(run, name, system, way, talking, sequences)
    failures = run.run_jobs(draw, list(jobs.values()))
    for name, reason in failures.items():
        raise InputError(f"sequences {name}: {reason}")
    for name, job in jobs.items():
        feature = load(run.store, job)
        for number, path in enumerate(feature.meta["files"]):
            write_atomically(out / name / path, feature.arrays[f"file{number}"].tobytes())
    protocol = evaluation_protocol(run.params.datasets[run.paths.dataset], run.device)
    scored = score_sequences({name: out / name for name in jobs}, run.paths.dataset, protocol)
    synced = _sync(run, {name: out / name for name, job in jobs.items() if job.argument.talking}, rows)
    return scored if synced is None else pd.concat([scored, synced], ignore_index=True)


def sequence_rows(
    rows: Sequence[ClipRow], pairs: Sequence[tuple[str, str]]
) -> list[tuple[str, tuple[str, str], ClipRow]]:
    """Name, emotions and spoken clip of every sequence: each speaker between each pair, another clip for each pair."""
    by_speaker: dict[str, list[ClipRow]] = {}
    for row in rows:
        by_speaker.setdefault(row.speaker, []).append(row)
    found = []
    for speaker, members in by_speaker.items():
        for number, (first, last) in enumerate(pairs):
            place = number * len(members) // len(pairs)
            found.append((f"{speaker}_{first}-{last}", (first, last), members[place]))
    return found


def draw(task: _Task) -> JobResult:
    """Files of all sequences of a way: 17 pictures and a sidecar each, or a video."""
    method = registry.load(task.system.method, task.folder)
    files: dict[str, bytes] = {}
    for sequence in task.sequences:
        first, last = (EmotionSpec({emotion: 1.0}) for emotion in sequence.ends)
        frames = None if task.talking else SOUND_FRAMES
        request = replace(build_request(method.card, sequence.inputs, sequence.seed, frames), emotion=first)
        if task.talking:
            _, pictures = generate_frames(method, replace(request, emotion_end=last))
            side = Video(sequence.inputs.clip.video).info.width
            video = encode_video(
                (resize(frame, side) for frame in pictures), request.audio, crf=12, generated_by=method.card.title
            )
            files[f"{sequence.name}.mp4"] = video
            continue
        if not isinstance(method, Interpolates):
            raise InputError(f"{method.card.title} orders ways between emotions, but has no 'interpolate'")
        for result in method.interpolate(request, first, last, STEPS, task.way):
            files[f"{sequence.name}/alpha_{result.meta['alpha']:.4f}.png"] = _png(result)
    arrays: dict[str, NDArray[Any]] = {
        f"file{number}": np.frombuffer(content, np.uint8) for number, content in enumerate(files.values())
    }
    return arrays, {"files": list(files)}


def _sequences(
    run: PipelineRun, planner: RequestPlanner, rows: Sequence[tuple[str, tuple[str, str], ClipRow]], seed: int
) -> tuple[_Sequence, ...]:
    """What is drawn at a seed; every sequence has its own noise, the same for all ways."""
    return tuple(
        _Sequence(name, ends, planner.inputs(row, ()), run.params.seed + seed + 100 * number)
        for number, (name, ends, row) in enumerate(rows)
    )


def _job(
    run: PipelineRun, name: str, system: System, way: Interpolation, talking: bool, sequences: tuple[_Sequence, ...]
) -> Job:
    folder = checkpoint_folder(run, system)
    content = [(s.name, s.ends, s.seed, inputs_digest(s.inputs)) for s in sequences]
    facts = (way.name, talking, checkpoint_digest(folder), content, *devices.key(run.device))
    key = digest("transitions", TRANSITIONS_VERSION, *facts)
    return Job(name, key, _Task(system, folder, way.name, talking, sequences))


def _sync(
    run: PipelineRun, folders: dict[str, Path], rows: Sequence[tuple[str, tuple[str, str], ClipRow]]
) -> pd.DataFrame | None:
    """Records of Sync of talking sequences beside the clips that they speak; None where there is no network for it."""
    protocol = evaluation_protocol(run.params.datasets[run.paths.dataset], run.device)
    wanted = [metric for metric in SYNC if not why_not(metric, protocol)]
    if not folders or not wanted:
        return None
    references = []
    for name, _, row in rows:
        real = Clip(name, run.paths.crops / row.video_path, None, None, row.speaker)
        references.append(Pair(name, None, real, (), row.speaker))
    pairs = {
        method: [
            replace(pair, generated=Clip(pair.clip, folder / f"{pair.clip}.mp4", None, None, pair.speaker))
            for pair in references
        ]
        for method, folder in folders.items()
    }
    inputs = Inputs(pairs, tuple(references), run.paths.dataset)
    planned = plan_comparison(inputs, protocol, wanted, ("ground_truth",))
    return evaluate(planned, run.store.root, run.workers, run.scheduler)


def _png(result: GenResult) -> bytes:
    return bytes(cv2.imencode(".png", next(iter(result.frames))[..., ::-1])[1])
