"""Which clips train, which choose recipes (``tune``) and which test, by dataset.

Lists are data files; rules are here with their source. No paper names clips on which it chose its settings: the rules
for ``tune`` are gmbench's own, and take from training what lies nearest to the test clips.
"""

import csv
import functools
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import replace
from importlib import resources

from gmbench.datasets.manifest import HELD_OUT, OTHER, TEST, TRAIN, TUNE, ClipRow, clip_id, with_split
from gmbench.media import natural_key

MEAD_SUBJECTS = ("M003", "M009", "M030", "W009", "W011", "W015")
"""Six subjects as in GMTalker, which does not name them: the four of the EAT list and two more."""
CREMA_TEST_ACTORS = 15
CREMA_TUNE_SENTENCE, CREMA_TEST_SENTENCES = "ITS", ("TSI", "WSI")
SEQUENCE_TRAIN_SHARE = 0.8
SEQUENCE_TUNE_SHARE = 0.1
"""Of a sequence's frames, the last of those that train."""
SHORTEST_TUNE = 50
"""Frames, 2 s; sequences whose tune part would be shorter have none."""
SHORTEST_CUT = 250
"""Frames, 10 s, from which on the only video of a person and emotion is cut in time."""
LEAST_OF_PERSON = 500
"""Frames, 20 s, of a person in a folder from which on something is learnt."""
FEWEST_TRAINED = 2
"""Takes of a speaker, emotion and level that stay for training before one chooses recipes."""


@functools.cache
def eat_list() -> frozenset[tuple[str, str, str]]:
    """The 100 clips (speaker, emotion, number) of the EAT evaluation at level 3, neutral at level 1."""
    text = resources.files("gmbench.datasets").joinpath("data/eat100.csv").read_text("utf-8")
    return frozenset((row["speaker"], row["emotion"], row["number"]) for row in csv.DictReader(text.splitlines()))


def mead_eat(rows: Sequence[ClipRow]) -> list[ClipRow]:
    """MEAD with the EAT list as test: a listed (speaker, emotion, number) leaves training at all levels.

    Of what the list leaves, the highest number of each (speaker, emotion) at the tested level chooses recipes, and
    leaves training likewise; two or more stay.
    """
    numbers: dict[tuple[str, str], list[str]] = defaultdict(list)
    for row in rows:
        listed = (row.speaker, row.emotion, row.sentence) in eat_list()
        if row.speaker in MEAD_SUBJECTS and _at_tested_level(row) and not listed:
            numbers[row.speaker, row.emotion].append(row.sentence)
    tune = {(*key, max(found)) for key, found in numbers.items() if len(found) > FEWEST_TRAINED}
    return [with_split(row, _mead_eat(row, tune)) for row in rows]


def last_sentences(rows: Sequence[ClipRow], count: int = 1) -> list[ClipRow]:
    """The last ``count`` sentences of each (speaker, emotion, level) are test; at least one stays for training.

    The one before them chooses recipes, where :data:`FEWEST_TRAINED` stay.
    """
    takes: dict[tuple[str, str, int], list[str]] = defaultdict(list)
    for row in rows:
        takes[row.speaker, row.emotion, row.level].append(row.sentence)
    chosen: dict[tuple[str, str, int, str], str] = {}
    for key, sentences in takes.items():
        first = max(1, len(sentences) - count)
        for place, sentence in enumerate(sorted(sentences)):
            tunes = place == first - 1 >= FEWEST_TRAINED
            chosen[*key, sentence] = TEST if place >= first else TUNE if tunes else TRAIN
    return [with_split(row, chosen[row.speaker, row.emotion, row.level, row.sentence]) for row in rows]


def of_sequence(frames: int) -> list[tuple[str, int, int]]:
    """Parts (split, first frame, number of frames) of one long video: 80 % in time train, the rest tests, as GMTalker.

    The last tenth of the video before the test part chooses recipes, where it has :data:`SHORTEST_TUNE` frames.
    """
    cut = int(frames * SEQUENCE_TRAIN_SHARE)
    tune = int(frames * SEQUENCE_TUNE_SHARE)
    if tune < SHORTEST_TUNE:
        return [(TRAIN, 0, cut), (TEST, cut, frames - cut)]
    return [(TRAIN, 0, cut - tune), (TUNE, cut - tune, tune), (TEST, cut, frames - cut)]


