"""What a user means by the name of a metric: any spelling that is printed somewhere, or a group.

``m_lmd``, ``M-LMD``, ``M-LMD ↓ [px (eat128)]`` and ``m_lmd_fb:mediapipe`` are one metric; ``lips`` is a group, and
``default`` stands for what is scored where nothing is named.
"""

import re
from collections.abc import Iterable, Mapping, Sequence
from typing import get_args

from gmbench.errors import InputError
from gmbench.metrics.key import MetricKey
from gmbench.metrics.spec import ARROWS, Group, MetricSpec
from gmbench.names import closest

GROUPS: tuple[str, ...] = tuple(name for name in get_args(Group) if name)
DEFAULT = "default"
"""All metrics that are scored where none is named, for lists of these and further ones."""
_HEADER_END = re.compile(rf"\s*(?:{'|'.join(re.escape(arrow) for arrow in ARROWS.values())})?"
                         r"\s*(?:\[[^\]]*\])?\s*(?:\(fallback: [^)]*\))?\s*$")  # fmt: skip

_PAPERS = {
    "acc": ("acc_emo",), "sync": ("sync_c",), "lsec": ("sync_c",), "lsed": ("sync_d",), "ba": ("ba_m2a", "ba_a2m"),
    "mflmd": ("m_lmd", "f_lmd"),
}  # fmt: skip
"""Metrics by what papers print that is neither name nor title: LSE-C, M/F-LMD, ..."""


def split_names(names: str | Iterable[str]) -> list[str]:
    """Names one by one: of a text with commas, or of several such texts."""
    texts = [names] if isinstance(names, str) else list(names)
    return [part.strip() for text in texts for part in text.split(",") if part.strip()]


def named_metrics(names: str | Iterable[str], known: Mapping[str, MetricSpec]) -> list[str]:
    """Names of metrics that are meant, each once, in the order of the names.

    A group stands for its default metrics, for all of them where it has none; ``default`` for those of all groups.

    Raises:
        InputError: a name that means nothing, with the nearest, or more than one metric.
    """
    result: list[str] = []
    for text in split_names(names):
        if text.casefold() == DEFAULT:
            result += [name for name, spec in known.items() if spec.default]
        elif text.casefold() in GROUPS:
            members = [name for name, spec in known.items() if spec.group == text.casefold()]
            result += [name for name in members if known[name].default] or members
        elif (names_of := _PAPERS.get(_plain(text), ())) and set(names_of) <= set(known):
            result += names_of
        else:
            result.append(metric_name(text, known))
    return list(dict.fromkeys(result))


def has_group(names: str | Iterable[str]) -> bool:
    """Whether one of the names is of several metrics, which are scored as far as the inputs and files allow."""
    return any(text.casefold() in (DEFAULT, *GROUPS) for text in split_names(names))


def metric_name(text: str, known: Mapping[str, MetricSpec]) -> str:
    """The metric that a text names; raises InputError as :func:`named_metrics`."""
    name = MetricKey.parse(text).name
    if name in known:
        return name
    spelling = _plain(text)
    meant = [key for key, spec in known.items() if spelling in (_plain(key), _plain(spec.title))]
    if len(meant) == 1:
        return meant[0]
    if meant:
        raise InputError(f"metric {text!r} may be {' or '.join(meant)}; name one of them")
    hint = closest(name.casefold().replace("-", "_"), [*known, DEFAULT, *GROUPS])
    raise InputError(f"unknown metric {text!r}; {hint}; 'gmbench metrics' lists them")


def meant_keys(names: str | Iterable[str], keys: Sequence[str], known: Mapping[str, MetricSpec]) -> list[str]:
    """Keys of records that are meant: a name means every fallback's numbers of its metric, a whole key itself alone.

    Args:
        names: as of :func:`named_metrics`; names in ``keys`` of metrics that nothing declares are known too.
        keys: of the records.
        known: declarations by name.

    Raises:
        InputError: a name that means nothing, or a metric without records.
    """
    present = {MetricKey.parse(key).name for key in keys}
    result: list[str] = []
    for text in split_names(names):
        if text in keys:
            result.append(text)
            continue
        wanted = [text] if text in present else named_metrics(text, known)
        found = [key for name in wanted for key in keys if MetricKey.parse(key).name == name]
        if not found:
            raise InputError(f"no records of metric {text!r}; {closest(text, keys)}")
        result += found
    return list(dict.fromkeys(result))


def _plain(text: str) -> str:
    """Letters and digits of a spelling, without the arrow, unit and extractor of a table's header."""
    text = _HEADER_END.sub("", MetricKey.parse(text).name).casefold()
    gap = "gap" if re.fullmatch(r"\|.* - gt\|", text) else ""
    letters = text.replace("- gt|", "").replace("→", "2")
    return "".join(c for c in letters if c.isalnum()) + gap
