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
from gmbench.reporting import tables
from gmbench.reporting.chosen_metrics import ASPECTS
from gmbench.reporting.page import page_folder
from gmbench.reporting.page.leaderboard import (
    About,
    ClipFiles,
    leaderboard,
    method_descriptions,
    metric_descriptions,
)
from gmbench.reporting.page.markup import Section, facts_html
from gmbench.reporting.page.overlays import Overlays
from gmbench.reporting.page.sections import record_sections
from gmbench.reporting.published_tables import errata_html
from gmbench.reporting.summary import Summary
from gmbench.reporting.table_formats import render
from gmbench.store import default_root, write_atomically

CLIPS = ("link", "copy", "none")
"""How clips come into the folder: hard links where the file system can, copies, or not at all."""
SCRIPTS = ("core", "address", "board", "charts", "parts", "method", "landmarks", "player", "start")
"""The page's script, in this order."""
MAX_LINKS = 8
"""Most sections below the page's own that its head links one by one; more are folded away."""
_LEVEL = re.compile(r"(?:^|/)level_(\d)(?:/|$)")
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
        costs: how long systems were trained, in words, by dataset and system.
        levels: intensity of the emotion, by dataset and clip; else of those whose reference lies in a folder level_N.
        stores: folders of the features that the numbers were made from, whose landmarks are shown.
    """

    title: str
    summaries: Sequence[Summary]
    sources: Sequence[tuple[Path, pd.DataFrame]] = ()
    sections: Sequence[Section] = ()
    provenance: Mapping[str, Any] = field(default_factory=dict)
    costs: Mapping[str, Mapping[str, str]] = field(default_factory=dict)
    levels: Mapping[str, Mapping[str, int]] = field(default_factory=dict)
    stores: Sequence[Path] = ()


def write(content: PageContent, out: Path, clips: str = "link", force: bool = False) -> Path:
    """Write the page into a folder and return its path; what an earlier page left in ``data`` and ``media`` goes.

    Raises:
        InputError: the folder holds something else, and not ``force``. StoreError: it cannot be written.
    """
    page_folder.claim(out, force)
    page_folder.clear(out)
    media = _Media(out, content.sources, clips)
    found = [table for _, table in content.sources]
    sources = pd.concat(found, ignore_index=True) if found else None
    overlays = Overlays(found, content.stores, lambda name, data: _write_data(out, name, data))
    files = ClipFiles(media.locate, overlays.locate)
    boards = [
        leaderboard(summary, sources, files, _about(content, summary, b, sources, out))
        for b, summary in enumerate(content.summaries)
    ]
    for b, board in enumerate(boards):
        _write_data(out, f"{b}-parts", board.parts)
        for m, method in enumerate(board.overview["methods"]):
            _write_data(out, f"{b}-{m}", board.clips_by_method[method])
    keys = dict.fromkeys(key for board in boards for key in board.overview["metrics"])
    methods = dict.fromkeys(method for board in boards for method in board.overview["methods"])
    page_data = {
        "boards": [board.overview for board in boards],
        "aspects": list(ASPECTS.values()),
        "metrics": metric_descriptions(keys),
        "methods": method_descriptions(methods),
        "noLandmarks": overlays.problem,
    }
    path = out / "index.html"
    write_atomically(path, _page(content, page_data).encode())
    return path


def _write_data(out: Path, name: str, data: Mapping[str, Any]) -> None:
    """A script that hands data to the page when it asks for the file of that name."""
    text = f"gmbench.add({script_json(name)},{script_json(data)});\n"
    write_atomically(out / "data" / f"{name}.js", text.encode())


def _about(content: PageContent, summary: Summary, place: int, sources: pd.DataFrame | None, out: Path) -> About:
    """What records do not say: days, costs, levels, and the whole table as files."""
    first = summary.records.iloc[0]
    dataset, protocol = str(first["dataset"]), str(first["protocol_hash"])
    evaluated = [entry for facts in content.provenance.values() for entry in _entries(facts)]
    days = [str(e["time"])[:10] for e in evaluated if (e.get("dataset"), e.get("protocol_hash")) == (dataset, protocol)]
    table, files, texts = tables.comparison_table(summary, [str(key) for key in summary.keys]), {}, {}
    for kind, suffix in (("CSV", "csv"), ("LaTeX", "tex"), ("markdown", "md")):
        files[kind] = f"tables/board-{place}.{suffix}"
        texts[kind] = render(table, {"LaTeX": "latex"}.get(kind, suffix))
        write_atomically(out / files[kind], texts[kind].encode())
    _write_data(out, f"{place}-files", texts)
    levels = content.levels.get(dataset) or _levels(sources, dataset)
    return About(days, content.costs.get(dataset, {}), levels, files)


def _entries(facts: Any) -> list[dict[str, Any]]:
    """When methods were evaluated, as an evaluation's provenance says."""
    return [dict(entry) for entry in facts.get("evaluated", [])] if isinstance(facts, Mapping) else []


