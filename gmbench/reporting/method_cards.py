"""Cards of methods: of those that are known here by name, and as the published tables describe them."""

import csv
import functools
from dataclasses import dataclass
from importlib import resources

from gmbench.errors import InputError
from gmbench.evaluation.planning.controls import CONTROLS
from gmbench.methods import dropin, registry, render
from gmbench.methods.card import MethodCard, baseline_card


def card_of(method: str) -> MethodCard | None:
    """The card of a system that is trained here, as its drives change it, of a drop-in, of a baseline, or None."""
    if method in CONTROLS:
        return None
    if method in render.CARDS:
        return render.CARDS[method]
    try:
        system = registry.System.parse(method)
        return registry.create(system.method).card.driven_by(system.drives)
    except InputError:
        folder = dropin.FOLDER / method
        return dropin.card(folder) if (folder / dropin.CARD).is_file() else baseline_card(method)


@dataclass(frozen=True)
class PublishedCard:
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
def published_cards() -> tuple[PublishedCard, ...]:
    """Cards of all methods in the published tables; a method listed by two papers has two."""
    text = resources.files("gmbench.reporting").joinpath("published/published_capabilities.csv").read_text("utf-8")
    by_method: dict[tuple[str, str], PublishedCard] = {}
    for row in csv.DictReader(text.splitlines()):
        source = f"{row['source']} T. {row['table']}"
        capabilities = tuple((key, row[key]) for key in ("pose", "eye", "emotion", "diversity", "hd") if row[key])
        by_method[row["method"], source] = PublishedCard(row["method"], row["emotion_source"], capabilities, source)
    return tuple(by_method.values())
