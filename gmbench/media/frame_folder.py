"""Which pictures of a folder are the frames of a clip, and in which order.

Frames are one numbered series: names of the same text with another number in each (``frame_0.png`` to
``frame_99.png``). Any other picture beside them, such as ``source.png``, is a stray one.
"""

import re
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import NamedTuple

from gmbench.media.formats import IMAGE_SUFFIXES
from gmbench.names import counted, some

_NUMBER = re.compile(r"([0-9]+)")
SMALL_SHARE = 0.1
"""A second numbered series of at most this share of the frames is stray pictures; a larger one could be the frames."""


@dataclass(frozen=True)
class FrameNames:
    """The names of the pictures of one folder, sorted out.

    Attributes:
        frames: in order; empty where ``problem`` says why they cannot be told.
        strays: pictures that are no frames.
        gaps: what the numbering leaves out, as text; empty where it goes up by one.
        problem: why there are no frames.
        numbered: at least two pictures are of one numbered series, whether or not it is the only one.
    """

    frames: tuple[str, ...] = ()
    strays: tuple[str, ...] = ()
    gaps: str = ""
    problem: str = ""
    numbered: bool = False


class _Name(NamedTuple):
    """A file name taken apart: texts around digits, and the digits as numbers."""

    name: str
    suffix: str
    texts: tuple[str, ...]
    digits: tuple[str, ...]
    numbers: tuple[int, ...]


@dataclass(frozen=True)
class _Series:
    """Names in ascending order, the numbers that count them, and why the order is unclear, if it is."""

    names: tuple[_Name, ...]
    counts: tuple[int, ...] = ()
    unclear: str = ""

    def __str__(self) -> str:
        first, last = self.names[0].name, self.names[-1].name
        return f"{first} to {last} ({len(self.names)})" if len(self.names) > 1 else first


def natural_key(text: str) -> tuple[tuple[str | int, ...], str]:
    """Sort key that counts: ``a2`` comes before ``a10``; equal numbers (``a1``, ``a01``) go by their text."""
    parts = _NUMBER.split(text)
    return tuple(int(part) if place % 2 else part.casefold() for place, part in enumerate(parts)), text


def frame_names(names: Iterable[str]) -> FrameNames:
    """Tell frames from stray pictures by their names, and order the frames.

    Args:
        names: files of one folder; hidden ones and those that are no pictures are passed over.
    """
    pictures = [name for name in names if is_picture(name)]
    if len(pictures) < 2:
        return FrameNames(tuple(pictures))
    series = sorted(_all_series(pictures), key=lambda found: -len(found.names))
    if not series:
        return FrameNames(problem=f"{len(pictures)} pictures without numbers ({some(pictures)}): which comes first?")
    best = _hexadecimal(series[0], pictures)
    frames = tuple(name.name for name in best.names)
    strays = tuple(sorted(set(pictures) - set(frames), key=natural_key))
    rivals = [found for found in series[1:2] if not {name.name for name in found.names} <= set(frames)]
    numbered = len(frames) > 1
    problem = best.unclear or _problem(best, rivals, strays)
    if problem:
        return FrameNames(problem=problem, numbered=numbered)
    return FrameNames(frames, strays, _gaps(best.counts), numbered=numbered)


def _problem(best: _Series, rivals: Sequence[_Series], strays: Sequence[str]) -> str:
    """Why it cannot be told which pictures are the frames; empty where it can."""
    count = len(best.names)
    if rivals and len(rivals[0].names) > max(count > 1, SMALL_SHARE * count):
        return f"several series of pictures, {best} and {rivals[0]}: which are the frames?"
    if len(strays) >= count:
        return f"{best} beside {counted(len(strays), 'other picture')} ({some(strays)}): which are the frames?"
    if first := _unnumbered_first(best, strays):
        return f"{first} could be the first frame of {best}: give it a number, or put it elsewhere."
    return ""


def is_picture(name: str) -> bool:
    """Whether a file of this name is a picture that gmbench reads; hidden ones are not."""
    return not name.startswith(".") and suffix_of(name) in IMAGE_SUFFIXES


def suffix_of(name: str) -> str:
    """Suffix of a file name in lower case, ``.mp4``, without blanks at its end; empty where there is none."""
    stem, _, suffix = name.rpartition(".")
    return f".{suffix.strip().lower()}" if stem else ""


def _all_series(pictures: Iterable[str]) -> Iterator[_Series]:
    """All numbered names, those of the same texts together."""
    groups: dict[tuple[str, ...], list[_Name]] = defaultdict(list)
    for name in map(_take_apart, pictures):
        if name.digits:
            groups[name.texts].append(name)
    for group in groups.values():
        yield from _series_of(sorted(group, key=lambda name: (name.numbers, name.name)))


def _take_apart(name: str) -> _Name:
    parts = _NUMBER.split(name.rpartition(".")[0])
    texts, digits = tuple(text.casefold() for text in parts[::2]), tuple(parts[1::2])
    return _Name(name, suffix_of(name), texts, digits, tuple(map(int, digits)))


