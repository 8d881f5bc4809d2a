"""Which clips train, which choose recipes (``tune``) and which test, by dataset.

Lists are data files; rules are here with their source. No paper names clips on which it chose its settings: the rules
for ``tune`` are gmbench's own, and take from training what lies nearest to the test clips.
"""

import csv
import functools
from collections import defaultdict
from collections.abc import Sequence
from importlib import resources

from gmbench.datasets.manifest import HELD_OUT, OTHER, TEST, TRAIN, TUNE, ClipRow, with_split

MEAD_SUBJECTS = ("M003", "M009", "M030", "W009", "W011", "W015")
"""Six subjects as in GMTalker, which does not name them: the four of the EAT list and two more."""
CREMA_TEST_ACTORS = 15
CREMA_TUNE_SENTENCE, CREMA_TEST_SENTENCES = "ITS", ("TSI", "WSI")
SEQUENCE_TRAIN_SHARE = 0.8
SEQUENCE_TUNE_SHARE = 0.1
"""Of a sequence's frames, the last of those that train."""
SHORTEST_TUNE = 50
"""Frames, 2 s; sequences whose tune part would be shorter have none."""
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
