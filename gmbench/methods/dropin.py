"""Videos of outside methods: ``dropin/<slug>/card.yaml`` and ``dropin/<slug>/<dataset>/<clip>.mp4``."""

from dataclasses import fields, replace
from pathlib import Path
from typing import Any

import yaml

from gmbench.clips import Clip, find_clips
from gmbench.errors import InputError
from gmbench.methods.card import MethodCard, baseline_card
from gmbench.names import closest

FOLDER = Path("dropin")
CARD = "card.yaml"


def find(root: Path = FOLDER) -> dict[str, Path]:
    """Folders of methods below a root by slug."""
    return {path.name: path for path in sorted(root.iterdir()) if path.is_dir()} if root.is_dir() else {}


def card(folder: Path) -> MethodCard:
    """The registry's card of the slug, changed by the folder's ``card.yaml``; a slug of its own needs all of it.

    Raises:
        InputError: a file that is no YAML, an unknown key, or no card at all.
    """
    registered = baseline_card(folder.name)
    path = folder / CARD
    given: dict[str, Any] = {}
    if path.exists():
        try:
            given = yaml.safe_load(path.read_text("utf-8")) or {}
        except yaml.YAMLError as error:
            raise InputError(f"{path}: not YAML ({error})") from error
    names = [f.name for f in fields(MethodCard)]
    if unknown := sorted(set(given) - set(names)):
        raise InputError(f"{path}: unknown key {unknown[0]!r}; {closest(unknown[0], names)}")
    for name in ("emotion_sources", "from_reference"):
        if name in given:
            given[name] = tuple(given[name])
    if {"pose", "eye", "emotion"} & set(given):
        given.setdefault("from_reference", None)
    given |= {"name": folder.name, "kind": "dropin"}
    if registered is not None:
        return replace(registered, **given)
    try:
        return MethodCard(**given)
    except TypeError as error:
        raise InputError(f"{path}: a method outside of the registry needs a whole card ({error})") from error


def videos(folder: Path, dataset: str) -> tuple[dict[str, Clip], tuple[str, ...]]:
    """Clips of a dataset by name, and what was left out; raises InputError where there are none."""
    found = find_clips(folder / dataset).beside(())
    return {name: clip for name, clip in found.clips.items() if clip.video is not None}, found.notes