def _series_of(group: Sequence[_Name]) -> Iterator[_Series]:
    """Names of the same texts in order: one series where one of their numbers is another in each, else several."""
    if len({name.numbers for name in group}) < len(group) and len({name.suffix for name in group}) > 1:
        yield from _split(group, lambda name: name.suffix)
        return
    changing = [place for place in range(len(group[0].digits)) if len({name.digits[place] for name in group}) > 1]
    counters = [place for place in changing if len({name.numbers[place] for name in group}) == len(group)]
    counter = min(counters, key=lambda place: not _one_by_one([name.numbers[place] for name in group]), default=None)
    if len(group) == 1:
        yield _Series(tuple(group))
    elif counter is not None and _evenly_padded([name.digits[counter] for name in group]):
        ordered = tuple(sorted(group, key=lambda name: name.numbers[counter]))
        yield _Series(ordered, tuple(name.numbers[counter] for name in ordered))
    elif times := _by_time(group, changing):
        yield _Series(times)
    elif counter is None and len(changing) > 1:
        yield from _split(group, lambda name: tuple(name.digits[place] for place in changing[:-1]))
    else:
        reason = f"{group[0].name} and {group[1].name}: numbers with and without leading zeros cannot be ordered"
        yield _Series(tuple(group), unclear=reason)


def _one_by_one(numbers: Sequence[int]) -> bool:
    """Whether numbers, all different and in any order, are a count without a gap."""
    return max(numbers) - min(numbers) == len(numbers) - 1


def _hexadecimal(series: _Series, pictures: Sequence[str]) -> _Series:
    """The series with those pictures that continue it as numbers to the base of 16 (``0009``, ``000a``), if they do."""
    texts = series.names[0].texts
    if len(texts) != 2:  # beside the count there are other numbers
        return series
    fits = re.compile(f"{re.escape(texts[0])}([0-9a-f]+){re.escape(texts[1])}")
    found = [(match, name) for name in pictures if (match := fits.fullmatch(name.rpartition(".")[0].casefold()))]
    counts = {int(match[1], 16): name for match, name in found}
    more = len(found) == len(counts) > len(series.names) > 1
    if not more or not _one_by_one(list(counts)):
        return series
    return _Series(tuple(_take_apart(counts[count]) for count in sorted(counts)), tuple(sorted(counts)))


def _unnumbered_first(series: _Series, strays: Sequence[str]) -> str:
    """A stray picture with the name of a series that begins at 1 or 2, without a number; empty where there is none."""
    text = _letters("".join(series.names[0].texts))
    if not text or series.counts[:1] not in ((1,), (2,)):
        return ""
    return next((name for name in strays if _letters(name.rpartition(".")[0].casefold()) == text), "")


def _letters(text: str) -> str:
    """A text without blanks, brackets and marks."""
    return "".join(letter for letter in text if letter.isalnum())


def _split(group: Sequence[_Name], by: Callable[[_Name], object]) -> Iterator[_Series]:
    parts: dict[object, list[_Name]] = defaultdict(list)
    for name in group:
        parts[by(name)].append(name)
    for part in parts.values():
        yield from _series_of(part)


def _evenly_padded(digits: Sequence[str]) -> bool:
    """Whether numbers were written to one least width: 8, 9, 10 or 08, 09, 10, but not 08, 9."""
    narrowest = min(map(len, digits))
    return all(len(number) == narrowest for number in digits if number[0] == "0")


def _by_time(group: Sequence[_Name], changing: Sequence[int]) -> tuple[_Name, ...]:
    """Names in order of seconds with decimals (``0.96.png``, ``1.0.png``); empty where they do not go up evenly."""
    last = changing[-1] if changing else 0
    if last == 0 or group[0].texts[last] != "." or not set(changing) <= {last - 1, last}:
        return ()
    ordered = sorted(group, key=lambda name: float(f"{name.digits[last - 1]}.{name.digits[last]}"))
    times = [float(f"{name.digits[last - 1]}.{name.digits[last]}") for name in ordered]
    steps = [after - before for before, after in pairwise(times)]
    rounding = 2.001 * 10.0 ** -max(len(name.digits[last]) for name in ordered)
    return tuple(ordered) if min(steps) > 0 and max(steps) - min(steps) <= rounding else ()


def _gaps(counts: Sequence[int]) -> str:
    """Numbers that a series leaves out."""
    steps = [after - before for before, after in pairwise(counts)]
    if not steps or set(steps) == {1}:
        return ""
    usual = Counter(steps).most_common(1)[0][0]
    if usual != 1:
        return f"numbers go up by {usual}" + (", not evenly" if len(set(steps)) > 1 else "")
    holes = [(before + 1, after - 1) for before, after in pairwise(counts) if after - before > 1]
    absent = some([f"{first} to {last}" if last > first else str(first) for first, last in holes])
    count = sum(last - first + 1 for first, last in holes)
    return f"{counted(count, 'number')} absent: {absent}"
