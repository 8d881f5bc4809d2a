"""Clips of further people beside those of a synthetic dataset, drawn when a training begins, without files.

Of coefficients and sound alone (5 ms a clip) there can be thousands; with pictures (7 ms a frame) hundreds.
"""

import json
from collections.abc import Sequence

import numpy as np

from gmbench.audio.hubert import to_video_rate
from gmbench.audio.spectra import logmel
from gmbench.corpus.make import CORPUS_VERSION
from gmbench.corpus.takes import FIRST_TRACK_PERSON
from gmbench.corpus.track_people import TrackClip, draw_track_people
from gmbench.datasets.manifest import ClipRow
from gmbench.errors import InputError
from gmbench.methods.interface import PreparedDataset
from gmbench.methods.tracks import ClipTracks, emotions_of
from gmbench.store import digest

SHORTEST = 30
"""Least number of frames that a clip of the corpus has."""


def check_track_people(setting: str, dataset: PreparedDataset) -> None:
    """Raise InputError, naming the setting, where the corpus' coefficients or audio features are not the dataset's."""
    check_people_with_coefficients(setting, dataset, audio=True)


def check_corpus_people(setting: str, dataset: PreparedDataset) -> None:
    """Raise InputError, naming the setting, where the dataset is not the synthetic corpus."""
    if dataset.truth is None:
        raise InputError(f"{_must_be_0(setting, dataset)}: they are people of the synthetic corpus, and it is none")


def check_people_with_coefficients(setting: str, dataset: PreparedDataset, audio: bool = False) -> None:
    """Raise InputError, naming the setting, where the corpus' coefficients are not the dataset's, or its ``audio``."""
    check_corpus_people(setting, dataset)
    advice = _must_be_0(setting, dataset)
    if dataset.true_tracks is None:
        raise InputError(f"{advice}: their coefficients are true, and its are fitted")
    if audio and (extractor := dataset.audio_facts["extractor"]) != "logmel":
        raise InputError(f"{advice}: their audio features are logmel, and its are {extractor}")
    version = json.loads(dataset.face_model.with_suffix(".json").read_text("utf-8")).get("version")
    if version != "synthetic":
        raise InputError(f"{advice}: their coefficients belong to the synthetic face model, and its to {version}")


def _must_be_0(setting: str, dataset: PreparedDataset) -> str:
    return f"{setting} must be 0 for {dataset.dataset}"


def draw_pictured(count: int, rows: Sequence[ClipRow], frames: int, after: int = 0) -> list[TrackClip]:
    """A clip of each of ``count`` people in each emotion and level of ``rows``, whose pictures are learnt from too.

    Args:
        count: number of people.
        rows: clips of the dataset that is learnt from.
        frames: length of a clip; at least :data:`SHORTEST` are drawn.
        after: so many people are left to others.
    """
    if not count:
        return []
    labels, length = (emotions_of(rows), _levels(rows)), max(frames, SHORTEST)
    return list(draw_track_people(count, *labels, takes=1, frames=length, first=FIRST_TRACK_PERSON + after))


def track_people_digest(count: int, after: int = 0) -> str:
    """Digest of what people that are drawn depend on beside a function's other arguments, for keys of training jobs."""
    return digest("track people", count, CORPUS_VERSION, *([after] if after else [])) if count else ""


def draw_clips(count: int, rows: Sequence[ClipRow], frames: int, pair: str, takes: int = 1) -> list[ClipTracks]:
    """Clips of each of ``count`` people in each emotion and level of ``rows``; the same ones for every seed.

    Args:
        count: number of people.
        rows: clips of the dataset that is learnt from.
        frames: length of a clip; at least :data:`SHORTEST` are drawn.
        pair: pairing of the audio features.
        takes: clips of a person in an emotion and level.
    """
    if not count:
        return []
    return draw_people(count, emotions_of(rows), _levels(rows), frames, pair, takes)


def _levels(rows: Sequence[ClipRow]) -> list[int]:
    return sorted({row.level for row in rows if row.emotion != "neutral"}) or [1]


def draw_people(
    count: int, emotions: Sequence[str], levels: Sequence[int], frames: int, pair: str, takes: int = 1
) -> list[ClipTracks]:
    """Clips of each of ``count`` people in each emotion and level; the other arguments are :func:`draw_clips`'."""
    drawn = draw_track_people(count, emotions, levels, takes=takes, frames=max(frames, SHORTEST))
    return [as_tracks(clip, pair) for clip in drawn]


def as_tracks(clip: TrackClip, pair: str) -> ClipTracks:
    """The clip as training reads it, with log-mel features paired to frames."""
    audio = to_video_rate(logmel(clip.sound).astype(np.float16), len(clip.rho), pair)
    return ClipTracks(clip.clip_id, clip.speaker, clip.emotion, clip.level, clip.beta, clip.rho, audio)
