"""What a corpus consists of: its settings, its people, its clips ("takes"), and all of a take but its pictures.

People are numbered, and no number belongs to two sets, so that nobody who is tested has been learnt from:

=====================  ==================  ===========  ==========================================================
set                    numbers             head motion  made by
=====================  ==================  ===========  ==========================================================
speakers               1 to 500            usual        :func:`gmbench.corpus.make.make`
unseen speakers        501 to 999          usual        :func:`gmbench.corpus.make.make`, in the folder ``unseen``
pre-training people    1 to 100,000        large        :func:`gmbench.corpus.make.make`, ``pretraining``
extractors' people     100,001 on          large        :func:`gmbench.corpus.people.draw_people`
track people           1,000,001 on        either       :func:`gmbench.corpus.track_people.draw_track_people`
=====================  ==================  ===========  ==========================================================

The size of the head motion is part of a person's seed: with large motion number 1 is somebody else.
"""

from collections.abc import Iterator
from dataclasses import dataclass, replace

import numpy as np

from gmbench.corpus.drawing import Look, draw_look
from gmbench.corpus.performance import Performance, Performer, draw_performer, draw_prosody, perform, speaker_name
from gmbench.corpus.speech import Utterance, compose, synthesise_speech
from gmbench.emotions import SUITE_ORDER
from gmbench.errors import InputError
from gmbench.media import Audio
from gmbench.morphable.model import FaceModel

FIRST_UNSEEN = 501
FIRST_EXTRACTOR_PERSON = 100_001
FIRST_TRACK_PERSON = 1_000_001
MOST_UNSEEN = 499
"""MEAD's names of speakers have three digits."""
UNSEEN = "unseen"
"""Folder of the unseen speakers below the corpus' root: a corpus of its own, with its own ground truth."""
_UNSEEN_DATASET, _UNSEEN_LEVEL = "synth_unseen", 3


@dataclass(frozen=True)
class CorpusSettings:
    """What to make.

    Attributes:
        seed: of everything random.
        speakers: number of people, men and women in turn.
        emotions, levels: of :data:`SUITE_ORDER` and 1 to 3; neutral exists at level 1 only, as in MEAD.
        sentences: takes of each emotion and level.
        frames: length of a clip.
        size: side of the pictures in pixels.
        pretraining_speakers, pretraining_clips: people with large motion, and clips of each.
        unseen_speakers: more people, for tests alone: one clip of each emotion at level 3 (neutral at 1).
    """

    seed: int = 0
    speakers: int = 4
    emotions: tuple[str, ...] = SUITE_ORDER
    levels: tuple[int, ...] = (1, 2, 3)
    sentences: int = 4
    frames: int = 50
    size: int = 128
    pretraining_speakers: int = 0
    pretraining_clips: int = 10
    unseen_speakers: int = 0

    def check(self) -> None:
        """Raise InputError for what cannot be made."""
        if unknown := set(self.emotions) - set(SUITE_ORDER):
            raise InputError(f"corpus: unknown emotions {sorted(unknown)}; expected some of {', '.join(SUITE_ORDER)}")
        if unknown_levels := set(self.levels) - {1, 2, 3}:
            raise InputError(f"corpus: levels are 1, 2 and 3, got {sorted(unknown_levels)}")
        if self.size % 2 or self.size < 32:
            raise InputError(f"corpus: size must be even and at least 32, got {self.size}")
        if min(self.speakers, self.sentences) < 1 or self.frames < 30:
            raise InputError("corpus: at least one speaker and sentence, and 30 frames per clip")
        if self.speakers >= FIRST_UNSEEN or self.unseen_speakers > MOST_UNSEEN:
            raise InputError(
                f"corpus: at most {FIRST_UNSEEN - 1} speakers and {MOST_UNSEEN} unseen ones, "
                f"got {self.speakers} and {self.unseen_speakers}"
            )


@dataclass(frozen=True)
class Take:
    """One clip to make.

    Attributes:
        clip_id: its name, which also seeds it.
        emotional: whether a word of its emotion is said, see :func:`says_emotion`.
        speaker: number of the person, from 0 (see the module: there from 1).
        video, audio: files below the set's :attr:`folder`.
    """

    clip_id: str
    emotional: bool
    speaker: int
    emotion: str
    level: int
    large_motion: bool
    video: str
    audio: str

    @property
    def folder(self) -> str:
        """Folder of the take's set below the corpus' root."""
        return UNSEEN if self.clip_id.startswith(f"{_UNSEEN_DATASET}/") else ""


def takes(settings: CorpusSettings) -> list[Take]:
    """All clips in order: speakers, emotions, levels, sentences, then the pre-training set, then unseen speakers."""
    return [*_speakers(settings), *_pretraining(settings), *_unseen(settings)]


def _speakers(settings: CorpusSettings) -> Iterator[Take]:
    for speaker in range(settings.speakers):
        for emotion in settings.emotions:
            for level in (1,) if emotion == "neutral" else settings.levels:
                for sentence in range(settings.sentences):
                    yield _mead_take("synth", speaker, emotion, level, sentence)


