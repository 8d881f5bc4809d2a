"""Method cards: what drives a method and what it can do."""

import functools
from collections.abc import Mapping
from dataclasses import dataclass, field
from importlib import resources
from typing import Any, Literal

import yaml

Source = Literal["none", "label", "video", "audio", "text"]
Ability = Literal["generate", "transfer", "none"]


@dataclass(frozen=True)
class MethodCard:
    """What a method is and can do.

    Attributes:
        name: slug.
        title: as printed.
        kind: ``trainable`` here, or ``dropin``: videos made elsewhere.
        emotion_sources, default_source: what may give the emotion, and what does by default.
        pose, eye, emotion: made by the method, taken from a driving clip, or neither.
        diversity: seeds give different videos.
        identity_mode: ``one_shot`` or ``person_specific``.
        native_resolution, native_fps: of its videos; 0 where unknown.
        needs: fields of a request it cannot do without.
        stages: of its training, in order.
        licence: notes on code and weights.
        ablations: name to what it changes in the settings.
        confirmed: printed so in a paper; else set from what papers say of the method.
        reported: the paper that its published figures stand in, if any.
        claims: orderings of its ablations.
    """

    name: str
    title: str
    kind: Literal["trainable", "dropin"]
    emotion_sources: tuple[Source, ...]
    default_source: Source
    pose: Ability
    eye: Ability
    emotion: Ability
    diversity: bool = False
    identity_mode: Literal["one_shot", "person_specific"] = "one_shot"
    native_resolution: int = 0
    native_fps: int = 25
    needs: tuple[str, ...] = ()
    stages: tuple[str, ...] = ()
    licence: str = ""
    ablations: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    confirmed: bool = True
    reported: str = ""
    expected_orderings: "tuple[ExpectedOrdering, ...]" = ()


@functools.cache
def cards() -> tuple[MethodCard, ...]:
    """Cards of the baselines whose videos come from outside, in the order of the registry table."""
    text = resources.files("gmbench.methods").joinpath("cards.yaml").read_text("utf-8")
    return tuple(_card(name, row) for name, row in yaml.safe_load(text).items())


def _card(name: str, row: list[Any]) -> MethodCard:
    title, sources, default, pose, eye, emotion, diversity, resolution, confirmed = row
    return MethodCard(
        name, title, "dropin", tuple(sources.split()), default, pose, eye, emotion, diversity,
        native_resolution=resolution, confirmed=confirmed,
    )  # fmt: skip


@dataclass(frozen=True)
class ExpectedOrdering:
    """An ordering that a paper claims of a method and its ablations.

    Attributes:
        metric: base name.
        order: ablations from the best to the worst, the full system as an empty name; or ways to interpolate.
        table: of the method's paper.
        drive: how the videos are generated; ``between`` for sequences between two emotions.
    """

    metric: str
    order: tuple[str, ...]
    table: str
    drive: str = ""
