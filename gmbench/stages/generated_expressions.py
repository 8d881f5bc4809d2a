"""Expressions of systems measured on coefficients, without drawing a picture.

``fd_expressions`` is the Fréchet distance of generated from real expressions of the scored clips, as 64 numbers
(:class:`gmbench.methods.expression_code.ExpressionCode`) fitted on the training clips. ``nats`` is the negative
log-likelihood of the real ones under a system that has one, per frame and number. Less is better of both.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from gmbench.datasets.manifest import TRAIN, ClipRow
from gmbench.errors import GmbenchError, InputError
from gmbench.evaluation.results import records
from gmbench.evaluation.results.records import WHOLE_SET, Record
from gmbench.methods import registry
from gmbench.methods.expression_code import ExpressionCode
from gmbench.methods.interface import GenRequest, HasLikelihood, TalkingHeadMethod
from gmbench.methods.registry import System
from gmbench.methods.tracks import read_clips, read_shard
from gmbench.metrics.frechet import frechet_distance
from gmbench.metrics.key import MetricKey
from gmbench.morphable.model import load as load_model
from gmbench.stages.evaluation_plan import evaluation_protocol
from gmbench.stages.fit import training_coefficients
from gmbench.stages.paths import FACE_MODEL
from gmbench.stages.pipeline_run import PipelineRun
from gmbench.stages.requests import RequestPlanner, build_request
from gmbench.stages.scored_clips import scored_rows
from gmbench.stages.train import checkpoint_folder, prepared_dataset
from gmbench.store import digest

DISTANCE, NATS = "fd_expressions", "nats"
MEASURED = (DISTANCE, NATS)
BACKEND = "coefficients"
Floats = NDArray[np.float32]


@dataclass(frozen=True)
class _Real:
    """The scored clips that have coefficients, with those (T, 169) and (T, 12), and the code fitted on others."""

    rows: list[ClipRow]
    tracks: dict[str, dict[str, Any]]
    code: ExpressionCode

    def codes(self, clip: str) -> Floats:
        """(T, 64) of a clip."""
        return self.code.encode(self.tracks[clip]["beta"], self.tracks[clip]["rho"])


def measure_expressions(run: PipelineRun, systems: Sequence[System]) -> pd.DataFrame:
    """Records of systems' expressions on the scored clips' sounds.

    Raises:
        InputError: a system is not trained, none of the scored clips has coefficients, or there are too few to learn
            the code from.
    """
    real = _read_real(run)
    found: list[Record] = []
    for system in systems:
        method = registry.load(system.method, checkpoint_folder(run, system))
        generated, likelihoods = _of_system(run, method, system, real)
        found += [_likelihood(run, system.name, row, likelihoods[row.clip_id], real) for row in real.rows]
        found.append(_distance(run, system.name, generated, real))
    return records.frame(found)


def _read_real(run: PipelineRun) -> _Real:
    section = run.params.datasets[run.paths.dataset]
    folder, rows = training_coefficients(run, section), scored_rows(run)
    tracks: dict[str, dict[str, Any]] = {}
    for speaker in sorted({row.speaker for row in rows}):
        tracks |= read_shard(folder, speaker, ["beta", "rho"])
    kept = [row for row in rows if row.clip_id in tracks]
    if not kept:
        raise InputError(f"{run.paths.dataset}: none of {len(rows)} scored clips has coefficients; see fit.json")
    dataset = prepared_dataset(run, run.paths, section)
    learnt = read_clips(dataset, dataset.split(TRAIN))
    return _Real(kept, tracks, ExpressionCode.fit(learnt, load_model(FACE_MODEL), "landmarks"))


def _of_system(
    run: PipelineRun, method: TalkingHeadMethod, system: System, real: _Real
) -> tuple[dict[str, Floats | str], dict[str, float | str]]:
    """By clip: generated codes (T, 64), and nats of the real ones; or why there are none."""
    planner = RequestPlanner(run, method.card)
    generated: dict[str, Floats | str] = {}
    likelihoods: dict[str, float | str] = {}
    for row in real.rows:
        seed = int(digest(row.clip_id, run.params.seed + system.seed)[:8], 16)
        try:
            request = build_request(method.card, planner.inputs(row, system.drives), seed)
            made = method.generate(request)
            likelihoods[row.clip_id] = _nats(method, request, real.tracks[row.clip_id])
        except GmbenchError as error:
            generated[row.clip_id] = likelihoods[row.clip_id] = str(error)
            continue
        if made.expression is None or made.motion is None:
            generated[row.clip_id] = f"{method.card.title} gives no coefficients"
        else:
            generated[row.clip_id] = real.code.encode(made.expression, made.motion)
    return generated, likelihoods


def _nats(method: TalkingHeadMethod, request: GenRequest, track: dict[str, Any]) -> float | str:
    if not isinstance(method, HasLikelihood):
        return f"{method.card.title} gives no likelihood"
    frames = min(request.frames, len(track["beta"]))
    return -method.log_likelihood(request, track["beta"][:frames], track["rho"][:frames])


def _likelihood(run: PipelineRun, name: str, row: ClipRow, value: float | str, real: _Real) -> Record:
    frames = len(real.tracks[row.clip_id]["beta"])
    return _record(run, name, NATS, value, frames, frames, clip=row.clip_id, speaker=row.speaker, emotion=row.emotion)


def _distance(run: PipelineRun, name: str, generated: dict[str, Floats | str], real: _Real) -> Record:
    """Of the clips that were generated from the same clips' real expressions."""
    made = {clip: codes for clip, codes in generated.items() if not isinstance(codes, str)}
    expected = sum(len(real.tracks[clip]["beta"]) for clip in generated)
    reason = next((reason for reason in generated.values() if isinstance(reason, str)), "")
    value: float | str = reason
    if made:
        truth = np.concatenate([real.codes(clip) for clip in made])
        value = float(frechet_distance(np.concatenate(list(made.values())), truth))
    used = sum(map(len, made.values()))
    return _record(
        run, name, DISTANCE, value, used, expected, clip=WHOLE_SET, clips_used=len(made), clips_expected=len(generated)
    )


def _record(
    run: PipelineRun, name: str, metric: str, value: float | str, used: int, expected: int, **more: Any
) -> Record:
    key, protocol = MetricKey(metric, BACKEND), evaluation_protocol(run.params.datasets[run.paths.dataset])
    lost = isinstance(value, str)
    return Record(
        method=name, dataset=run.paths.dataset, metric=str(key), value=np.nan if lost else float(value),
        status="failed" if lost else "ok", reason=str(value) if lost else "", frames_used=0 if lost else used,
        frames_expected=expected, protocol=protocol.name, protocol_hash=protocol.hash, backend=key.backend,
        weights_sha256="", metric_name=metric, metric_version=1, **({"clips_used": int(not lost)} | more),
    )  # fmt: skip