def _levels(sources: pd.DataFrame | None, dataset: str) -> dict[str, int]:
    """Levels of clips whose reference lies below a folder ``level_<n>``, as MEAD's do."""
    if sources is None:
        return {}
    own = sources[sources["dataset"] == dataset].drop_duplicates("clip")
    found = {str(clip): _LEVEL.search(str(path)) for clip, path in zip(own["clip"], own["reference"], strict=True)}
    return {clip: int(level[1]) for clip, level in found.items() if level}


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


def from_folders(
    paths: Sequence[Path],
    out: Path,
    title: str,
    clips: str = "link",
    force: bool = False,
    store: Path | None = None,
) -> Path:
    """The page of evaluations: folders, or files of records, without figures of a pipeline.

    ``store``: of the evaluations, for the landmarks; ``GMBENCH_STORE`` or the cache by default.

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
    sections = record_sections(summaries, folders, out)
    page = PageContent(title, summaries, read_sources(parts), sections, provenance, stores=[store or default_root()])
    return write(page, out, clips, force)


class _Media:
    """Brings clips into the folder, each once, and says where they are."""

    def __init__(self, out: Path, sources: Sequence[tuple[Path, pd.DataFrame]], how: str) -> None:
        self.out, self.how = out, how
        self.files: dict[tuple[str, str, str], Path] = {}
        for folder, table in sources:
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
        Section("Provenance", facts_html(content.provenance)),
    ]
    links = "".join(f'<a href="#s{n}">{html.escape(s.title)}</a>' for n, s in enumerate(sections))
    if len(sections) > MAX_LINKS:
        links = f"<details><summary>{len(sections)} further sections</summary>{links}</details>"
    bodies = "\n".join(
        f'<section id="s{n}"><h2>{html.escape(s.title)}</h2>{s.body}</section>' for n, s in enumerate(sections)
    )
    filled = {
        "TITLE": html.escape(content.title),
        "LINKS": links,
        "SECTIONS": bodies,
        "DATA": script_json(page_data),
        "STYLE": _asset("style.css"),
        "SCRIPT": "\n".join(_asset(f"{name}.js") for name in SCRIPTS),
    }
    return re.sub(r"\{\{(\w+)\}\}", lambda match: filled[match[1]], _asset("index.html"))


def read_sources(parts: Sequence[merging.NamedRecords]) -> list[tuple[Path, pd.DataFrame]]:
    """Clip tables of the folders that have one, under the names that their datasets have here."""
    found = [(part, clip_files.read(part.folder)) for part in parts]
    return [
        (part.folder, table.assign(dataset=table["dataset"].replace(dict(part.names))))
        for part, table in found
        if table is not None
    ]


def _asset(name: str) -> str:
    return resources.files("gmbench.reporting.page").joinpath("assets", name).read_text("utf-8")
