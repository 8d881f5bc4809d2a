"""Many people without video files: coefficients, sound, words and labels, in a hundredth of a drawn clip's time.

What must tell people from emotions needs more people than a corpus of videos has. These have the numbers from
1,000,001 on, which no other set uses (see :mod:`gmbench.corpus.takes`), and behave as the corpus' speakers do: the same
code draws them. One clip of 50 frames takes 5 ms on one core, half of it for the sound; its pictures, drawn when they
are asked for, take 350 ms at 128 pixels.
"""

import copy
import itertools
import zlib
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from gmbench import shards
from gmbench.audio.spectra import logmel
from gmbench.corpus.drawing import draw, draw_look
from gmbench.corpus.takes import (
    FIRST_TRACK_PERSON,
    CorpusSettings,
    Take,
    TakeTracks,
    draw_person,
    draw_tracks,
    says_emotion,
)
from gmbench.datasets import manifest
from gmbench.datasets.manifest import HELD_OUT, TRAIN, ClipRow
from gmbench.emotions import SUITE_ORDER
from gmbench.errors import InputError
from gmbench.media import SAMPLES_PER_FRAME, Audio, Frames
from gmbench.morphable import coefficient_io
from gmbench.morphable.light import canonical_light
from gmbench.morphable.model import FaceModel
from gmbench.morphable.synthetic.model import synthetic_model

DATASET = "track_people"


@dataclass(frozen=True)
class TrackClip:
    """One clip without files.

    Attributes:
        clip_id: ``track_people/<speaker>/<emotion>/<level>/<take>``.
        person: number of the person.
        level: 1 to 3.
        transcript: the words.
        beta: (T, 169) expression without lids; rho: (T, 12) motion, gaze and lids.
        sound: int16 at 16 kHz, 640 samples per frame.
        shape, texture: (150,) and (251,) coefficients of the person.
        tracks: all of it but the pictures; ``seed``: of the corpus that it is of.
        first: frame of the tracks that it begins with.
    """

    clip_id: str
    speaker: str
    person: int
    emotion: str
    level: int
    transcript: str
    beta: NDArray[np.float32]
    rho: NDArray[np.float32]
    sound: Audio
    shape: NDArray[np.float32]
    texture: NDArray[np.float32]
    tracks: TakeTracks
    seed: int
    first: int = 0

    def landmarks(self, model: FaceModel, size: int) -> NDArray[np.float64]:
        """(T, 478, 2) pixels in pictures of a side; computed when asked for, in 4 ms."""
        return model.landmark_points(self.shape, model.join(self.beta, self.rho[:, 10:]), self.rho, size)

    def pictures(self, model: FaceModel, size: int) -> Iterator[Frames]:
        """Frames (size, size, 3), one at a time, as a film of the corpus would show the person; the same ones again.

        The noise of a part's pixels is another one than that of the whole clip's.
        """
        generator = copy.deepcopy(self.tracks.generator)
        person, performance = self.tracks.performer, self.tracks.performance
        look = draw_look(generator, person, self.emotion, self.level, len(performance.rho), size, self.seed)
        rows = range(self.first, self.first + len(self.rho))
        for frame in draw(model, person, performance, look, generator, rows):
            yield frame.image

    def part(self, frames: int) -> "TrackClip":
        """So many of the clip's frames in a row, from a place that its name decides; all where it has no more."""
        first = zlib.crc32(self.clip_id.encode()) % max(1, len(self.rho) - frames + 1)
        rows, samples = (slice(first * unit, (first + frames) * unit) for unit in (1, SAMPLES_PER_FRAME))
        return replace(
            self, beta=self.beta[rows], rho=self.rho[rows], sound=self.sound[samples], first=self.first + first
        )


def draw_track_people(
    count: int,
    emotions: Sequence[str] = SUITE_ORDER,
    levels: Sequence[int] = (3,),
    takes: int = 2,
    frames: int = 50,
    seed: int = 0,
    first: int = FIRST_TRACK_PERSON,
    large_motion: bool = False,
) -> Iterator[TrackClip]:
    """Clips of ``count`` people, one person after another; a person's clips do not depend on who else is drawn.

    Args:
        count: number of people.
        emotions: of :data:`SUITE_ORDER`.
        levels: of each emotion, 1 to 3; neutral exists at level 1 only.
        takes: of each emotion and level.
        frames: length of a clip, at least 30.
        seed: of everything random.
        first: number of the first person, at least 1,000,001.
        large_motion: heads move nearly twice as far, as those of the pre-training people.

    Raises:
        InputError: a number that belongs to other people, or settings that cannot be met.
    """
    settings = CorpusSettings(seed=seed, emotions=tuple(emotions), levels=tuple(levels), sentences=takes, frames=frames)
    settings.check()
    if first < FIRST_TRACK_PERSON:
        raise InputError(f"track people have numbers from {FIRST_TRACK_PERSON} on, got {first}; others own the rest")
    return _draw(settings, first, count, large_motion)


