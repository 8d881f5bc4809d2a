"""The page's folder: ``index.html`` with all that opens at once, ``data/`` with the clips of each method, ``media/``.

Scripts that only assign data take the place of requests, which browsers refuse to pages opened from disk.
"""

import hashlib
import html
import json
import os
import re
import shutil
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from importlib import resources
from pathlib import Path
from typing import Any

import pandas as pd

from gmbench.errors import InputError, StoreError
from gmbench.evaluation.results import compared_files as clip_files
from gmbench.evaluation.results import merging, result_folder
from gmbench.reporting.page import page_folder
from gmbench.reporting.page.leaderboard import leaderboard, method_descriptions, metric_descriptions
from gmbench.reporting.page.markup import Section, json_html
from gmbench.reporting.page.sections import record_sections
from gmbench.reporting.published_tables import errata_html
from gmbench.reporting.summary import Summary
from gmbench.store import write_atomically

CLIPS = ("link", "copy", "none")
"""How clips come into the folder: hard links where the file system can, copies, or not at all."""
_SAFE = re.compile(r"[^A-Za-z0-9._-]+")


@dataclass
class PageContent:
    """What a page is made of.

    Attributes:
        title: of the page.
        summaries: numbers of each dataset and protocol.
        sources: tables of :mod:`gmbench.evaluation.results.compared_files` with the folders they stand in.
        sections: below the leaderboard.
        provenance: where the numbers come from, per evaluation.
    """

    title: str
    summaries: Sequence[Summary]
    sources: Sequence[tuple[Path, pd.DataFrame]] = ()
    sections: Sequence[Section] = ()
    provenance: Mapping[str, Any] = field(default_factory=dict)


def write(content: PageContent, out: Path, clips: str = "link", force: bool = False) -> Path:
    """Write the page into a folder and return its path; what an earlier page left in ``data`` and ``media`` goes.

    Raises:
        InputError: the folder holds something else, and not ``force``. StoreError: it cannot be written.
    """
    page_folder.claim(out, force)
    page_folder.clear(out)
    media = _Media(out, content.sources, clips)
    tables = [table for _, table in content.sources]
    sources = pd.concat(tables, ignore_index=True) if tables else None
    boards = [leaderboard(summary, sources, media.locate) for summary in content.summaries]
    for b, board in enumerate(boards):
        for m, method in enumerate(board.overview["methods"]):
            arguments = f"{script_json(f'{b}-{m}')},{script_json(board.clips_by_method[method])}"
            write_atomically(out / "data" / f"{b}-{m}.js", f"gmbench.addClips({arguments});\n".encode())
    keys = dict.fromkeys(key for board in boards for key in board.overview["metrics"])
    methods = dict.fromkeys(method for board in boards for method in board.overview["methods"])
    page_data = {
        "boards": [board.overview for board in boards],
        "metrics": metric_descriptions(keys),
        "methods": method_descriptions(methods),
    }
    path = out / "index.html"
    write_atomically(path, _page(content, page_data).encode())
    return path


def script_json(value: object) -> str:
    """JSON that can stand inside a script of an HTML page."""
    text = json.dumps(value, ensure_ascii=False, separators=(",", ":"), allow_nan=False)
    for character, code in (
        ("<", "\\u003c"),
        (">", "\\u003e"),
        ("&", "\\u0026"),
        ("\u2028", "\\u2028"),
        ("\u2029", "\\u2029"),
    ):
        text = text.replace(character, code)
    return text


def from_folders(paths: Sequence[Path], out: Path, title: str, clips: str = "link", force: bool = False) -> Path:
    """The page of evaluations: folders, or files of records, without figures of a pipeline.

    Raises:
        InputError: no records, a file of another kind, or a folder that holds something else, and not ``force``.
    """
    parts = merging.read_named(paths)
    table = merging.joined(parts)
    if table is None:
        raise InputError("no records to show; run 'gmbench eval' first, or pass --records")
    page_folder.claim(out, force)
    folders = [part.folder for part in parts]
    provenance = {str(place): facts for place in folders if (facts := result_folder.provenance(place))}
    summaries = Summary.per_protocol(table)
    sections = record_sections(table, summaries, folders, out)
    return write(PageContent(title, summaries, read_sources(parts), sections, provenance), out, clips, force)


class _Media:
    """Brings clips into the folder, each once, and says where they are."""

    def __init__(self, out: Path, tables: Sequence[tuple[Path, pd.DataFrame]], how: str) -> None:
        self.out, self.how = out, how
        self.files: dict[tuple[str, str, str], Path] = {}
        for folder, table in tables:
            for row in table.itertuples():
                key = (str(row.dataset), str(row.method), str(row.clip))
                if row.video and not row.change:
                    self.files[key] = folder / str(row.video)
                if row.reference:
                    self.files[key[0], "", key[2]] = folder / str(row.reference)
        self.placed: dict[Path, str] = {}

    def locate(self, dataset: str, method: str, clip: str) -> str:
        """Relative URL of a clip, empty where there is no single playable file."""
        path = self.files.get((dataset, method, clip))
        if path is None or self.how == "none" or not path.is_file():
            return ""
        path = path.resolve()
        if path not in self.placed:
            name = f"{_slug(clip)}{path.suffix.lower()}"
            target = Path("media") / _slug(dataset) / (_slug(method) if method else "reference") / name
            self._bring(path, self.out / target)
            self.placed[path] = target.as_posix()
        return self.placed[path]

    def _bring(self, path: Path, target: Path) -> None:
        target.parent.mkdir(parents=True, exist_ok=True)
        try:
            if self.how == "link":
                try:
                    os.link(path, target)
                    return
                except OSError:  # another file system, or one without links
                    pass
            shutil.copyfile(path, target)
        except OSError as error:
            raise StoreError(f"{target}: cannot be written ({error.strerror}); try --clips none") from error


def _slug(name: str) -> str:
    """A file name of harmless characters; a digest keeps different names apart."""
    safe = _SAFE.sub("_", name).strip(".")
    return safe if safe == name else f"{safe[:80]}-{hashlib.sha256(name.encode()).hexdigest()[:8]}"


def _page(content: PageContent, page_data: dict[str, Any]) -> str:
    sections = [
        *content.sections,
        Section("What is wrong in the published tables", errata_html()),
        Section("Provenance", json_html(content.provenance)),
    ]
    links = "".join(f'<a href="#s{n}">{html.escape(s.title)}</a>' for n, s in enumerate(sections))
    bodies = "\n".join(
        f'<section id="s{n}"><h2>{html.escape(s.title)}</h2>{s.body}</section>' for n, s in enumerate(sections)
    )
    filled = {
        "TITLE": html.escape(content.title),
        "LINKS": links,
        "SECTIONS": bodies,
        "DATA": script_json(page_data),
        "STYLE": _asset("style.css"),
        "SCRIPT": _asset("page.js"),
    }
    return re.sub(r"\{\{(\w+)\}\}", lambda match: filled[match[1]], _asset("index.html"))


def read_sources(parts: Sequence[merging.NamedRecords]) -> list[tuple[Path, pd.DataFrame]]:
    """Clip tables of the folders that have one, under the names that their datasets have here."""
    tables = [(part, clip_files.read(part.folder)) for part in parts]
    return [
        (part.folder, table.assign(dataset=table["dataset"].replace(dict(part.names))))
        for part, table in tables
        if table is not None
    ]


def _asset(name: str) -> str:
    return resources.files("gmbench.reporting.page").joinpath("assets", name).read_text("utf-8")
