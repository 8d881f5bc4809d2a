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
from gmbench.evaluation.results import records, result_folder
from gmbench.evaluation.results import sources as clip_files
from gmbench.reporting.page import leaderboard
from gmbench.reporting.page.markup import Section, facts_html
from gmbench.reporting.page.sections import of_records
from gmbench.reporting.published_tables import errata_html
from gmbench.store import write_atomically

CLIPS = ("link", "copy", "none")
"""How clips come into the folder: hard links where the file system can, copies, or not at all."""
_SAFE = re.compile(r"[^A-Za-z0-9._-]+")


@dataclass
class PageContent:
    """What a page is made of.

    Attributes:
        title: of the page.
        records: of any datasets and protocols.
        sources: tables of :mod:`gmbench.evaluation.results.sources` with the folders they stand in.
        sections: below the leaderboard.
        provenance: facts about the run.
    """

    title: str
    records: pd.DataFrame
    sources: Sequence[tuple[Path, pd.DataFrame]] = ()
    sections: Sequence[Section] = ()
    provenance: Mapping[str, Any] = field(default_factory=dict)


def write(content: PageContent, out: Path, clips: str = "link") -> Path:
    """Write the page into a folder and return its path; what an earlier page left in ``data`` and ``media`` goes.

    Raises:
        InputError: no records. StoreError: the folder cannot be written.
    """
    for name in ("data", "media"):
        shutil.rmtree(out / name, ignore_errors=True)
    media = _Media(out, content.sources, clips)
    tables = [table for _, table in content.sources]
    joined = pd.concat(tables, ignore_index=True) if tables else None
    boards = leaderboard.boards(content.records, joined, media.locate)
    for b, board in enumerate(boards):
        for m, method in enumerate(board.summary["methods"]):
            text = f"gmbench.take({script_json(f'{b}-{m}')},{script_json(board.parts[method])});\n"
            write_atomically(out / "data" / f"{b}-{m}.js", text.encode())
    keys = dict.fromkeys(key for board in boards for key in board.summary["metrics"])
    methods = dict.fromkeys(method for board in boards for method in board.summary["methods"])
    facts = {
        "boards": [board.summary for board in boards], "metrics": leaderboard.metric_facts(keys),
        "methods": leaderboard.method_facts(methods),
    }  # fmt: skip
    path = out / "index.html"
    write_atomically(path, _page(content, facts).encode())
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


def from_folders(paths: Sequence[Path], out: Path, title: str, clips: str = "link") -> Path:
    """The page of evaluations: folders, or files of records, without figures of a pipeline.

    Raises:
        InputError: no records, or a file of another kind.
    """
    table = None
    for path in paths:
        table = records.merge(table, records.read(path))
    if table is None:
        raise InputError("no records to show; run 'gmbench eval' first, or pass --records")
    folders = [path if path.is_dir() else path.parent for path in paths]
    facts = {folder.name: told for folder in folders if (told := result_folder.provenance(folder))}
    return write(PageContent(title, table, read_sources(folders), of_records(table, folders, out), facts), out, clips)


class _Media:
    """Brings clips into the folder, each once, and tells where they are."""

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


def _page(content: PageContent, facts: dict[str, Any]) -> str:
    sections = [
        *content.sections,
        Section("What is wrong in the published tables", errata_html()),
        Section("Provenance", facts_html(content.provenance)),
    ]
    links = "".join(f'<a href="#s{n}">{html.escape(s.title)}</a>' for n, s in enumerate(sections))
    bodies = "\n".join(
        f'<section id="s{n}"><h2>{html.escape(s.title)}</h2>{s.body}</section>' for n, s in enumerate(sections)
    )
    filled = {
        "TITLE": html.escape(content.title), "LINKS": links, "SECTIONS": bodies, "DATA": script_json(facts),
        "STYLE": _asset("style.css"), "SCRIPT": _asset("page.js"),
    }  # fmt: skip
    return re.sub(r"\{\{(\w+)\}\}", lambda found: filled[found[1]], _asset("index.html"))


def read_sources(folders: Sequence[Path]) -> list[tuple[Path, pd.DataFrame]]:
    """Clip tables of folders that have one."""
    found = [(folder, clip_files.read(folder)) for folder in folders]
    return [(folder, table) for folder, table in found if table is not None]


def _asset(name: str) -> str:
    return resources.files("gmbench.reporting.page").joinpath("assets", name).read_text("utf-8")
