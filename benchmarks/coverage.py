"""How often 95 % intervals hold the true mean, and how often a test finds a difference where there is none.

``python -m benchmarks.coverage [--repeats N]``: by simulation, seeded. Clip scores are drawn from skewed, bounded and
two-valued distributions, alone or nested in speakers; tests/metrics/test_coverage.py holds a quick version.
"""

import argparse
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from gmbench.metrics import statistics

Draw = Callable[[np.random.Generator, NDArray[np.int64]], NDArray[np.float64]]
"""Scores of clips from the number of each clip's speaker."""


@dataclass(frozen=True)
class Scores:
    """A distribution of clip scores.

    Attributes:
        draw: scores of clips whose speakers are given; speakers differ only where ``nested``.
        mean: of all clips of all speakers.
        hit: as for :func:`gmbench.metrics.statistics.estimate`.
    """

    draw: Draw
    mean: float
    hit: float = 0.0


def _alone(sample: Callable[[np.random.Generator, int], NDArray[np.float64]]) -> Draw:
    return lambda generator, speakers: np.asarray(sample(generator, len(speakers)), np.float64)


def _nested_lognormal(generator: np.random.Generator, speakers: NDArray[np.int64]) -> NDArray[np.float64]:
    of_speakers = generator.normal(0, 0.5, speakers.max() + 1)[speakers]
    return np.asarray(np.exp(of_speakers + generator.normal(0, 0.5, len(speakers))), np.float64)


def _nested_ceiling(generator: np.random.Generator, speakers: NDArray[np.int64]) -> NDArray[np.float64]:
    means = generator.beta(9, 1, speakers.max() + 1)[speakers].clip(1e-3, 1 - 1e-3)
    return np.asarray(generator.beta(10 * means, 10 * (1 - means)), np.float64)


def _nested_hits(generator: np.random.Generator, speakers: NDArray[np.int64]) -> NDArray[np.float64]:
    rates = generator.beta(4, 1, speakers.max() + 1)[speakers]
    return np.asarray(100.0 * (generator.random(len(speakers)) < rates), np.float64)


CLIPS: dict[str, Scores] = {
    "normal": Scores(_alone(lambda g, n: g.normal(20, 4, n)), 20.0),
    "lognormal, sigma 0.5": Scores(_alone(lambda g, n: g.lognormal(0, 0.5, n)), float(np.exp(0.125))),
    "lognormal, sigma 1": Scores(_alone(lambda g, n: g.lognormal(0, 1, n)), float(np.exp(0.5))),
    "exponential": Scores(_alone(lambda g, n: g.exponential(1, n)), 1.0),
    "near a ceiling: beta(5, 0.5)": Scores(_alone(lambda g, n: g.beta(5, 0.5, n)), 5 / 5.5),
    "uniform": Scores(_alone(lambda g, n: g.random(n)), 0.5),
    "heavy tails: t with 3 df": Scores(_alone(lambda g, n: g.standard_t(3, n)), 0.0),
    "hits, 80 %": Scores(_alone(lambda g, n: 100.0 * (g.random(n) < 0.8)), 80.0, 100.0),
}
NESTED: dict[str, Scores] = {
    "lognormal": Scores(_nested_lognormal, float(np.exp(0.25))),
    "near a ceiling": Scores(_nested_ceiling, 0.9),
    "hits, 80 %": Scores(_nested_hits, 80.0, 100.0),
}
CLIP_COUNTS, SPEAKER_COUNTS = (5, 6, 8, 10, 20, 30, 50, 100), (5, 6, 10, 20)
NULLS: dict[str, Draw] = {
    "normal": _alone(lambda g, n: g.normal(0, 1, n)),
    "lognormal": _alone(lambda g, n: g.lognormal(0, 1, n)),
    "near a ceiling": _alone(lambda g, n: g.beta(5, 0.5, n)),
}


def equal_speakers(count: int, clips: int) -> NDArray[np.int64]:
    """Numbers of the speakers of ``clips`` clips each."""
    return np.repeat(np.arange(count), clips)


def unequal_speakers(count: int) -> NDArray[np.int64]:
    """Numbers of speakers with one to eight clips each, the same for every call."""
    return np.repeat(np.arange(count), np.random.default_rng(count).integers(1, 9, count))


def coverage(scores: Scores, speakers: NDArray[np.int64], nested: bool, repeats: int, seed: int = 0) -> float:
    """Percent of intervals that hold the true mean."""
    generator = np.random.default_rng(seed)
    names = [f"s{number}" for number in speakers] if nested else None
    held = 0
    for _ in range(repeats):
        found = statistics.estimate(scores.draw(generator, speakers), names, hit=scores.hit)
        held += found.low <= scores.mean <= found.high
    return 100.0 * held / repeats


def false_positives(draw: Draw, speakers: NDArray[np.int64], nested: bool, repeats: int, seed: int = 0) -> float:
    """Percent of comparisons of two methods of one distribution that have p < 0.05.

    Nested, each speaker favours one of the methods by chance, by as much as clips differ.
    """
    generator = np.random.default_rng(seed)
    names = [f"s{number}" for number in speakers] if nested else None
    found = 0
    for _ in range(repeats):
        first, second = draw(generator, speakers), draw(generator, speakers)
        if nested:
            first = first + generator.normal(0, 1, speakers.max() + 1)[speakers]
        found += statistics.paired_difference(first, second, names).p < 0.05
    return 100.0 * found / repeats


def _line(name: str, values: list[float]) -> str:
    return f"| {name} | " + " | ".join(f"{value:.1f}" for value in values) + " |"


def main() -> None:
    """Print the tables."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--repeats", type=int, default=4000)
    repeats = parser.parse_args().repeats
    print(f"Coverage of 95 % intervals in per cent, {repeats} repeats; columns: clips.\n")
    print("| scores | " + " | ".join(map(str, CLIP_COUNTS)) + " |\n|---|" + "---:|" * len(CLIP_COUNTS))
    for name, scores in CLIPS.items():
        print(_line(name, [coverage(scores, np.arange(n), False, repeats) for n in CLIP_COUNTS]), flush=True)
    print("\nThe same, nested in speakers; columns: speakers.\n")
    print("| scores, clips per speaker | " + " | ".join(map(str, SPEAKER_COUNTS)) + " |\n|---|" + "---:|" * 4)
    for name, scores in NESTED.items():
        for text, speakers_of in (("4", lambda k: equal_speakers(k, 4)), ("1 to 8", unequal_speakers)):
            values = [coverage(scores, speakers_of(k), True, repeats) for k in SPEAKER_COUNTS]
            print(_line(f"{name}, {text}", values), flush=True)
    print("\nShare of p < 0.05 in per cent where the methods do not differ; columns: clips, and speakers of 3 clips.\n")
    print("| scores | " + " | ".join(f"{n} {what}" for what in ("clips", "speakers") for n in (6, 10, 30)) + " |")
    print("|---|" + "---:|" * 6)
    for name, draw in NULLS.items():
        alone = [false_positives(draw, np.arange(n), False, repeats) for n in (6, 10, 30)]
        nested = [false_positives(draw, equal_speakers(n, 3), True, repeats) for n in (6, 10, 30)]
        print(_line(name, [*alone, *nested]), flush=True)


if __name__ == "__main__":
    main()
