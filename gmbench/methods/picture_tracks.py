"""Frames of many people beside their coefficients: what the picture parts learn from."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from gmbench.corpus.track_people import TrackClip
from gmbench.corpus.truth import Truth
from gmbench.errors import InputError
from gmbench.methods.interface import PreparedDataset
from gmbench.methods.pictures import PeoplePictures, PictureClip
from gmbench.methods.tracks import read_shard

HELD_OUT_EVERY = 8
"""Of labelled clips, one in so many is kept for the gate after the codebook."""


@dataclass(frozen=True)
class ClipMotion:
    """Coefficients of a clip's frames: ``beta`` (T, 169), ``rho`` (T, 12), ``known`` (T,) where there was a face."""

    beta: NDArray[np.float32]
    rho: NDArray[np.float32]
    known: NDArray[np.bool_]


def read_motion(
    dataset: PreparedDataset, pretraining: PreparedDataset | None, people: PeoplePictures,
    drawn: Sequence[TrackClip] = (),
) -> dict[int, ClipMotion]:  # fmt: skip
    """Coefficients by the clip's place in ``people``, ``drawn`` ones too; clips that were not fitted are missing.

    Raises:
        InputError: a clip with other frames than its coefficients.
    """
    root = pretraining.true_tracks if pretraining is not None else None
    truth = Truth(root) if root is not None else None
    own = {clip.clip_id: {"beta": clip.beta, "rho": clip.rho} for clip in drawn}
    result = {}
    shards_read: dict[tuple[Path, str], dict[str, dict[str, Any]]] = {}
    for number, clip in enumerate(people.clips):
        track: Mapping[str, Any] | None
        if clip.clip_id in own:
            track = own[clip.clip_id]
        elif clip.pretraining and truth is not None:
            track = truth.frames(clip.clip_id, ["beta", "rho"])
        else:
            source = pretraining if clip.pretraining and pretraining is not None else dataset
            place = (source.coefficients, clip.speaker)
            if place not in shards_read:
                shards_read[place] = read_shard(*place, ["beta", "rho", "segment"])
            track = shards_read[place].get(clip.clip_id)
        if track is not None:
            result[number] = _motion(clip, track)
    return result


def held_out_clips(clips: Sequence[PictureClip]) -> list[int]:
    """Places of the clips that the codebook does not see: every eighth labelled one, none where labels are one."""
    labelled = [n for n, clip in enumerate(clips) if clip.emotion and not clip.pretraining]
    emotions = {clips[n].emotion for n in labelled}
    return labelled[HELD_OUT_EVERY - 1 :: HELD_OUT_EVERY] if len(emotions) > 1 else []


def frames_of(people: PeoplePictures, numbers: Sequence[int], step: int = 1) -> NDArray[np.int64]:
    """Indices of every ``step``-th frame of some clips."""
    parts = [np.arange(people.clips[n].first, people.clips[n].stop, step) for n in numbers]
    return np.concatenate(parts) if parts else np.zeros(0, np.int64)


def _motion(clip: PictureClip, track: Mapping[str, Any]) -> ClipMotion:
    frames, fitted = clip.stop - clip.first, len(track["beta"])
    if frames != fitted:
        raise InputError(f"{clip.clip_id}: {frames} frames but coefficients of {fitted}; run the stages again")
    known = np.asarray(track["segment"]) >= 0 if "segment" in track else np.ones(frames, bool)
    return ClipMotion(np.asarray(track["beta"], np.float32), np.asarray(track["rho"], np.float32), known)
