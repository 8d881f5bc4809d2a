"""Which clips train and which test, by dataset. Lists are data files; rules are here with their source."""

import csv
import functools
from collections import defaultdict
from collections.abc import Sequence
from importlib import resources

from gmbench.datasets.manifest import HELD_OUT, OTHER, TEST, TRAIN, ClipRow, with_split

MEAD_SUBJECTS = ("M003", "M009", "M030", "W009", "W011", "W015")
"""Six subjects as in GMTalker, which does not name them: the four of the EAT list and two more."""
CREMA_TEST_ACTORS = 15
CREMA_TEST_SENTENCES = ("TSI", "WSI")
SEQUENCE_TRAIN_SHARE = 0.8


@functools.cache
def eat_list() -> frozenset[tuple[str, str, str]]:
    """The 100 clips (speaker, emotion, number) of the EAT evaluation at level 3, neutral at level 1."""
    text = resources.files("gmbench.datasets").joinpath("data/eat100.csv").read_text("utf-8")
    return frozenset((row["speaker"], row["emotion"], row["number"]) for row in csv.DictReader(text.splitlines()))


def mead_eat(rows: Sequence[ClipRow]) -> list[ClipRow]:
    """MEAD with the EAT list as test: a listed (speaker, emotion, number) leaves training at all levels."""
    return [with_split(row, _mead_eat(row)) for row in rows]


def last_sentences(rows: Sequence[ClipRow], count: int) -> list[ClipRow]:
    """The last ``count`` sentences of each (speaker, emotion, level) are test; at least one stays for training."""
    takes: dict[tuple[str, str, int], list[str]] = defaultdict(list)
    for row in rows:
        takes[row.speaker, row.emotion, row.level].append(row.sentence)
    test = {
        (*key, sentence)
        for key, sentences in takes.items()
        for sentence in sorted(sentences)[max(1, len(sentences) - count) :]
    }
    return [
        with_split(row, TEST if (row.speaker, row.emotion, row.level, row.sentence) in test else TRAIN) for row in rows
    ]


def crema(rows: Sequence[ClipRow], sexes: dict[str, str]) -> list[ClipRow]:
    """CREMA-D: of the 15 actors with the highest numbers, five per sex with the lowest numbers, two sentences as test.

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
        return TEST if row.sentence.split("-")[0] in CREMA_TEST_SENTENCES else TRAIN

    return [with_split(row, split(row)) for row in rows]


def _mead_eat(row: ClipRow) -> str:
    if row.speaker not in MEAD_SUBJECTS:
        return OTHER
    if (row.speaker, row.emotion, row.sentence) in eat_list():
        return TEST if row.level == (1 if row.emotion == "neutral" else 3) else HELD_OUT
    return TRAIN