def _draw(settings: CorpusSettings, first: int, count: int, large_motion: bool) -> Iterator[TrackClip]:
    model = synthetic_model()
    for number in range(first, first + count):
        yield from _draw_person(model, settings, number, large_motion)


def _draw_person(model: FaceModel, settings: CorpusSettings, number: int, large_motion: bool) -> Iterator[TrackClip]:
    person = draw_person(settings.seed, number - 1, large_motion)
    for emotion in settings.emotions:
        for level in (1,) if emotion == "neutral" else settings.levels:
            for turn in range(settings.sentences):
                clip_id = manifest.clip_id(DATASET, person.speaker, emotion, level, f"{turn + 1:03d}")
                emotional = says_emotion(turn, number - 1, emotion, level)
                take = Take(clip_id, emotional, number - 1, emotion, level, large_motion, "", "")
                tracks = draw_tracks(model, settings, take, person=person)
                beta, _ = model.split(tracks.performance.full)
                yield TrackClip(
                    clip_id, person.speaker, number, emotion, level, tracks.utterance.transcript,
                    beta.astype(np.float32), tracks.performance.rho.astype(np.float32), tracks.sound,
                    person.shape.astype(np.float32), person.texture.astype(np.float32), tracks, settings.seed,
                )  # fmt: skip


def write_track_people(folder: Path, clips: Iterable[TrackClip], held_out: int = 0) -> list[ClipRow]:
    """Write clips as the pipeline writes fitted ones, so that what reads a prepared dataset reads them.

    ``coefficients`` and ``audio`` hold one shard per person (true coefficients; 50-Hz log-mel features, float16),
    ``manifest.parquet`` the rows. There are no videos: ``video_path`` and ``audio_path`` are empty.

    Args:
        folder: to write into.
        clips: of one person after another.
        held_out: number of people, the last ones, whose rows have the split ``held_out``; the others ``train``.

    Returns:
        The rows, in the order of the clips.

    Raises:
        InputError: not more people than are to be held out.
    """
    rows: list[ClipRow] = []
    speakers: list[dict[str, Any]] = []
    for speaker, group in itertools.groupby(clips, key=lambda clip: clip.speaker):
        members = list(group)
        coefficients = [(clip.clip_id, _coefficients(clip)) for clip in members]
        sounds = [(clip.clip_id, {"features": logmel(clip.sound).astype(np.float16)}) for clip in members]
        shards.write(folder / "coefficients", speaker, coefficients)
        shards.write(folder / "audio", speaker, sounds)
        statistics = coefficient_io.statistics([arrays for _, arrays in coefficients])
        speakers.append({"speaker": speaker, "shape": members[0].shape, "texture": members[0].texture, **statistics})
        rows += [_row(clip) for clip in members]
    if len(speakers) <= held_out:
        raise InputError(f"{folder}: {len(speakers)} people, of whom {held_out} are to be held out; draw more")
    tested = {row["speaker"] for row in speakers[len(speakers) - held_out :]}
    rows = [manifest.with_split(row, HELD_OUT if row.speaker in tested else TRAIN) for row in rows]
    coefficient_io.write_speakers(folder / "coefficients", speakers)
    manifest.write(rows, folder / "manifest.parquet")
    return rows


def _row(clip: TrackClip) -> ClipRow:
    sentence = clip.clip_id.rsplit("/", 1)[1]
    frames = len(clip.rho)
    return ClipRow(clip.clip_id, DATASET, clip.speaker, clip.emotion, clip.level, sentence, "", "", 0, frames)


def _coefficients(clip: TrackClip) -> dict[str, NDArray[Any]]:
    """Columns of a fitted clip: the coefficients are true, so the error is zero and every frame is seen."""
    frames = len(clip.rho)
    return {
        "beta": clip.beta,
        "rho": clip.rho,
        "light": np.tile(canonical_light().ravel().astype(np.float32), (frames, 1)),
        "lm_rmse": np.zeros(frames, np.float32),
        "valid": np.ones(frames, bool),
        "segment": np.zeros(frames, np.int64),
    }
