"""What each training job of a system took, by its run card: a line a job, as a table."""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from gmbench.reporting.method_cards import card_of
from gmbench.reporting.table_formats import Cell, Table

CARD = "card.json"
PEOPLE = ("track_people", "pretrain_people", "drawn_people")
"""Settings of how many further people a part learns from."""
PRETRAINED, START, DRAWN = "pretrained", "start", "drawn"
"""Job that learns from the people of ``pretrain_people``, wherever that is set, or else from those of a start that is
drawn, from whom the job of that name learns."""
UNKNOWN = "–"
HEADER = (
    "System", "Job", "Steps", "Seconds", "Trained", "Parameters", "Frozen", "Share trained [%]", "Peak memory [MiB]",
    "Clips", "Further people",
)  # fmt: skip
NOTES = (
    "Seconds of one job, on a core beside other work where nothing else is said: compare within a system, never with a"
    " paper's hours.",
    "Peak memory: the most that the job's process held, libraries and data included, or its GPU where one trained;"
    f" {UNKNOWN} where nobody measured, as of networks that came with gmbench.",
    "Clips: of the training split; a job of one person learns from that person's. Further people: drawn or as tracks;"
    " jobs may ask for the same, so their numbers must not be added up."
    " The pre-training people of the corpus are not counted.",
)


def read_run_cards(models: Path, dataset: str | None = None) -> list[dict[str, Any]]:
    """Run cards below a folder of models, of whole systems at the first seed: no ablations, no further seeds.

    Args:
        models: with folders ``<dataset>/<system>``.
        dataset: of one alone; all by default.
    """
    found = []
    for path in sorted(models.glob(f"{dataset or '*'}/*/{CARD}")):
        card = json.loads(path.read_text("utf-8"))
        if card.get("parts") and card.get("method", card["system"]) == card["system"]:
            found.append(card)
    return found


def jobs_table(title: str, cards: Sequence[Mapping[str, Any]]) -> Table:
    """A line per job of run cards, with what they do not say left open."""
    body, came, stopped = [], [], []
    for card in cards:
        for job, part in _in_order(card):
            body.append(_line(card, job, part))
            if part.get("device"):
                came.append(f"{card['system']} {job}: {part['device']}")
            if part.get("stopped_early"):
                stopped.append(f"{card['system']} {job}")
    notes = list(NOTES)
    if came:
        notes.append(f"Came with gmbench, trained on: {'; '.join(dict.fromkeys(came))}.")
    if stopped:
        notes.append(f"Stopped by its budget of seconds: {', '.join(stopped)}.")
    if datasets := list(dict.fromkeys(str(card.get("dataset", "")) for card in cards)):
        title = f"{', '.join(datasets)}, {title}"
    if not body:
        notes = ["No run cards: train systems with 'dvc repro' or 'gmbench train', or name the folder's dataset."]
    return Table(title, HEADER, tuple(body), tuple(notes))


def _in_order(card: Mapping[str, Any]) -> list[tuple[str, Any]]:
    """Jobs and what is said of them, in the order of the method's stages, then others."""
    method = card_of(str(card["system"]))
    order = {stage: place for place, stage in enumerate(method.stages if method else ())}
    return sorted(card["parts"].items(), key=lambda job: order.get(job[0].partition("-")[0], len(order)))


def _line(card: Mapping[str, Any], job: str, part: Mapping[str, Any]) -> tuple[Cell, ...]:
    parameters, frozen, memory = part.get("parameters"), part.get("frozen_parameters"), part.get("peak_memory")
    every = (parameters or 0) + (frozen or 0)
    share = 100 * parameters / every if parameters and frozen is not None else None
    return (
        Cell(str(card["system"])), Cell(job), _number(part.get("steps")), _number(part.get("seconds")),
        Cell("came with gmbench" if part.get("device") else "here"), _number(parameters), _number(frozen),
        _number(share), _number(None if memory is None else memory / 2**20),
        _number(card.get("clips", {}).get("train")), _number(people_of(job, card.get("settings", {})) or None),
    )  # fmt: skip


def _number(value: float | None) -> Cell:
    return Cell(UNKNOWN if value is None else f"{value:.0f}")


def people_of(job: str, settings: Mapping[str, Any]) -> int:
    """How many further people a job learns from.

    >>> settings = {"gmeg": {"track_people": 200}, "nfmg": {"pretrain_people": 400}}
    >>> [people_of(job, settings) for job in ("gmeg", "nfmg-M001", "pretrained")]
    [200, 0, 400]
    """
    parts = {name: values for name, values in settings.items() if isinstance(values, Mapping)}
    if job == PRETRAINED and (asked := sum(values.get("pretrain_people") or 0 for values in parts.values())):
        return asked
    if job in (PRETRAINED, START):
        return _started_from(parts.get(START, {}))
    name = job.partition("-")[0]
    own = {key: value for key, value in parts.get(name, {}).items() if key != "pretrain_people"}
    return further_people({name: own}).get(name, 0)


def _started_from(start: Mapping[str, Any]) -> int:
    return int(start.get("people") or 0) if start.get("source") == DRAWN else 0


def further_people(settings: Mapping[str, Any]) -> dict[str, int]:
    """How many further people of the corpus each part of a system's settings asks for, of those that ask for some.

    Parts may ask for the same people, so the numbers must not be added up. Of a part's trainings the largest counts.

    >>> further_people({"teachers": {"drawn": {"people": 800}}, "diffusion": {"drawn_people": 100}, "vae": {}})
    {'teachers': 800, 'diffusion': 100}
    >>> further_people({"embedder": {"track_people": 40, "sound_again": {"track_people": 150}}})
    {'embedder': 150}
    """
    found = {}
    for part, values in settings.items():
        if isinstance(values, Mapping):
            drawn = values.get("drawn")
            asked = [values.get(name) or 0 for name in PEOPLE]
            asked += [_started_from(values)] if part == START else []
            count = sum(asked) + (drawn.get("people", 0) if isinstance(drawn, Mapping) else 0)
            trainings = {name: value for name, value in values.items() if name != "drawn"}
            if count := max([count, *further_people(trainings).values()]):
                found[part] = count
    return found
