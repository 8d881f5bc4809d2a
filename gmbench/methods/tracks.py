"""Coefficients and audio features of clips, as the pipeline's stages wrote them, for training."""

import itertools
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from gmbench import shards
from gmbench.audio.hubert import to_video_rate
from gmbench.datasets.manifest import ClipRow
from gmbench.errors import InputError
from gmbench.methods.interface import PreparedDataset
from gmbench.metrics.emotion import SUITE_ORDER
from gmbench.morphable.model import ROTATION, TRANSLATION
from gmbench.shards import shard_path
from gmbench.store import digest, file_digest

POSE = slice(ROTATION.start, TRANSLATION.stop)
"""Columns of the motion that are relative to the clip's mean; gaze and blinks are absolute."""
LEAST_FRAMES = 25
"""A run of frames with a face that is shorter teaches nothing of how a face moves."""


@dataclass(frozen=True)
class ClipTracks:
    """One clip from its frame ``first`` on: ``beta`` (T, 169), ``rho`` (T, 12), ``audio`` (T, a), all at 25 fps."""

    clip_id: str
    speaker: str
    emotion: str
    level: int
    beta: NDArray[np.float32]
    rho: NDArray[np.float32]
    audio: NDArray[np.float32]
    first: int = 0


def read_clips(dataset: PreparedDataset, rows: Sequence[ClipRow]) -> list[ClipTracks]:
    """Fitted tracks and features of clips, in the rows' order: one per run of frames with a face.

    Runs shorter than :data:`LEAST_FRAMES` are left out; :func:`frames_used` counts them.

    Raises:
        InputError: none of the clips was fitted.
    """
    pair = str(dataset.audio_facts["pair"])
    coefficients: dict[str, Any] = {}
    features: dict[str, Any] = {}
    for speaker in sorted({row.speaker for row in rows}):
        coefficients |= read_shard(dataset.coefficients, speaker, ["beta", "rho", "segment"])
        features |= read_shard(dataset.audio, speaker, ["features"])
    clips = []
    for row in rows:
        if row.clip_id not in coefficients or row.clip_id not in features:
            continue  # the reports of the stages before list it with its reason
        track = coefficients[row.clip_id]
        audio = to_video_rate(features[row.clip_id]["features"], len(track["rho"]), pair)
        for run in face_runs(track["segment"]):
            values = (track["beta"][run], track["rho"][run], audio[run])
            clips.append(ClipTracks(row.clip_id, row.speaker, row.emotion, row.level, *values, run.start))
    if not clips:
        raise InputError(f"{dataset.coefficients}: none of {len(rows)} clips was fitted; see fit.json")
    return clips


def emotions_of(rows: Iterable[ClipRow]) -> tuple[str, ...]:
    """Emotions that occur, in the suite's order; one unnamed emotion where clips have no labels."""
    names = {row.emotion for row in rows}
    return tuple(name for name in SUITE_ORDER if name in names) or ("",)


def relative_motion(rho: NDArray[np.float32]) -> NDArray[np.float32]:
    """Motion (T, 12) without the clip's mean pose: crops and people differ in it."""
    result = rho.copy()
    result[:, POSE] -= rho[:, POSE].mean(axis=0)
    return result


def read_shard(folder: Path, speaker: str, names: Sequence[str]) -> dict[str, dict[str, Any]]:
    """Columns of all clips of a speaker by the clip's id; nothing where there is no shard."""
    return dict(shards.clips(folder, speaker, names)) if shard_path(folder, speaker).exists() else {}


def face_runs(segment: NDArray[np.integer]) -> list[slice]:
    """Runs of one segment (T,) in order, of at least :data:`LEAST_FRAMES`; frames without a face are negative.

    Where all runs are shorter the longest stands for them, so that a short clip is not lost.
    """
    edges = np.flatnonzero(np.r_[True, segment[1:] != segment[:-1], True])
    runs = [slice(int(a), int(b)) for a, b in itertools.pairwise(edges) if segment[a] >= 0]
    long_runs = [run for run in runs if run.stop - run.start >= LEAST_FRAMES]
    return long_runs or sorted(runs, key=lambda run: run.start - run.stop)[:1]


def frames_used(dataset: PreparedDataset, rows: Sequence[ClipRow]) -> dict[str, int]:
    """``frames`` of fitted clips, and how many of them :func:`read_clips` gives (``used``)."""
    total = used = 0
    for speaker in sorted({row.speaker for row in rows}):
        tracks = read_shard(dataset.coefficients, speaker, ["segment"])
        for row in rows:
            if row.speaker == speaker and row.clip_id in tracks:
                segment = tracks[row.clip_id]["segment"]
                total += len(segment)
                used += sum(run.stop - run.start for run in face_runs(segment))
    return {"frames": total, "used": used}


def track_digests(dataset: PreparedDataset, rows_by_speaker: Mapping[str, Sequence[ClipRow]]) -> list[str]:
    """Digests of everything that :func:`read_clips` reads, for the keys of training jobs."""
    digests = [digest([(r.clip_id, r.emotion, r.level) for r in rows]) for rows in rows_by_speaker.values()]
    for folder in (dataset.coefficients, dataset.audio):
        paths = [shard_path(folder, speaker) for speaker in rows_by_speaker]
        digests += [file_digest(path) for path in paths if path.exists()]
    return digests
