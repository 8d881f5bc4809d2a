"""Method cards: what drives a method and what it can do."""

import functools
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from importlib import resources
from typing import Any, Literal

import yaml

from gmbench.errors import InputError

EmotionSource = Literal["none", "label", "video", "audio", "text"]
Ability = Literal["generate", "transfer", "none"]
Taken = Literal["pose", "eyes", "expression", "mouth"]
"""What a system may take from the scored clip itself, instead of making it from sound, label and picture."""
Given = Literal["motion", "expression", "label", "reference", "clip", "pose"]


_TAKEN: dict[str, tuple[Taken, ...]] = {
    "motion": ("pose", "eyes"), "expression": ("expression", "mouth"), "clip": ("pose", "eyes", "expression", "mouth"),
    "pose": ("pose",),
}  # fmt: skip


@dataclass(frozen=True)
class Drive:
    """What a run's name lets a clip give in place of the method, for example ``pose`` in ``gmtalker-pose``.

    Attributes:
        name: in the names of runs; no hyphen.
        about: as the report prints it.
        gives: what the request then holds: ``motion`` (T, 12) and the scored clip as driver of the pose,
            ``expression`` (T, 169), the emotion's ``label``, a ``reference`` clip that shows the emotion, or the scored
            ``clip`` itself as driver of mouth, pose and expression, or of its ``pose`` alone.
        temperature: spread of what is sampled under it; None leaves the method's own.
    """

    name: str
    about: str
    gives: tuple[Given, ...]
    temperature: float | None = None

    @property
    def takes(self) -> tuple[Taken, ...]:
        """What a system under it takes from the scored clip; a reference clip is another one."""
        return tuple(dict.fromkeys(part for given in self.gives for part in _TAKEN.get(given, ())))


POSE = Drive("pose", "head motion, gaze and blinks of the reference", ("motion",), 0.0)
"""At temperature 0: reconstruction is asked of the most likely expression, diversity of samples."""
POSE_CLIP = Drive("pose", "head pose of the reference", ("pose",), 0.0)
"""As :data:`POSE`, of methods that look at the clip themselves and need no coefficients of it."""
COEFFICIENTS = Drive(
    "coefficients", "motion and expressions of the reference: only the pictures are made", ("motion", "expression"), 0.0
)
REFERENCE = Drive("reference", "the emotion comes from another clip, not from a label", ("reference",))
LABEL = Drive("label", "the emotion comes from the label", ("label",))
VIDEO = Drive("video", "mouth, pose and expression of the scored clip", ("clip",))
RECONSTRUCT = Drive("reconstruct", "the scored clip's frames through the picture parts alone", ("clip",))
DRIVES = (POSE, COEFFICIENTS, REFERENCE, LABEL, VIDEO, RECONSTRUCT)
"""Drives that several methods share; a card lists those that its method takes."""


BETWEEN, TALKING = "between", "between-talking"
"""Drives of orderings that are measured on sequences between two emotions: of one instant, and of talking videos."""
TRACKS = "tracks"
"""Drive of orderings that are measured on generated coefficients, without pictures."""
EMBEDDINGS = "embeddings"
"""Drive of orderings of what the full system reads clips by (sound, face, both): how apart emotions lie there."""


@dataclass(frozen=True)
class Interpolation:
    """A way between two emotions.

    Attributes:
        name: as orderings and the method's ``interpolate`` call it.
        ablation: of the system that is asked for it; the full one by default.
        bound: it loses by construction, as a label that is switched at once: shown apart, and ordered by nothing.
        talking: what its system's ``generate`` does where the emotion moves, so that it also talks on the way.
    """

    name: str
    ablation: str = ""
    bound: bool = False
    talking: bool = False


@dataclass(frozen=True)
class ExpectedOrdering:
    """An ordering that a paper reports of a method and its ablations.

    Attributes:
        metric: base name.
        order: from the best to the worst: ablations (empty: the full system), drives, ways to interpolate, or what
            clips are read by.
        table: of the method's paper.
        drive: how the videos are generated, drives joined by a hyphen; or :data:`BETWEEN`, :data:`TALKING`,
            :data:`TRACKS`, :data:`EMBEDDINGS`.
        dataset: of params.yaml; the one that ``gmbench ablate`` is asked about by default.
        labelled: it says something of emotions, and needs clips of at least two.
        shared: ablations that hold networks fixed over the seeds which the ordering says nothing of.
        most_seeds: where the networks are too dear for more; 0 for as many as asked.
        lower: less is better; for measures that are no metrics of videos, which say it themselves.
    """

    metric: str
    order: tuple[str, ...]
    table: str
    drive: str = ""
    dataset: str = ""
    labelled: bool = False
    shared: tuple[str, ...] = ()
    most_seeds: int = 0
    lower: bool = False

    def seeds(self, asked: int) -> int:
        """How many seeds it is measured at."""
        return min(asked, self.most_seeds or asked)


