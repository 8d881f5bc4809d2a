"""Pieces of HTML; all text from outside is escaped here."""

import html
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class Section:
    """A part of the page below the leaderboard; ``body`` is HTML whose outside text is escaped already."""

    title: str
    body: str


def json_html(fields: Mapping[str, Any]) -> str:
    """Indented JSON for people to read."""
    return f"<pre>{html.escape(json.dumps(dict(fields), indent=1, ensure_ascii=False))}</pre>"


def picture_html(file: str, caption: str) -> str:
    """A picture below the page's folder, with what it shows."""
    name, text = html.escape(file), html.escape(caption)
    image = f'<a href="{name}"><img loading="lazy" src="{name}" alt="{text}"></a>'
    return f"<figure>{image}<figcaption>{text}</figcaption></figure>"


def grid_html(header: Sequence[object], rows: Sequence[Sequence[object]]) -> str:
    """A small table."""
    head = "".join(f"<th>{html.escape(str(h))}</th>" for h in header)
    body = "".join("<tr>" + "".join(f"<td>{html.escape(str(v))}</td>" for v in row) + "</tr>" for row in rows)
    return f'<div class="wide"><table><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table></div>'
