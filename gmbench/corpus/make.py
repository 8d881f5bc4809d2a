"""Make the synthetic corpus: films in MEAD's layout, a pre-training set in VoxCeleb2's, and everything that was drawn.

``<root>/<speaker>/video/front/<emotion>/level_<L>/<NNN>.mp4``, the same below ``audio`` as ``.m4a``;
``<root>/truth`` holds the ground truth (see :mod:`gmbench.corpus.truth`). The same settings give the same bytes.
"""

import tempfile
from collections.abc import Callable
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from gmbench import job_cache
from gmbench.corpus import appearance, performance, speech, truth
from gmbench.corpus.lexicon import EMOTIONS
from gmbench.errors import InputError, StoreError
from gmbench.executor import one_thread
from gmbench.media import Audio, write_audio, write_video
from gmbench.morphable import synthetic_model
from gmbench.morphable.model import FaceModel
from gmbench.store import Store, digest, write_atomically

CORPUS_VERSION = 2
"""Raised whenever the corpus of the same settings would come out differently."""
CRF = 12
"""Quality of the films, x264's constant rate factor."""


@dataclass(frozen=True)
class CorpusSettings:
    """What to make.

    Attributes:
        seed: of everything random.
        speakers: number of people, men and women in turn.
        emotions, levels: of :data:`EMOTIONS` and 1 to 3; neutral exists at level 1 only, as in MEAD.
        sentences: takes of each emotion and level.
        frames: length of a clip.
        size: side of the pictures in pixels.
        pretraining_speakers, pretraining_clips: people with large motion, and clips of each.
    """

    seed: int = 0
    speakers: int = 4
    emotions: tuple[str, ...] = EMOTIONS
    levels: tuple[int, ...] = (1, 2, 3)
    sentences: int = 4
    frames: int = 50
    size: int = 128
    pretraining_speakers: int = 0
    pretraining_clips: int = 10

    def check(self) -> None:
        """Raise InputError for what cannot be made."""
        if unknown := set(self.emotions) - set(EMOTIONS):
            raise InputError(f"corpus: unknown emotions {sorted(unknown)}; expected some of {', '.join(EMOTIONS)}")
        if unknown_levels := set(self.levels) - {1, 2, 3}:
            raise InputError(f"corpus: levels are 1, 2 and 3, got {sorted(unknown_levels)}")
        if self.size % 2 or self.size < 32:
            raise InputError(f"corpus: size must be even and at least 32, got {self.size}")
        if min(self.speakers, self.sentences) < 1 or self.frames < 30:
            raise InputError("corpus: at least one speaker and sentence, and 30 frames a clip")


@dataclass(frozen=True)
class Take:
    """One clip to make; ``place`` is its path below the root without suffix, with ``{kind}`` for video or audio."""

    clip_id: str
    number: int
    speaker: int
    emotion: str
    level: int
    large_motion: bool
    video: str
    audio: str


