"""Clips of many people for pre-training: which are taken, and their tracks."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from gmbench.audio.hubert import to_video_rate
from gmbench.audio.spectra import logmel
from gmbench.corpus.make import CORPUS_VERSION
from gmbench.corpus.takes import FIRST_TRACK_PERSON
from gmbench.corpus.track_people import draw_track_people
from gmbench.corpus.truth import Truth
from gmbench.datasets.manifest import TRAIN, ClipRow
from gmbench.emotions import SUITE_ORDER
from gmbench.errors import InputError
from gmbench.media import read_audio
from gmbench.methods.interface import PreparedDataset
from gmbench.methods.track_people import SHORTEST, as_tracks
from gmbench.methods.tracks import ClipTracks, read_clips, read_shard, relative_motion, track_digests
from gmbench.morphable.model import ROTATION
from gmbench.store import digest, file_digest

LEAST_FRAMES, MOST_INVALID, MOST_ERROR, CALMEST = 75, 0.1, 0.03, 20
FACE_WIDTH = 1.6
"""Width of a face in distances between the outer eye corners."""
PREFIX = "pretraining/"
"""Start of the ids of the synthetic corpus' clips for pre-training."""


def read_pretraining(dataset: PreparedDataset, people: int = 0, frames: int = LEAST_FRAMES) -> list[ClipTracks]:
    """Clips of many people with large motion: the synthetic corpus' own with true coefficients, or fitted ones.

    Of fitted training clips those stay that :func:`well_fitted` and :func:`wide_motion` take.

    Args:
        dataset: the corpus, or clips of real people.
        people: of the synthetic corpus, drawn without pictures in place of its own; a clip of each.
        frames: length of those clips; fitted ones need no more than that.

    Raises:
        InputError: there are none, or people are to be drawn beside real ones.
    """
    if people:
        check_drawn_people(dataset)
        return draw_pretraining(people, frames, str(dataset.audio_facts["pair"]))
    if dataset.true_tracks is not None:
        return _true_pretraining(dataset, dataset.true_tracks)
    kept = []
    least = min(LEAST_FRAMES, frames)
    training = dataset.split(TRAIN)
    for speaker in sorted({row.speaker for row in training}):
        rows = [row for row in training if row.speaker == speaker]
        fits = read_shard(dataset.coefficients, speaker, ["lm_rmse", "eye_width", "valid"])
        usable = [row for row in rows if row.clip_id in fits and well_fitted(**fits[row.clip_id], least=least)]
        kept += read_clips(dataset, usable) if usable else []
    return wide_motion(kept, dataset.dataset)


def check_drawn_people(dataset: PreparedDataset) -> None:
    """Raise InputError where people of the synthetic corpus cannot stand for those of a dataset."""
    if dataset.true_tracks is None or dataset.audio_facts["extractor"] != "logmel":
        raise InputError(
            f"{dataset.dataset}: pretrain_people must be 0: only the synthetic corpus' people are drawn, with log-mel "
            "and coefficients: truth"
        )


def draw_pretraining(people: int, frames: int, pair: str) -> list[ClipTracks]:
    """One clip of each of many people with large motion and true coefficients, the emotions in turn.

    Args:
        people: number of clips. frames: of each, at least 30. pair: of the audio features.
    """
    clips = []
    for number in range(people):
        emotion, level = SUITE_ORDER[number % len(SUITE_ORDER)], 1 + number // len(SUITE_ORDER) % 3
        drawn = draw_track_people(
            1, (emotion,), (level,), 1, max(frames, SHORTEST), first=FIRST_TRACK_PERSON + number, large_motion=True
        )
        clips += [as_tracks(clip, pair) for clip in drawn]
    return clips


def well_fitted(
    lm_rmse: NDArray[np.float32], eye_width: NDArray[np.float32], valid: NDArray[np.bool_], least: int = LEAST_FRAMES
) -> bool:
    """At least 75 frames by default, at most 10 % without a face, median landmark error below 3 % of the face's width.

    Args:
        lm_rmse: (T,) error of the landmarks in pixels.
        eye_width: (T,) distance of the outer eye corners in pixels.
        valid: (T,) frames with a face.
        least: number of frames.
    """
    if len(valid) < least or (~valid).mean() > MOST_INVALID:
        return False
    return bool(np.median(lm_rmse[valid] / (FACE_WIDTH * eye_width[valid])) < MOST_ERROR)


def wide_motion(clips: Sequence[ClipTracks], source: str) -> list[ClipTracks]:
    """Clips whose head turns more than the calmest fifth; raises InputError where there are no clips."""
    if not clips:
        raise InputError(f"{source}: no clip is long and well fitted enough for pre-training; see fit.json")
    turns = np.array([np.sqrt(relative_motion(clip.rho)[:, ROTATION].var(axis=0).sum()) for clip in clips])
    return [clip for clip, turn in zip(clips, turns, strict=True) if turn >= np.percentile(turns, CALMEST)]


def pretraining_digest(dataset: PreparedDataset, people: int = 0) -> str:
    """Digest of what :func:`read_pretraining` reads, for the keys of training jobs; labels are not part of it."""
    if people:
        return digest("drawn people", people, CORPUS_VERSION)
    if dataset.true_tracks is not None:
        return digest(CORPUS_VERSION, file_digest(dataset.true_tracks / "truth" / "clips.parquet"))
    by_speaker: dict[str, list[ClipRow]] = {}
    for row in dataset.split(TRAIN):
        by_speaker.setdefault(row.speaker, []).append(row)
    return digest(track_digests(dataset, by_speaker))


def _true_pretraining(dataset: PreparedDataset, root: Path) -> list[ClipTracks]:
    truth = Truth(root)
    chosen = truth.clips[truth.clips["clip_id"].str.startswith(PREFIX)]
    if chosen.empty:
        raise InputError(f"{root}: no pre-training clips; set pretraining_speakers of the corpus")
    if dataset.audio_facts["extractor"] != "logmel":
        raise InputError("pre-training on the corpus' own clips needs audio.extractor logmel")
    pair = str(dataset.audio_facts["pair"])
    clips = []
    for name, row in chosen.iterrows():
        track = truth.frames(str(name), ["beta", "rho"])
        features = logmel(read_audio(root / str(row["audio"]))).astype(np.float16)
        labels = str(row["speaker"]), str(row["emotion"]), int(row["level"])
        audio = to_video_rate(features, len(track["rho"]), pair)
        clips.append(ClipTracks(str(name), *labels, track["beta"], track["rho"], audio))
    return clips
