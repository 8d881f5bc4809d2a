"""Lists of texts on the screen: what there is, facts about one thing, reasons of missing numbers."""

from collections.abc import Iterable, Mapping, Sequence
from itertools import groupby
from typing import TYPE_CHECKING, Any

from gmbench.commands.terminal import output
from gmbench.commands.terminal.layout import list_lines, wrap
from gmbench.metrics.key import MetricKey

if TYPE_CHECKING:
    import pandas as pd

    from gmbench.evaluation.results.reasons import MissingNumbers

_NAMED = 3
"""Of more clips or metrics than this, only so many are named."""


def print_list(
    header: Sequence[str],
    rows: Sequence[Sequence[str]],
    *,
    head: int = 2,
    marked: Sequence[bool] = (),
    titles: bool = True,
) -> None:
    """Print rows of texts in the width of the terminal; words longer than it stay whole.

    Args:
        header: title of each field.
        head: fields that stand in the first line of a row where it does not fit side by side.
        marked: rows that deserve attention.
        titles: whether the header is printed.
    """
    lines = list_lines(header, rows, output.width(), head)
    for text in lines.header if titles else ():
        output.line(text, "bold")
    for place, row in enumerate(lines.rows):
        for text in row:
            output.line(text, "yellow" if marked and marked[place] else "")


def print_facts(facts: Mapping[str, Any]) -> None:
    """One line a fact that has a value: name, then value, wrapped below itself."""
    facts = {name: value for name, value in facts.items() if value not in ("", None, (), [])}
    indent = max(len(name) for name in facts) + 2
    width = output.width()
    for name, value in facts.items():
        text = ", ".join(map(str, value)) if isinstance(value, (tuple, list)) else str(value)
        lines = wrap(text, width - indent) if width is not None else [text]
        for place, part in enumerate(lines):
            output.line(f"{name + ':' if place == 0 else '':<{indent}}{part}")


def print_reasons(missing: "Sequence[MissingNumbers]", records: "pd.DataFrame") -> None:
    """Why numbers are missing, on stderr: one line a reason, with methods, metrics and clips.

    Args:
        records: that lack them.
    """
    from gmbench.evaluation.results.records import WHOLE_SET, distinct

    each = distinct(records, ["method", "clip"])
    all_clips = max(each[each["clip"] != WHOLE_SET].groupby("method")["clip"].nunique(), default=0)
    for reason, groups in groupby(sorted(missing, key=_order), key=lambda group: group.reason):
        for alike in _of_the_same_clips(list(groups)):
            methods = ", ".join(dict.fromkeys(group.method for group in alike))
            clips = alike[0].clips
            count = f"{len(clips)} of {all_clips} clips" if clips != (WHOLE_SET,) else "all clips together"
            names = f" ({_some(clips)})" if clips != (WHOLE_SET,) and len(clips) < all_clips else ""
            style = "" if alike[0].status == "undefined" else "yellow"
            metrics = [MetricKey.parse(key).name for key in alike[0].metrics]
            output.note(f"no value: {methods}: {_some(metrics)}: {count}{names}: {reason}", style)


def _order(group: "MissingNumbers") -> tuple[str, str]:
    return group.reason, group.status


def _of_the_same_clips(groups: "Sequence[MissingNumbers]") -> "Iterable[Sequence[MissingNumbers]]":
    """Groups that lack the same clips under the same metrics, of several methods."""
    alike: dict[Any, list[MissingNumbers]] = {}
    for group in groups:
        alike.setdefault((group.metrics, group.clips), []).append(group)
    return alike.values()


def _some(names: Sequence[str]) -> str:
    more = len(names) - _NAMED
    return ", ".join(names[:_NAMED]) + (f" and {more} more" if more > 0 else "")