def takes(settings: CorpusSettings) -> list[Take]:
    """All clips in order: speakers, emotions, levels, sentences, then the pre-training set."""
    result = []
    for speaker in range(settings.speakers):
        name = performance.cast(settings.seed, speaker + 1, speaker % 2 == 1).speaker
        for emotion in settings.emotions:
            for level in (1,) if emotion == "neutral" else settings.levels:
                for sentence in range(settings.sentences):
                    tail = f"{emotion}/level_{level}/{sentence + 1:03d}"
                    result.append(
                        Take(
                            f"synth/{name}/{emotion}/{level}/{sentence + 1:03d}", sentence, speaker, emotion, level,
                            False,
                            f"{name}/video/front/{tail}.mp4", f"{name}/audio/{tail}.m4a",
                        )
                    )  # fmt: skip
    for speaker in range(settings.pretraining_speakers):
        for clip in range(settings.pretraining_clips):
            tail = f"id{speaker:05d}/take{clip // 5:07d}/{clip:05d}"
            emotion = EMOTIONS[(speaker + clip) % len(EMOTIONS)]
            level = 1 if emotion == "neutral" else 1 + (speaker // len(EMOTIONS) + clip) % 3
            result.append(
                Take(
                    f"pretraining/{tail}", clip, speaker, emotion, level, True,
                    f"pretraining/dev/mp4/{tail}.mp4", f"pretraining/dev/aac/{tail}.m4a",
                )
            )  # fmt: skip
    return result


def make(
    root: Path,
    settings: CorpusSettings,
    store: Store,
    workers: int = 1,
    scheduler: str | None = None,
    report: Callable[[int, int], None] | None = None,
) -> int:
    """Write the corpus below a folder; returns the number of clips.

    Finished clips are kept in the store, so that a stopped run goes on where it was.

    Raises:
        InputError: settings that cannot be met.
        StoreError: a clip could not be made or written.
    """
    settings.check()
    drawn = replace(
        settings, speakers=0, sentences=0, emotions=(), levels=(), pretraining_speakers=0, pretraining_clips=0
    )
    chosen = takes(settings)
    jobs = [
        job_cache.Job(take.clip_id, digest("corpus", CORPUS_VERSION, asdict(drawn), asdict(take)), (drawn, take))
        for take in chosen
    ]
    failures = job_cache.run_jobs(record_take, jobs, store, workers, scheduler, report)
    if failures:
        name, reason = next(iter(failures.items()))
        raise StoreError(f"corpus: {len(failures)} clips could not be made, for example {name}: {reason}")
    writer = truth.Writer(root / "truth")
    for take, job in zip(chosen, jobs, strict=True):
        feature = job_cache.load(store, job)
        write_atomically(root / take.video, feature.arrays["video"].tobytes())
        write_atomically(root / take.audio, feature.arrays["audio"].tobytes())
        writer.add(take.clip_id, feature.arrays, feature.meta)
    writer.close()
    return len(chosen)


Rehearsed = tuple[
    performance.Performer,
    speech.Utterance,
    Audio,
    performance.Performance,
    appearance.Look,
    np.random.Generator,
]


def rehearse(model: FaceModel, settings: CorpusSettings, take: Take, silent: bool = False) -> Rehearsed:
    """Everything of a take but its pictures: person, words, sound, coefficients, look, and the random numbers left.

    A silent take has an empty sound, and other random numbers than one with sound.
    """
    person = performance.cast(settings.seed, take.speaker + 1, take.speaker % 2 == 1, take.large_motion)
    if take.large_motion:
        person = replace(person, speaker=f"id{take.speaker:05d}")
    generator = np.random.default_rng([settings.seed, 23, *take.clip_id.encode()])
    prosody = performance.prosody(generator, person, take.emotion, take.level)
    said = speech.compose(generator, take.emotion, take.number % 2 == 0, settings.frames, prosody.rate)
    sound = np.zeros(0, np.int16) if silent else speech.speak(generator, said, prosody)
    acted = performance.perform(generator, model, person, said, take.emotion, take.level)
    seen = appearance.look(generator, person, take.emotion, take.level, settings.frames, settings.size, settings.seed)
    return person, said, sound, acted, seen, generator


def record_take(argument: tuple[CorpusSettings, Take]) -> job_cache.JobResult:
    """Everything of one clip: the files' bytes and the ground truth."""
    settings, take = argument
    model = synthetic_model()
    person, said, sound, acted, seen, generator = rehearse(model, settings, take)
    images, heads, shoulders = [], [], []
    for drawn in appearance.draw(model, person, acted, seen, generator):
        images.append(drawn.image)
        heads.append(_png(drawn.head))
        shoulders.append(_png(drawn.shoulders))
    with tempfile.TemporaryDirectory() as folder, one_thread():
        video, audio = Path(folder) / "take.mp4", Path(folder) / "take.m4a"
        write_video(video, images, crf=CRF)
        write_audio(audio, sound)
        files = {"video": _bytes(video), "audio": _bytes(audio)}
    landmarks = model.landmark_points(person.shape, acted.full, acted.rho, settings.size)
    arrays = (
        files
        | _truth_arrays(model, person, acted, seen, landmarks)
        | _joined("head", heads)
        | _joined("shoulders", shoulders)
    )
    arrays["stressed"] = said.stressed
    arrays["starts"], arrays["ends"] = said.starts, said.ends
    meta = {
        "speaker": person.speaker, "emotion": take.emotion, "level": take.level, "style": acted.style,
        "transcript": said.transcript, "emotional_words": take.number % 2 == 0 and take.emotion != "neutral",
        "phonemes": said.phonemes, "phoneme_frames": speech.phoneme_frames(said, settings.frames),
        "pitch": person.pitch, "size": settings.size, "video": take.video, "audio": take.audio,
    }  # fmt: skip
    return arrays, meta


def _truth_arrays(
    model: FaceModel, person: performance.Performer, acted: performance.Performance, seen: appearance.Look,
    landmarks: NDArray[np.float64],
) -> dict[str, NDArray[Any]]:  # fmt: skip
    beta, _ = model.split(acted.full)
    return {
        "shape": person.shape.astype(np.float32),
        "texture": person.texture.astype(np.float32),
        "beta": beta.astype(np.float32),
        "rho": acted.rho.astype(np.float32),
        "light": seen.light.reshape(len(beta), -1).astype(np.float32),
        "landmarks": landmarks.astype(np.float32),
        "beats": acted.beats.astype(np.int64),
        "signs": seen.signs.astype(np.float32),
    }


def _png(mask: NDArray[np.uint8]) -> NDArray[np.uint8]:
    return np.asarray(cv2.imencode(".png", mask)[1], np.uint8).ravel()


def _joined(name: str, parts: list[NDArray[np.uint8]]) -> dict[str, NDArray[Any]]:
    """Byte strings of different lengths as one array and their ends."""
    return {f"{name}_png": np.concatenate(parts), f"{name}_ends": np.cumsum([len(part) for part in parts])}


def _bytes(path: Path) -> NDArray[np.uint8]:
    return np.frombuffer(path.read_bytes(), np.uint8).copy()
