"""Cards of methods: of those that are known here by name, and as the published tables describe them."""

import contextlib
import csv
import functools
from dataclasses import dataclass
from importlib import resources

from gmbench.errors import InputError
from gmbench.evaluation.planning.controls import CONTROLS
from gmbench.methods import dropin, registry, render
from gmbench.methods.card import MethodCard, baseline_card, cards
from gmbench.names import closest


def card_of(method: str) -> MethodCard | None:
    """The card of a system that is trained here, as its drives change it, of a drop-in, of a baseline, or None.

    By the name that records have: ``ours`` and ``ours-...`` are folders that somebody called so, not GMTalker's.
    """
    if method in CONTROLS:
        return None
    if method in render.CARDS:
        return render.CARDS[method]
    with contextlib.suppress(InputError):
        if method.partition("-")[0] not in registry.ALIASES:
            system = registry.System.parse(method)
            return registry.read_card(system.method).driven_by(system.drives)
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


@dataclass(frozen=True)
class MethodLine:
    """A method in the list of all: how it is called, what it is, and the tables of the papers that hold it."""

    method: str
    kind: str
    what: str
    sources: tuple[str, ...] = ()


def overview() -> list[MethodLine]:
    """Trainable methods, controls, baselines whose videos come from outside, and those that are only printed."""
    printed: dict[str, list[PublishedCard]] = {}
    for card in published_cards():
        printed.setdefault(_plain(card.name), []).append(card)
    printed.pop(_plain("ground_truth"), None)
    lines = []
    for known in (*(registry.read_card(name) for name in registry.factories()), *cards()):
        sources = tuple(card.source for card in printed.pop(_plain(known.title), ()))
        lines.append(MethodLine(known.name, known.kind, _abilities(known), sources))
    controls = [MethodLine(name, "control", what) for name, what in CONTROLS.items()]
    rest = [MethodLine(p[0].name, "as printed", _printed(p[0]), tuple(c.source for c in p)) for p in printed.values()]
    return (
        [line for line in lines if line.kind != "dropin"] + controls + [x for x in lines if x.kind == "dropin"] + rest
    )


def facts_of(name: str) -> dict[str, object]:
    """All that is known of a method, a system such as ``gmtalker-pose``, a control or a printed method.

    Raises:
        InputError: nobody has that name; the message gives the nearest.
    """
    spelling = _plain(name)
    for control, what in CONTROLS.items():
        if _plain(control) == spelling:
            return {"method": control, "kind": "control", "what": what}
    known = {_plain(text): c.name for c in cards() for text in (c.title, c.name)}
    card = card_of(name) or card_of(registry.ALIASES.get(name, known.get(spelling, name.casefold())))
    printed = [p for p in published_cards() if _plain(p.name) == (_plain(card.title) if card else spelling)]
    if card is None and not printed:
        names = [text for line in overview() for text in (line.method, line.what.partition(";")[0]) if text]
        raise InputError(f"unknown method {name!r}; {closest(name, names)}")
    facts: dict[str, object] = {"method": name if card else printed[0].name}
    if card is not None:
        facts |= _card_facts(card)
    return facts | {f"printed in {p.source}": _printed(p) for p in printed}


def _card_facts(card: MethodCard) -> dict[str, object]:
    """What a card says, without what it leaves open."""
    facts = {
        "title": card.title,
        "kind": card.kind,
        "emotion from": " or ".join(card.emotion_sources) + f"; by default {card.default_source}",
        "pose": card.pose,
        "eye": card.eye,
        "emotion": card.emotion,
        "from the reference": _taken(card),
        "diversity": "seeds give different videos" if card.diversity else "one video per input",
        "identity": card.identity_mode.replace("_", " "),
        "resolution": card.native_resolution or "",
        "needs": card.needs,
        "drives": tuple(f"{drive.name} ({drive.about})" for drive in card.drives),
        "combinations": card.drive_combinations,
        "ablations": tuple(card.ablations),
        "stages": card.stages,
        "options": tuple(f"{name} ({about})" for name, about in card.options.items()),
        "licence": card.licence,
        "caveat": card.caveat,
        "confirmed": "" if card.confirmed else "to be confirmed: from what papers say of the method",
    }
    return {name: value for name, value in facts.items() if value}


def _taken(card: MethodCard) -> str:
    """What it takes from the clip that it is compared with."""
    if card.taken:
        return ", ".join(card.taken)
    driven = card.kind == "dropin" and "transfer" in (card.pose, card.eye, card.emotion)
    return "not known: card.yaml beside its videos says which clip drove them (from_reference)" if driven else "nothing"


def _abilities(card: MethodCard) -> str:
    able = f"pose {card.pose}, eye {card.eye}, emotion {card.emotion}"
    text = f"{card.title}; emotion from {' or '.join(card.emotion_sources)}; {able}"
    return text if card.confirmed else f"{text}; to be confirmed"


def _printed(card: PublishedCard) -> str:
    able = ", ".join(f"{key} {value}" for key, value in card.capabilities)
    return f"emotion from {card.emotion_source}" + (f"; {able}" if able else "")


def _plain(name: str) -> str:
    """Letters and digits alone, for names that are printed in several spellings."""
    return "".join(c for c in name.casefold() if c.isalnum())