def _pretraining(settings: CorpusSettings) -> Iterator[Take]:
    for speaker in range(settings.pretraining_speakers):
        for clip in range(settings.pretraining_clips):
            tail = f"id{speaker:05d}/take{clip // 5:07d}/{clip:05d}"
            emotion = SUITE_ORDER[(speaker + clip) % len(SUITE_ORDER)]
            level = 1 if emotion == "neutral" else 1 + (speaker // len(SUITE_ORDER) + clip) % 3
            video, audio = f"pretraining/dev/mp4/{tail}.mp4", f"pretraining/dev/aac/{tail}.m4a"
            emotional = says_emotion(clip, speaker, emotion, level)
            yield Take(f"pretraining/{tail}", emotional, speaker, emotion, level, True, video, audio)


def _unseen(settings: CorpusSettings) -> Iterator[Take]:
    for speaker in range(FIRST_UNSEEN - 1, FIRST_UNSEEN - 1 + settings.unseen_speakers):
        for emotion in settings.emotions:
            level = 1 if emotion == "neutral" else _UNSEEN_LEVEL
            yield _mead_take(_UNSEEN_DATASET, speaker, emotion, level, 0)


def _mead_take(dataset: str, speaker: int, emotion: str, level: int, sentence: int) -> Take:
    """A take in MEAD's layout."""
    name = speaker_name(speaker + 1, _female(speaker))
    tail = f"{emotion}/level_{level}/{sentence + 1:03d}"
    clip_id = f"{dataset}/{name}/{emotion}/{level}/{sentence + 1:03d}"
    video, audio = f"{name}/video/front/{tail}.mp4", f"{name}/audio/{tail}.m4a"
    emotional = says_emotion(sentence, speaker, emotion, level)
    return Take(clip_id, emotional, speaker, emotion, level, False, video, audio)


def says_emotion(number: int, speaker: int, emotion: str, level: int) -> bool:
    """Whether the ``number``-th take (from 0) of a speaker (from 0), emotion and level says a word of its emotion.

    Three takes of four do, and which one does not moves on with the speaker, the emotion and the level. So it is three
    quarters of the takes of each number, which go into one split, and of each emotion and level in it. With half of the
    takes sound would hint at too little (:data:`gmbench.corpus.probe.BANDS`).
    """
    place = number + speaker + speaker // len(SUITE_ORDER) + SUITE_ORDER.index(emotion) + 2 * (level // 2)
    return emotion != "neutral" and place % 4 != 0


def _female(speaker: int) -> bool:
    return speaker % 2 == 1


@dataclass(frozen=True)
class TakeTracks:
    """A take without pictures: who speaks, what, its sound (640 samples per frame), its coefficients.

    ``generator`` holds the random numbers that are left for what follows.
    """

    performer: Performer
    utterance: Utterance
    sound: Audio
    performance: Performance
    generator: np.random.Generator


@dataclass(frozen=True)
class TakeContent(TakeTracks):
    """Everything of a take but its pictures."""

    look: Look


def draw_person(seed: int, speaker: int, large_motion: bool = False) -> Performer:
    """The person of takes with this ``speaker`` (from 0)."""
    person = draw_performer(seed, speaker + 1, _female(speaker), large_motion)
    return replace(person, speaker=f"id{speaker:05d}") if large_motion else person


def draw_tracks(
    model: FaceModel, settings: CorpusSettings, take: Take, silent: bool = False, person: Performer | None = None
) -> TakeTracks:
    """Words, sound and coefficients of a take.

    Args:
        model: face model with named expression columns.
        settings: seed and length of the clip.
        take: which clip.
        silent: leave the sound empty; the take then has other random numbers than one with sound.
        person: of :func:`draw_person`, where it was drawn before.
    """
    person = person or draw_person(settings.seed, take.speaker, take.large_motion)
    generator = np.random.default_rng([settings.seed, 23, *take.clip_id.encode()])
    prosody = draw_prosody(generator, person, take.emotion, take.level)
    utterance = compose(generator, take.emotion, take.emotional, settings.frames, prosody.rate)
    sound = np.zeros(0, np.int16) if silent else synthesise_speech(generator, utterance, prosody)
    performance = perform(generator, model, person, utterance, take.emotion, take.level)
    return TakeTracks(person, utterance, sound, performance, generator)


def draw_content(model: FaceModel, settings: CorpusSettings, take: Take, silent: bool = False) -> TakeContent:
    """Tracks of a take and its look, from which :func:`gmbench.corpus.drawing.draw` makes the pictures."""
    tracks = draw_tracks(model, settings, take, silent)
    look = draw_look(
        tracks.generator, tracks.performer, take.emotion, take.level, settings.frames, settings.size, settings.seed
    )
    return TakeContent(**vars(tracks), look=look)