@dataclass(frozen=True)
class MethodCard:
    """What a method is and can do.

    Attributes:
        name: slug.
        title: as printed.
        kind: ``trainable`` here, ``dropin``: videos made elsewhere, or ``rendered`` from the clip's own coefficients.
        emotion_sources, default_source: what may give the emotion, and what does by default.
        pose, eye, emotion: made by the method, taken from a driving clip, or neither.
        from_reference: what it takes from the scored clip itself, which sets its numbers apart from all others'; by
            default what pose, eye and emotion call ``transfer``. Empty for published methods: which clip drove their
            videos is for a drop-in's card to say.
        diversity: seeds give different videos.
        identity_mode: ``one_shot`` (a request needs ``source_image``) or ``person_specific`` (it needs ``speaker``).
        native_resolution, native_fps: of its publication's videos; 0 where unknown. Records say what was scored.
        drivers: what a request may take from videos: ``mouth``, ``pose``, ``expression``.
        needs: fields of a request it cannot do without, however it is driven.
        drive_needs: further fields by drives (joined by a hyphen, empty without a drive).
        drives: that its runs can take, and ``drive_combinations``: those that go together, joined by a hyphen.
        stages: of its training, in order.
        licence: notes on code and weights.
        ablations: name to what it changes in the settings; no hyphen in a name.
        confirmed: printed so in a paper; else set from what papers say of the method.
        reported: the paper that its published figures stand in, if any.
        expected_orderings: of its ablations.
        metrics: by drives, what ``gmbench ablate`` measures; orderings add theirs.
        compared: by drives, ablations that it runs beside those in an ordering.
        interpolations: ways between two emotions, the default first; ``emotion_pairs``: between which.
        options: numbers of its own that a request may set, with what each is.
        caveat: what has not been shown of it, in a sentence.
    """

    name: str
    title: str
    kind: Literal["trainable", "dropin", "rendered"]
    emotion_sources: tuple[EmotionSource, ...]
    default_source: EmotionSource
    pose: Ability
    eye: Ability
    emotion: Ability
    diversity: bool = False
    identity_mode: Literal["one_shot", "person_specific"] = "one_shot"
    native_resolution: int = 0
    native_fps: int = 25
    drivers: tuple[str, ...] = ()
    needs: tuple[str, ...] = ()
    drive_needs: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    drives: tuple[Drive, ...] = ()
    drive_combinations: tuple[str, ...] = ()
    stages: tuple[str, ...] = ()
    licence: str = ""
    ablations: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    confirmed: bool = True
    reported: str = ""
    expected_orderings: tuple[ExpectedOrdering, ...] = ()
    metrics: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    compared: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    interpolations: tuple[Interpolation, ...] = ()
    emotion_pairs: tuple[tuple[str, str], ...] = ()
    from_reference: tuple[Taken, ...] | None = None
    options: Mapping[str, str] = field(default_factory=dict)
    caveat: str = ""

    def __post_init__(self) -> None:
        """Raises InputError for a name that a run's name could not hold."""
        for name in (*self.ablations, *(drive.name for drive in self.drives)):
            if "-" in name or not name:
                raise InputError(f"card of {self.name}: {name!r} must be a name without hyphens")

    def drive(self, name: str) -> Drive:
        """A drive by name; raises KeyError for one that the card lacks."""
        return {drive.name: drive for drive in self.drives}[name]

    def driven_by(self, drives: Sequence[str]) -> "MethodCard":
        """The card of a run with drives: what a clip gives is transferred, and gives the emotion."""
        given = {thing for name in drives for thing in self.drive(name).gives}
        changes: dict[str, Any] = {}
        if given & {"motion", "clip"}:
            changes |= {"pose": "transfer", "eye": "transfer"}
        if "pose" in given:
            changes |= {"pose": "transfer"}
        if "label" in given:
            changes |= {"default_source": "label"}
        if given & {"expression", "reference", "clip"}:
            changes |= {"default_source": "video", "emotion": "transfer"}
        if given_parts := [part for name in drives for part in self.drive(name).takes]:
            changes |= {"from_reference": tuple(dict.fromkeys((*self.taken, *given_parts)))}
        return replace(self, **changes)

    @property
    def taken(self) -> tuple[Taken, ...]:
        """What it takes from the scored clip; see ``from_reference``."""
        if self.from_reference is not None:
            return self.from_reference
        abilities: dict[Taken, Ability] = {"pose": self.pose, "eyes": self.eye, "expression": self.emotion}
        if self.kind == "trainable" and self.default_source == "video":
            del abilities["expression"]  # of the clip that shows the emotion, never the scored one
        return tuple(part for part, ability in abilities.items() if ability == "transfer")

    def needs_under(self, drives: Sequence[str]) -> tuple[str, ...]:
        """Fields that a request must have when it is driven so."""
        given = {thing for name in drives for thing in self.drive(name).gives}
        person: tuple[str, ...] = ("speaker",) if self.identity_mode == "person_specific" else ("source_image",)
        fields = dict.fromkeys(("motion", "expression", "reference"), "") | {"clip": "drivers", "pose": "drivers"}
        driven = tuple(field or thing for thing, field in fields.items() if thing in given)
        return tuple(dict.fromkeys((*person, *self.needs, *driven, *self.drive_needs.get("-".join(drives), ()))))


RENAMED = {name: f"{name}_official" for name in ("flowvqtalker", "edtalk_v", "edtalk_a", "dicetalk_v", "dicetalk_p")}
"""Slugs of videos made elsewhere that now have a name of their own, so that no trained system shows their cards."""


@functools.cache
def cards() -> tuple[MethodCard, ...]:
    """Cards of the baselines whose videos come from outside, in the order of the registry table."""
    text = resources.files("gmbench.methods").joinpath("cards.yaml").read_text("utf-8")
    return tuple(_card(name, row) for name, row in yaml.safe_load(text).items())


def baseline_card(slug: str) -> MethodCard | None:
    """The card of a baseline by its slug, also by the one it had before; None for any other name."""
    by_name = {card.name: card for card in cards()}
    return by_name.get(slug) or by_name.get(RENAMED.get(slug, ""))


def _card(name: str, row: list[Any]) -> MethodCard:
    title, sources, default, pose, eye, emotion, diversity, resolution, confirmed = row
    return MethodCard(
        name, title, "dropin", tuple(sources.split()), default, pose, eye, emotion, diversity,
        native_resolution=resolution, confirmed=confirmed, from_reference=(),
    )  # fmt: skip
