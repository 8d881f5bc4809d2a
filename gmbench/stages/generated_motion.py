"""Head motion of systems measured on the coefficients that they generate, without drawing a picture.

Div, PCM and BA of :mod:`gmbench.metrics` on the three angles of the head, beside those of the real clips' coefficients
and of a head that keeps its first pose. No pose is estimated from pictures, so that what a motion generator does is
measured to the degree, and a seed costs seconds.
"""

from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from gmbench.audio.onsets import onset_envelope, onset_frames, onset_times
from gmbench.datasets.manifest import ClipRow
from gmbench.errors import GmbenchError, InputError
from gmbench.evaluation.results import records
from gmbench.evaluation.results.records import Record
from gmbench.media import Audio
from gmbench.methods import registry
from gmbench.methods.registry import System
from gmbench.methods.tracks import read_shard
from gmbench.metrics import beats, head_motion
from gmbench.metrics.catalogue import SPECS
from gmbench.metrics.head_motion import Pose
from gmbench.metrics.key import MetricKey
from gmbench.morphable.model import ROTATION
from gmbench.stages.evaluation_plan import evaluation_protocol
from gmbench.stages.fit import training_coefficients
from gmbench.stages.pipeline_run import PipelineRun
from gmbench.stages.requests import RequestPlanner, build_request
from gmbench.stages.scored_clips import scored_rows
from gmbench.stages.train import checkpoint_folder
from gmbench.store import digest

MEASURED = ("div", "pcm", "pcm_chance", "ba_m2a", "ba_m2a_chance")
BACKEND = "coefficients"
GROUND_TRUTH, STILL = "ground_truth", "still"
"""Rows beside the systems'."""


def measure_motion(run: PipelineRun, systems: Sequence[System]) -> pd.DataFrame:
    """Records of the scored clips' head motion: of systems, of the real coefficients, and of a still head.

    Raises:
        InputError: a system is not trained, or none of the scored clips has coefficients.
    """
    rows = scored_rows(run)
    real = real_motion(run, rows)
    if not real:
        raise InputError(f"{run.paths.dataset}: none of {len(rows)} scored clips has coefficients; see fit.json")
    sounds: dict[str, Audio] = {}
    generated = {system.name: _generated(run, system, rows, sounds) for system in systems}
    still = {name: np.repeat(pose[:1], len(pose), 0) for name, pose in real.items()}
    motions: dict[str, Mapping[str, Pose | str]] = {GROUND_TRUTH: real, STILL: still, **generated}
    chosen = [row for row in rows if row.clip_id in real]
    found = [
        record
        for name, poses in motions.items()
        for row in chosen
        for record in _records(run, name, row, poses[row.clip_id], real, sounds.get(row.clip_id))
    ]
    return records.frame(found)


def real_motion(run: PipelineRun, rows: Sequence[ClipRow]) -> dict[str, Pose]:
    """Angles (T, 3) in degrees of clips by name, from the coefficients that methods learn from."""
    folder = training_coefficients(run, run.params.datasets[run.paths.dataset])
    found: dict[str, Pose] = {}
    for speaker in sorted({row.speaker for row in rows}):
        found |= {name: _degrees(track["rho"]) for name, track in read_shard(folder, speaker, ["rho"]).items()}
    return {row.clip_id: found[row.clip_id] for row in rows if row.clip_id in found}


def motion_values(pose: Pose, real: Pose, others: Sequence[Pose], sound: Audio | None, frames: int) -> dict[str, float]:
    """Values by metric of a pose series (T, 3) in degrees; NaN where one is not defined.

    Args:
        pose: that is measured. real: of the same clip. others: of other real clips, for the chance level of PCM.
        sound: of the clip, for the beats; None leaves them out.
        frames: of the clip.
    """
    values = {"div": head_motion.diversity(pose), "pcm": _correct(pose, real)}
    values["pcm_chance"] = float(np.mean([_correct(pose, other) for other in others])) if others else float("nan")
    values |= {"ba_m2a": float("nan"), "ba_m2a_chance": float("nan")}
    if sound is not None:
        heard = onset_frames(onset_times(onset_envelope(sound)))
        heard, moved = heard[heard < frames], beats.motion_beats(pose)
        values["ba_m2a"] = beats.beat_alignment(moved, heard)
        values["ba_m2a_chance"] = beats.alignment_chance(moved, heard, frames, "m2a").level
    return values


def _generated(
    run: PipelineRun, system: System, rows: Sequence[ClipRow], sounds: dict[str, Audio]
) -> dict[str, Pose | str]:
    """Generated angles by clip, or why there are none. Fills in the clips' sounds."""
    method = registry.load(system.method, checkpoint_folder(run, system))
    planner = RequestPlanner(run, method.card)
    found: dict[str, Pose | str] = {}
    for row in rows:
        seed = int(digest(row.clip_id, run.params.seed + system.seed)[:8], 16)
        try:
            request = build_request(method.card, planner.inputs(row, system.drives), seed)
            motion = method.generate(request).motion
        except GmbenchError as error:
            found[row.clip_id] = str(error)
            continue
        sounds[row.clip_id] = request.audio
        found[row.clip_id] = f"{method.card.title} gives no coefficients" if motion is None else _degrees(motion)
    return found


def _records(
    run: PipelineRun, name: str, row: ClipRow, pose: Pose | str, real: Mapping[str, Pose], sound: Audio | None
) -> list[Record]:
    protocol = evaluation_protocol(run.params.datasets[run.paths.dataset])
    truth = real[row.clip_id]
    others = [other for clip, other in real.items() if clip != row.clip_id]
    reason, frames = (pose, 0) if isinstance(pose, str) else ("", len(pose))
    values = dict.fromkeys(MEASURED, float("nan"))
    if not isinstance(pose, str):
        values = motion_values(pose, truth, others, sound, len(truth))
    result = []
    for metric in MEASURED:
        key, value = MetricKey(metric, BACKEND), values[metric]
        defined = bool(np.isfinite(value))
        record = Record(
            method=name, dataset=run.paths.dataset, clip=row.clip_id, speaker=row.speaker, emotion=row.emotion,
            metric=str(key), value=value, status="ok" if defined else "failed" if reason else "undefined",
            reason="" if defined else reason or "no beats, or under two seconds",
            frames_used=frames, frames_expected=len(truth), clips_used=int(defined),
            protocol=protocol.name, protocol_hash=protocol.hash, backend=key.backend, weights_sha256="",
            metric_name=metric, metric_version=SPECS[metric].version,
        )  # fmt: skip
        result.append(record)
    return result


def _correct(pose: Pose, real: Pose) -> float:
    length = min(len(pose), len(real))
    return float(np.nanmean(head_motion.correct_motion(pose[:length], real[:length])))


def _degrees(rho: NDArray[np.float32]) -> Pose:
    return np.degrees(rho[:, ROTATION].astype(np.float64))