def by_time(rows: Sequence[ClipRow], frames: Mapping[str, int]) -> list[ClipRow]:
    """Any person's videos: of each emotion the last fifth in time tests, the tenth before it chooses recipes.

    An emotion's only video is cut in time as :func:`of_sequence` has it, from :data:`SHORTEST_CUT` on; of several the
    last one tests, and all whose middle lies in the last fifth. The tenth before it chooses recipes only where two
    stay for training. Nothing is learnt of a person with less than :data:`LEAST_OF_PERSON` in all: everything tests.

    Args:
        rows: of any people; time runs as their paths are ordered.
        frames: of each clip's video by its id, at 25 fps.
    """
    people: dict[str, list[ClipRow]] = defaultdict(list)
    for row in sorted(rows, key=lambda row: natural_key(row.video_path)):
        people[row.speaker].append(row)
    result: list[ClipRow] = []
    for clips in people.values():
        if sum(frames[row.clip_id] for row in clips) < LEAST_OF_PERSON:
            result += [with_split(row, TEST) for row in clips]
            continue
        chosen: list[ClipRow] = []
        for emotion in sorted({row.emotion for row in clips}):
            chosen += _emotion_by_time([row for row in clips if row.emotion == emotion], frames)
        if len(chosen) > 1 and all(row.split == TRAIN for row in chosen):
            chosen[-1] = with_split(chosen[-1], TEST)
        result += chosen
    return result


def _emotion_by_time(rows: Sequence[ClipRow], frames: Mapping[str, int]) -> list[ClipRow]:
    """One person's clips of one emotion, in order of time."""
    if len(rows) == 1:
        return _parts(rows[0], frames[rows[0].clip_id])
    total = max(1, sum(frames[row.clip_id] for row in rows))
    result, before = [], 0
    for place, row in enumerate(rows):
        middle = (before + frames[row.clip_id] / 2) / total
        before += frames[row.clip_id]
        tests = place == len(rows) - 1 or (middle >= SEQUENCE_TRAIN_SHARE and place > 0)
        tunes = middle >= SEQUENCE_TRAIN_SHARE - SEQUENCE_TUNE_SHARE and place >= FEWEST_TRAINED
        result.append(with_split(row, TEST if tests else TUNE if tunes else TRAIN))
    return result


def _parts(row: ClipRow, frames: int) -> list[ClipRow]:
    """The parts of one long video; a short one trains."""
    if frames < SHORTEST_CUT:
        return [with_split(row, TRAIN)]
    parts = []
    for split, first, count in of_sequence(frames):
        sentence = f"{row.sentence}-{split}"
        name = clip_id(row.dataset, row.speaker, row.emotion, row.level, sentence)
        parts.append(replace(row, clip_id=name, sentence=sentence, first_frame=first, n_frames=count, split=split))
    return parts


def crema(rows: Sequence[ClipRow], sexes: dict[str, str]) -> list[ClipRow]:
    """CREMA-D: of the 15 actors with the highest numbers, five per sex with the lowest numbers, two sentences as test.

    The sentence before these two in the dataset's list chooses recipes.
    The papers train the emotion classifier on 76 identities and test on 15, GMTalker on 10, without names. The other
    76 actors are ``held_out``: the classifier's. Without the table of sexes the ten lowest of the 15 are taken.
    """
    last = sorted({row.speaker for row in rows})[-CREMA_TEST_ACTORS:]
    by_sex: dict[str, list[str]] = defaultdict(list)
    for actor in last:
        by_sex[sexes.get(actor, "")].append(actor)
    chosen = {actor for actors in by_sex.values() for actor in actors[:5]} if set(by_sex) - {""} else set(last[:10])

    def split(row: ClipRow) -> str:
        if row.speaker not in last:
            return HELD_OUT
        if row.speaker not in chosen:
            return OTHER
        sentence = row.sentence.split("-")[0]
        return TEST if sentence in CREMA_TEST_SENTENCES else TUNE if sentence == CREMA_TUNE_SENTENCE else TRAIN

    return [with_split(row, split(row)) for row in rows]


def _mead_eat(row: ClipRow, tune: set[tuple[str, str, str]]) -> str:
    if row.speaker not in MEAD_SUBJECTS:
        return OTHER
    sentence = (row.speaker, row.emotion, row.sentence)
    split = TEST if sentence in eat_list() else TUNE if sentence in tune else TRAIN
    return split if split == TRAIN or _at_tested_level(row) else HELD_OUT


def _at_tested_level(row: ClipRow) -> bool:
    """EAT's level: 3, neutral 1."""
    return row.level == (1 if row.emotion == "neutral" else 3)
