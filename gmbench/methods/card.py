"""Method cards: what drives a method and what it can do, for the methods of the published tables."""

import csv
import functools
from dataclasses import dataclass
from importlib import resources


@dataclass(frozen=True)
class MethodCard:
    """What the published tables say of a method.

    Attributes:
        name: as printed.
        emotion_source: what gives the emotion (label, video, audio, text, none).
        capabilities: what it does about pose, eyes, emotion, diversity, resolution, as printed.
        source: paper and table.
    """

    name: str
    emotion_source: str
    capabilities: tuple[tuple[str, str], ...]
    source: str


@functools.cache
def published_cards() -> tuple[MethodCard, ...]:
    """Cards of all methods in the published tables; a method listed by two papers has two."""
    text = resources.files("gmbench.reporting").joinpath("published/published_capabilities.csv").read_text("utf-8")
    cards = {}
    for row in csv.DictReader(text.splitlines()):
        source = f"{row['source']} T. {row['table']}"
        able = tuple((k, row[k]) for k in ("pose", "eye", "emotion", "diversity", "hd") if row[k])
        cards[row["method"], source] = MethodCard(row["method"], row["emotion_source"], able, source)
    return tuple(cards.values())
