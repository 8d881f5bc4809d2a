"""What is wrong with settings, in a line: the place of the value, and for unknown names the nearest known one."""

import types
from collections.abc import Mapping, Sequence
from typing import Any, Literal, Union, get_args, get_origin

from pydantic import BaseModel, ValidationError

from gmbench.names import closest

_FIRST = ("extra_forbidden", "literal_error")
"""Unknown names come first: a misspelt key is also missing under its right name."""


def explanation(error: ValidationError, model: type[BaseModel]) -> str:
    """The first thing that is wrong: ``gmeg.widht: unknown key; did you mean width?``."""
    found = min(error.errors(), key=lambda each: each["type"] not in _FIRST)
    place = [part for part in found["loc"] if part != "[key]"]
    reason = str(found["msg"]).removeprefix("Value error, ")
    names = _names_at(model, place[:-1])
    if found["type"] == "extra_forbidden" or (names and found["loc"][-1:] == ("[key]",)):
        reason = f"unknown key; {closest(str(place[-1]), names)}"
    elif found["type"] == "literal_error" and isinstance(found.get("input"), str):
        reason = f"{found['input']!r} is unknown; {closest(found['input'], _literals(_type_at(model, place)))}"
    return f"{'.'.join(map(str, place)) or 'settings'}: {reason}"


def _names_at(model: type[BaseModel], place: Sequence[Any]) -> list[str]:
    """Names that may stand at a place: fields of the model there, or keys of its mapping."""
    there = _type_at(model, place)
    if isinstance(there, type) and issubclass(there, BaseModel):
        return list(there.model_fields)
    return _literals(get_args(there)[0]) if get_origin(there) is dict else []


def _type_at(model: type[BaseModel], place: Sequence[Any]) -> Any:
    """Type that is declared for a place: below models by the field, below mappings and sequences that of the values."""
    there: Any = model
    for part in place:
        there = _without_none(there)
        if isinstance(there, type) and issubclass(there, BaseModel):
            field = there.model_fields.get(str(part))
            there = field.annotation if field else None
        elif get_origin(there) in (dict, Mapping):
            there = get_args(there)[1]
        else:
            there = next(iter(get_args(there)), None)
    return _without_none(there)


def _without_none(declared: Any) -> Any:
    if get_origin(declared) in (Union, types.UnionType):
        return next((each for each in get_args(declared) if each is not type(None)), None)
    return declared


def _literals(declared: Any) -> list[str]:
    return [str(name) for name in get_args(declared)] if get_origin(declared) is Literal else []
