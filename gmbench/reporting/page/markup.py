"""Pieces of HTML; all text from outside is escaped here."""

import html
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class Section:
    """A part of the page below the leaderboard; ``body`` is HTML whose outside text is escaped already."""

    title: str
    body: str


def facts_html(fields: Mapping[str, Any]) -> str:
    """Nested facts as a table of two columns, names joined by dots; numbers among the names in their order."""
    rows = [[name, value] for name, value in _flat(fields, "")]
    return grid_html(["fact", "value"], rows)


def _flat(value: Any, name: str) -> Iterator[tuple[str, str]]:
    """Name and text of every value below; short lists stay in one line."""
    if isinstance(value, Mapping) and value:
        for key in sorted(value, key=_number_or_place(list(value))):
            yield from _flat(value[key], f"{name}.{key}" if name else str(key))
    elif isinstance(value, list) and any(isinstance(item, Mapping) for item in value):
        for place, item in enumerate(value):
            yield from _flat(item, f"{name}.{place + 1}")
    elif isinstance(value, list):
        yield name, ", ".join(map(str, value)) or "none"
    else:
        yield name, "–" if value in (None, "", {}) else str(value)


def _number_or_place(keys: Sequence[object]) -> Callable[[object], float]:
    """Order of names: by number where all are numbers, else as they come."""
    try:
        numbers = {key: float(str(key)) for key in keys}
    except ValueError:
        numbers = {key: float(place) for place, key in enumerate(keys)}
    return lambda key: numbers[key]


def picture_html(file: str, caption: str) -> str:
    """A picture below the page's folder, with what it shows."""
    name, text = html.escape(file), html.escape(caption)
    image = f'<a href="{name}"><img loading="lazy" src="{name}" alt="{text}"></a>'
    return f"<figure>{image}<figcaption>{text}</figcaption></figure>"


def grid_html(header: Sequence[object], rows: Sequence[Sequence[object]]) -> str:
    """A small table; columns of numbers are set to the right, those of words to the left."""
    words = [any(not _is_number(row[column]) for row in rows) for column in range(len(header))]
    kinds = [' class="text"' if word else "" for word in words]
    head = "".join(f'<th scope="col"{k}>{html.escape(str(h))}</th>' for k, h in zip(kinds, header, strict=True))
    body = "".join(
        "<tr>" + "".join(f"<td{k}>{html.escape(str(v))}</td>" for k, v in zip(kinds, row, strict=True)) + "</tr>"
        for row in rows
    )
    return wide_html(f"<table><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>")


def wide_html(table: str) -> str:
    """A table that scrolls within the page where it is too wide; the keyboard reaches it."""
    return f'<div class="wide" tabindex="0">{table}</div>'


def _is_number(value: object) -> bool:
    return bool(re.fullmatch(r"[-+±<]?\s*[\d.,\s%e∞±-]*|n/a|–", str(value)))
